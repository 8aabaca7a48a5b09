"""What the system tells of a process; the one place of the meter that knows platforms."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from gridbus.isolation.meter.written import Written, measure_written

_INFINITY = -1  # RLIM_INFINITY, as the module that has it is not there on Windows
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Readings(Protocol):
    """What the meter reads of a process, and the one limit that it moves; tests put a fake in its place."""

    is_real: bool  #: false where nothing is measured

    def cpu_seconds(self, pid: int) -> float:
        """Processor time that it used so far; raises ProcessLookupError when it is gone."""
        ...

    def rss_bytes(self, pid: int) -> int | None:
        """Memory that it has; None where that cannot be read."""
        ...

    def threads(self, pid: int) -> int | None:
        """How many threads it has; None where that cannot be read."""
        ...

    def cpu_limit(self, pid: int) -> tuple[float, float]:
        """Processor seconds after which the system warns and kills it; raises OSError."""
        ...

    def set_cpu_limit(self, pid: int, soft: float, hard: float) -> None:
        """Move both; raises OSError, PermissionError where the hard one may not be raised."""
        ...

    def written(self, pid: int, paths: Iterable[str], is_enough: Callable[[int], bool]) -> Written:
        """What is in the paths, and what is open without a name; called in a worker thread."""
        ...


class LinuxReadings:
    """Reads the processor clock of the process and ``/proc``."""

    is_real = True

    def cpu_seconds(self, pid: int) -> float:
        """Processor time that it used so far; takes about a microsecond."""
        try:
            return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) makes of a pid
        except OSError as error:  # EINVAL: there is no such process
            raise ProcessLookupError(error.errno, f"process {pid} is gone") from error

    def rss_bytes(self, pid: int) -> int | None:
        """Resident pages, those that it shares with the process that forked it included."""
        try:
            with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
                return int(file.read(200).split()[1]) * _PAGE
        except (OSError, IndexError):
            return None

    def threads(self, pid: int) -> int | None:
        """Each thread is a link of the folder of threads: cheaper to ask than to read ``stat``."""
        try:
            return max(os.stat(f"/proc/{pid}/task").st_nlink - 2, 0)
        except OSError:
            return None

    def cpu_limit(self, pid: int) -> tuple[float, float]:
        """``RLIMIT_CPU``."""
        import resource

        soft, hard = resource.prlimit(pid, resource.RLIMIT_CPU)
        return _seconds(soft), _seconds(hard)

    def set_cpu_limit(self, pid: int, soft: float, hard: float) -> None:
        """``RLIMIT_CPU``, in whole seconds."""
        import resource

        resource.prlimit(pid, resource.RLIMIT_CPU, (_whole(soft), _whole(hard)))

    def written(self, pid: int, paths: Iterable[str], is_enough: Callable[[int], bool]) -> Written:
        """What is in the paths, and what is open without a name."""
        return measure_written(pid, paths, is_enough)


class NoReadings:
    """Elsewhere: nothing is measured, so that only hangs are found."""

    is_real = False

    def cpu_seconds(self, pid: int) -> float:
        """Nothing."""
        return 0.0

    def rss_bytes(self, pid: int) -> int | None:
        """Nothing."""
        return None

    def threads(self, pid: int) -> int | None:
        """Nothing."""
        return None

    def cpu_limit(self, pid: int) -> tuple[float, float]:
        """No limit."""
        return math.inf, math.inf

    def set_cpu_limit(self, pid: int, soft: float, hard: float) -> None:
        """Nothing is limited."""

    def written(self, pid: int, paths: Iterable[str], is_enough: Callable[[int], bool]) -> Written:
        """Nothing."""
        return Written()


def readings_here() -> Readings:
    """What can be read on this platform."""
    return LinuxReadings() if sys.platform == "linux" else NoReadings()


def _seconds(limit: int) -> float:
    return math.inf if limit == _INFINITY else float(limit)


def _whole(seconds: float) -> int:
    return _INFINITY if math.isinf(seconds) else math.ceil(seconds)
