"""Memory and threads of a process, and its share of the processor: looked at now and then, as long as it works."""

from __future__ import annotations

from gridbus.isolation.meter.limits import MeterLimits, ProcessUsage, Reached
from gridbus.isolation.meter.readings import Readings

_THREADS_EVERY = 0.1  # seconds
_MEMORY_EVERY = 1.0
_SLACK = 16 * 2**20  # pages of libraries that it maps after the fork are no memory of its own


class Footprint:
    """What a process has, and had when it was watched first."""

    __slots__ = (
        "_cpu",
        "_limits",
        "_marks",
        "_memory_at",
        "_memory_base",
        "_memory_cpu",
        "_pid",
        "_readings",
        "_rss",
        "_threads_at",
        "_threads_cpu",
        "threads",
    )

    def __init__(self, pid: int, limits: MeterLimits, readings: Readings, *, now: float, cpu: float) -> None:
        """See what the process has now."""
        self._pid, self._limits, self._readings = pid, limits, readings
        self._cpu = self._memory_cpu = self._threads_cpu = cpu
        self._marks = ((now, cpu), (now, cpu))
        self._memory_at = self._threads_at = now
        self._memory_base = self._rss = readings.rss_bytes(pid) or 0
        self.threads = readings.threads(pid) or 0  #: when they were last counted

    def look(self, now: float, cpu: float) -> Reached | None:
        """See what has changed, which it can only where processor time was used; return the limit that was reached."""
        self._cpu = cpu
        if now - self._marks[1][0] >= 1.0:
            self._marks = self._marks[1], (now, cpu)
        if cpu > self._threads_cpu and now - self._threads_at >= _THREADS_EVERY:
            self._threads_at, self._threads_cpu = now, cpu
            self.threads = self._readings.threads(self._pid) or self.threads
            if self.threads > self._limits.threads + 1:  # the main one
                return Reached("threads", self._limits.threads, self.threads - 1, "killed")
        if cpu > self._memory_cpu and now - self._memory_at >= _MEMORY_EVERY:
            self._memory_at, self._memory_cpu = now, cpu
            self._rss = self._readings.rss_bytes(self._pid) or self._rss
            grown, most = self._rss - self._memory_base, self._limits.memory_bytes
            if grown > most + max(most // 10, _SLACK):
                return Reached("memory_bytes", most, grown, "killed")
        return None

    def usage(self, now: float, *, file_bytes: int, files: int) -> ProcessUsage:
        """What it uses now; of one that is gone, what it used when it was last seen."""
        try:
            cpu = self._readings.cpu_seconds(self._pid)
            rss = self._readings.rss_bytes(self._pid) or self._rss
            threads = self._readings.threads(self._pid) or self.threads
        except ProcessLookupError:
            cpu, rss, threads = self._cpu, self._rss, self.threads
        at, before = self._marks[0]
        percent = 100 * (cpu - before) / (now - at) if now > at else 0.0
        return ProcessUsage(
            cpu_seconds=cpu, cpu_percent=percent, rss_bytes=rss, threads=threads, file_bytes=file_bytes, files=files
        )
