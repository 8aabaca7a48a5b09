"""By how much the files of a process have grown: when to walk its folders, and what was found."""

from __future__ import annotations

import math

from gridbus.isolation.meter.limits import MeterLimits, Reached
from gridbus.isolation.meter.written import Written

_EVERY = 0.25  # seconds between walks of a process that works
_NAMELESS_EVERY = 1.0  # of one that may write nothing: only what it keeps open without a name is looked at
_REST = 20  # a walk is followed by a pause of so many times its own duration


class Growth:
    """What a process has written since it was watched first."""

    __slots__ = ("_after", "_base", "_cpu", "_hidden_base", "_limits", "_now", "is_walking")

    def __init__(self, limits: MeterLimits, base: int | None) -> None:
        """Begin with the first walk still to come.

        Args:
            limits: how much it may write, and where.
            base: bytes from which growth counts; by default what the first walk finds.
        """
        self._limits, self._base = limits, base
        self._hidden_base: int | None = None
        self._now = Written()
        self._after, self._cpu = -math.inf, -1.0
        self.is_walking = False

    @property
    def base(self) -> int | None:
        """Bytes from which growth counts; None before the first walk ends."""
        return self._base

    @property
    def file_bytes(self) -> int:
        """By how much what is there has grown."""
        return max(self._now.size - (self._base or 0), 0)

    @property
    def files(self) -> int:
        """How many files and folders were found."""
        return self._now.files

    def is_due(self, now: float, cpu: float) -> bool:
        """Whether to walk: the process has worked since, and the last walk is long enough ago."""
        return not self.is_walking and cpu > self._cpu and now >= self._after

    def begin(self, cpu: float) -> None:
        """A walk begins."""
        self.is_walking, self._cpu = True, cpu

    def end(self, now: float, took: float) -> None:
        """A walk has ended, or failed, after so many seconds."""
        self.is_walking = False
        self._after = now + max(_EVERY if self._limits.write_paths else _NAMELESS_EVERY, _REST * took)

    def is_enough(self, size: int) -> bool:
        """So much is more than allowed, and need not be counted to its end."""
        return self._base is not None and size > self._base + self._limits.file_bytes

    def found(self, written: Written) -> Reached | None:
        """Note what a walk has found, and return the limit if it was reached."""
        self._now = written
        if self._base is None:
            self._base = written.size
        if self._hidden_base is None:
            self._hidden_base = written.hidden
        if written.hidden > self._hidden_base:
            return Reached("file_bytes", self._limits.file_bytes, math.inf, "killed")
        if self.is_enough(written.size):
            return Reached("file_bytes", self._limits.file_bytes, self.file_bytes, "killed")
        return None
