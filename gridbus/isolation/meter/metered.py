"""One process that the meter watches, and what is done at each look at it."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable

import anyio

from gridbus.isolation.meter.backstop import Backstop
from gridbus.isolation.meter.duty import DutyCycle, Order
from gridbus.isolation.meter.footprint import Footprint
from gridbus.isolation.meter.growth import Growth
from gridbus.isolation.meter.limits import MeterLimits, ProcessUsage, Progress, Reached
from gridbus.isolation.meter.readings import Readings
from gridbus.isolation.meter.work import OldestWork
from gridbus.isolation.meter.written import Written

_IDLE = 1.0  # seconds between looks at a process that does nothing
_BUSY = 0.25  # seconds between looks at one that works, and is far from its limits
_QUIET = 0.01  # of one core: less than this is nothing


class Metered:
    """A watched process; ``close`` ends that."""

    __slots__ = (
        "_backstop",
        "_cpu",
        "_duty",
        "_footprint",
        "_interval",
        "_is_asleep",
        "_is_counted",
        "_limits",
        "_looked_at",
        "_monotonic",
        "_on_close",
        "_on_poke",
        "_reached",
        "_readings",
        "_roots",
        "_signal",
        "_wait",
        "_work",
        "due",
        "growth",
        "is_closed",
        "is_over",
        "pid",
    )

    def __init__(
        self,
        pid: int,
        limits: MeterLimits,
        *,
        monotonic: Callable[[], float],
        interval: float,
        readings: Readings,
        progress: Progress,
        reached: Callable[[Reached], object],
        send: Callable[[int], None],
        on_poke: Callable[[Metered], None],
        on_close: Callable[[Metered], None],
        file_base: int | None = None,
    ) -> None:
        """See what the process has now; ``Meter.watch`` makes these."""
        self.pid, self._limits, self._interval, self._readings = pid, limits, interval, readings
        self._monotonic, self._reached, self._signal = monotonic, reached, send
        self._on_poke, self._on_close = on_poke, on_close
        self.due = math.inf  #: when the meter looks next
        self.is_closed = False
        self.is_over = False  #: it is gone or killed, and is not looked at any more
        now = self._looked_at = monotonic()
        try:
            cpu = readings.cpu_seconds(pid)
        except ProcessLookupError:
            cpu, self.is_over = 0.0, True
        self._cpu, self._wait, self._is_asleep = cpu, interval, False
        self._duty = DutyCycle(limits.cpu_percent, interval, now=now, cpu=cpu)
        self._work = OldestWork(limits, progress, cpu=cpu)
        self._footprint = Footprint(pid, limits, readings, now=now, cpu=cpu)
        self._backstop = Backstop(pid, limits.cpu_seconds_per_event, readings)
        self._is_counted = anyio.Event()
        self._roots: tuple[str, ...] | None = None  # the write paths, without links; known after the first walk
        self.growth = Growth(limits, file_base)  #: of its files

    def poke(self) -> None:
        """Say that work was just handed over: an idle process is then looked at soon. Cheap enough for each event."""
        if self._is_asleep:
            self._is_asleep, self._wait = False, self._interval
            self._on_poke(self)

    @property
    def file_base(self) -> int | None:
        """Bytes from which its files' growth counts, for the process that takes its place; None if not yet known."""
        return self.growth.base

    async def ready(self) -> None:
        """Return when the files that are there at first are counted: what is written before that is not noticed.

        At once for a process that may write nothing. It is best to let the process begin its work after this.
        """
        if self._limits.write_paths and self._readings.is_real and not self.is_over and not self.is_closed:
            await self._is_counted.wait()

    def usage(self) -> ProcessUsage:
        """What it uses now; once it is gone, what it used when it was last seen."""
        return self._footprint.usage(self._monotonic(), file_bytes=self.growth.file_bytes, files=self.growth.files)

    def close(self) -> None:
        """Watch it no more; a process that was stopped here goes on, so that it can end by itself."""
        if self.is_closed:
            return
        self.is_closed = True
        self._is_counted.set()
        self._on_close(self)
        if self._duty.is_stopped and not self.is_over:
            try:
                self._signal(signal.SIGCONT)
            except ProcessLookupError:
                self.is_over = True

    def look(self, now: float) -> float | None:
        """Do what is to be done now; return the seconds until the next look, None if there is none."""
        try:
            cpu = self._readings.cpu_seconds(self.pid)
        except ProcessLookupError:
            self.is_over = True
            return None
        used, elapsed = cpu - self._cpu, now - self._looked_at
        self._cpu, self._looked_at = cpu, now
        stopped = self._duty.stopped_seconds(now)
        if self._work.follow(cpu, stopped):
            self._backstop.progressed(cpu)
        reached = self._work.reached(now, cpu, stopped) or self._footprint.look(now, cpu)
        if reached is not None:
            self.kill(reached)
            return None
        goes_on = self._keep_share(now, cpu)
        if self.is_closed:  # by who was told
            return None
        self._wait = self._until_next(now, cpu, is_busy=goes_on or used > _QUIET * elapsed)
        return self._wait

    def kill(self, reached: Reached) -> None:
        """End it for the limit that it has reached, and tell."""
        if self.is_over or self.is_closed:
            return
        self._signal(signal.SIGKILL)
        self.is_over = True
        self._reached(reached)

    def wants_walk(self, now: float) -> bool:
        """Whether its files are to be counted now."""
        return self._readings.is_real and not self.is_over and self.growth.is_due(now, self._cpu)

    def begin_walk(self) -> None:
        """Its files are being counted."""
        self.growth.begin(self._cpu)

    def end_walk(self, now: float, took: float) -> None:
        """They were counted, or could not be."""
        self.growth.end(now, took)
        self._is_counted.set()

    def count_files(self) -> Written:
        """Walk through its write paths; in a worker thread."""
        if self._roots is None:  # what is made a link later is not followed
            self._roots = tuple(map(os.path.realpath, self._limits.write_paths))
        return self._readings.written(self.pid, self._roots, lambda size: self.is_closed or self.growth.is_enough(size))

    def counted(self, written: Written) -> None:
        """See what the walk has found."""
        if self.is_closed:
            return
        reached = self.growth.found(written)
        if reached is not None:
            self.kill(reached)

    def _keep_share(self, now: float, cpu: float) -> bool:
        """Stop it or let it go on; true where it goes on now, so that it has to be thought busy until it is seen."""
        match self._duty.account(now, cpu):
            case Order.STOP:
                self._signal(signal.SIGSTOP)
                self._duty.stopped(now)
                if not self._duty.is_reported:
                    self._duty.is_reported = True
                    allowed = self._limits.cpu_percent
                    self._reached(Reached("cpu_percent", allowed, self._duty.percent(now, cpu), "throttled"))
            case Order.CONTINUE:
                self._signal(signal.SIGCONT)
                self._duty.continued(now)
                return True
        return False

    def _until_next(self, now: float, cpu: float, *, is_busy: bool) -> float:
        """Seconds until the next look: soon enough for the limit that comes next, and seldom where nothing goes on."""
        stopped, cores = self._duty.stopped_seconds(now), max(self._footprint.threads, 1)
        self._is_asleep = False
        if self._duty.is_stopped:
            wait = self._duty.next_look(now, cores)
        elif is_busy:
            event = self._work.next_look(now, cpu, stopped, cores)
            wait = min(_BUSY, self._limits.cpu_seconds_per_event / 8, self._duty.next_look(now, cores), event)
        else:
            wait = min(2 * self._wait, _IDLE, self._work.next_look(now, cpu, stopped, 0))
            self._is_asleep = wait > self._interval
        return max(wait, self._interval)
