"""What a process may use, what it uses, and what is said when it reaches a limit."""

from __future__ import annotations

from typing import Protocol

import attrs


@attrs.frozen(kw_only=True)
class MeterLimits:
    """What a process may use; ``inf`` is no limit, where a number of seconds or a percentage is meant."""

    memory_bytes: int  #: on top of what it has when the meter begins to watch it
    file_bytes: int  #: by which what is in ``write_paths`` may grow
    cpu_percent: float = 100.0  #: of one core, over time
    cpu_seconds_per_event: float = 10.0  #: processor time while the same piece of work is the oldest in hand
    threads: int = 8  #: besides the main one
    write_paths: tuple[str, ...] = ()  #: files and folders that it may write
    hang_after: float = 45.0  #: seconds for which the same piece of work may be the oldest in hand


@attrs.frozen
class Reached:
    """A limit that a process reached, and what was done."""

    limit: str  #: name of the field in MeterLimits, which is that in ResourceLimits; or ``hang``
    allowed: float
    used: float  #: ``inf`` where it hid from being measured
    action: str  #: ``throttled`` or ``killed``


@attrs.frozen(kw_only=True)
class ProcessUsage:
    """What a process uses; once it is gone, what it used when it was last seen."""

    cpu_seconds: float = 0.0
    cpu_percent: float = 0.0  #: of one core, over the last one to two seconds
    rss_bytes: int = 0
    threads: int = 0
    file_bytes: int = 0  #: by which what is in its write paths has grown
    files: int = 0  #: files and folders in its write paths


class Progress(Protocol):
    """What the meter asks about the work of a process."""

    def in_hand(self) -> tuple[int, float] | None:
        """Token of the oldest piece of work in the process, and since when by ``clock.monotonic()``; None when idle."""
