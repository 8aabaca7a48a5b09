"""Which share of a core a process gets: when to stop it and when to let it go on."""

from __future__ import annotations

import enum
import math

_SAVED = 0.4  # seconds of its share that it can save up while it uses less, to spend at once
_CYCLE = 0.1  # seconds of its share that it is given after a stop: short enough to seem slow and not stuck
_LONGEST = 0.5  # seconds of one stop, so that it still answers while it pays a debt back


class Order(enum.Enum):
    """What to do with a process now."""

    STOP = "stop"
    CONTINUE = "continue"


class DutyCycle:
    """An account of processor time: credit flows in at the rate allowed, and what is used is taken off.

    Nothing is forgiven: what a process used more between two looks, it waits for later. So the share is right over
    time, however late the looks are.
    """

    __slots__ = (
        "_at",
        "_cores",
        "_cpu",
        "_full_at",
        "_full_cpu",
        "_interval",
        "_is_using",
        "_rate",
        "_run_at",
        "_run_cpu",
        "_stopped_at",
        "_stopped_before",
        "credit",
        "is_reported",
    )

    def __init__(self, percent: float, interval: float, *, now: float, cpu: float) -> None:
        """Begin with what can be saved up: a process is not stopped while it starts.

        Args:
            percent: of one core.
            interval: seconds that the process runs at least before it is looked at.
            now: time of the clock, as in all methods.
            cpu: processor seconds that it used so far, as in all methods.
        """
        self._rate, self._interval = percent / 100, interval
        self.credit = self._rate * _SAVED
        self._at = self._full_at = self._run_at = now
        self._cpu = self._full_cpu = self._run_cpu = cpu
        self._cores = 1.0  # that it used when it ran last
        self._is_using = False
        self._stopped_at: float | None = None
        self._stopped_before = 0.0
        self.is_reported = False  #: this episode of stops was told; it ends when all that can be saved is saved

    @property
    def is_stopped(self) -> bool:
        """It was stopped here, and by nobody else."""
        return self._stopped_at is not None

    def stopped_seconds(self, now: float) -> float:
        """For how long it was stopped here, all together."""
        return self._stopped_before + (0.0 if self._stopped_at is None else now - self._stopped_at)

    def percent(self, now: float, cpu: float) -> float:
        """What it used of one core since its credit was full: more than allowed, once there is none left."""
        return 100 * (cpu - self._full_cpu) / max(now - self._full_at, 1e-6)

    def account(self, now: float, cpu: float) -> Order | None:
        """Note what it used, and say what is to be done; ``stopped`` and ``continued`` tell that it was."""
        earned, used = self._rate * (now - self._at), cpu - self._cpu
        self._at, self._cpu, self._is_using = now, cpu, used > earned
        if math.isinf(self._rate):
            return None
        full = self._rate * _SAVED
        self.credit += earned - used
        if self.credit >= full:
            self.credit, self._full_at, self._full_cpu, self.is_reported = full, now, cpu, False
        if self._stopped_at is None:
            return Order.STOP if self.credit <= 0 and self._is_using else None
        return Order.CONTINUE if self._left(now) <= 1e-6 else None

    def stopped(self, now: float) -> None:
        """It is stopped now."""
        self._stopped_at = now
        self._cores = max(1.0, (self._cpu - self._run_cpu) / max(now - self._run_at, self._interval))

    def continued(self, now: float) -> None:
        """It runs again."""
        if self._stopped_at is not None:
            self._stopped_before += now - self._stopped_at
            self._stopped_at = None
        self._run_at, self._run_cpu = now, self._cpu

    def next_look(self, now: float, threads: int) -> float:
        """Seconds until something may have to be done, if all threads run all the time; ``inf`` if never."""
        if self._stopped_at is not None:
            return self._left(now)
        surplus = threads - self._rate
        return max(self.credit, 0.0) / surplus if surplus > 0 else math.inf

    def _left(self, now: float) -> float:
        """Seconds that it stays stopped."""
        assert self._stopped_at is not None
        earned = (self._rate * _CYCLE - self.credit) / self._rate
        # Deep in debt it runs for a moment now and then, and even so pays back half of what it is allowed.
        longest = max(_LONGEST, 2 * self._interval * self._cores / self._rate)
        return min(earned, longest - (now - self._stopped_at))
