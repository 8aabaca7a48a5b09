"""The oldest piece of work in a process: how long it is there, and how much processor time it takes."""

from __future__ import annotations

import math

from gridbus.isolation.meter.limits import MeterLimits, Progress, Reached


class OldestWork:
    """Follows the token of the oldest piece of work; a new one begins to count from nothing."""

    __slots__ = ("_limits", "_progress", "_since", "_stopped", "_token", "cpu")

    def __init__(self, limits: MeterLimits, progress: Progress, *, cpu: float) -> None:
        """Begin with no work seen."""
        self._limits, self._progress = limits, progress
        self._token: int | None = None
        self._since = self._stopped = 0.0
        self.cpu = cpu  #: processor seconds that the process had used when this work was first seen

    def follow(self, cpu: float, stopped: float) -> bool:
        """See what is in hand now; true if that is progress: other work than before, or none.

        Args:
            cpu: processor seconds that the process used so far.
            stopped: seconds for which the meter had it stopped so far.
        """
        work = self._progress.in_hand()
        token = None if work is None else work[0]
        if token is not None and token == self._token:
            return False
        self._token, self.cpu, self._stopped = token, cpu, stopped
        self._since = math.inf if work is None else work[1]
        return True

    def reached(self, now: float, cpu: float, stopped: float) -> Reached | None:
        """The limit that this work has reached."""
        if self._token is None:
            return None
        used, most = cpu - self.cpu, self._limits.cpu_seconds_per_event
        if used > most:
            return Reached("cpu_seconds_per_event", most, used, "killed")
        lasted = self._lasted(now, stopped)
        if lasted >= self._limits.hang_after:
            return Reached("hang", self._limits.hang_after, lasted, "killed")
        return None

    def next_look(self, now: float, cpu: float, stopped: float, cores: float) -> float:
        """Seconds until it may reach a limit, if it uses so many cores; ``inf`` while there is no work."""
        if self._token is None:
            return math.inf
        left = self._limits.hang_after - self._lasted(now, stopped)
        if cores:
            left = min(left, (self._limits.cpu_seconds_per_event - cpu + self.cpu) / cores)
        return left

    def _lasted(self, now: float, stopped: float) -> float:
        """Seconds that it took, without those for which the meter did not let it run."""
        return now - self._since - (stopped - self._stopped)
