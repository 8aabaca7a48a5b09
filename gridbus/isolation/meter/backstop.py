"""The system's own limit of processor time, moved on while a process makes progress."""

from __future__ import annotations

import logging
import math

from gridbus.isolation.meter.readings import Readings

logger = logging.getLogger("gridbus.isolation.meter")

_GRACE = 2.0  # seconds that the meter has to find it first
_LAST = 3.0  # seconds from the signal that can be caught to the one that cannot


class Backstop:
    """Ends a busy process where the application cannot: because its loop is blocked, or because it is gone."""

    __slots__ = ("_cpu_seconds", "_pid", "_readings", "_soft")

    def __init__(self, pid: int, cpu_seconds: float, readings: Readings) -> None:
        """Read the limit that the process has.

        Args:
            pid: the process.
            cpu_seconds: processor time that one piece of work may use.
            readings: moves the limit.
        """
        self._pid, self._cpu_seconds, self._readings = pid, cpu_seconds, readings
        try:
            soft, _ = readings.cpu_limit(pid)
        except OSError:  # gone, or not ours: neither is to be moved
            soft = math.nan
        self._soft = soft

    def progressed(self, cpu: float) -> None:
        """Move the limit on, if what is left of it may not last for another piece of work."""
        least, new = cpu + self._cpu_seconds + _GRACE / 2, cpu + 2 * self._cpu_seconds + _GRACE
        # Room for two, so that it is moved seldom. A limit that is far off is no backstop: it is brought near once.
        if math.isnan(self._soft) or least <= self._soft <= new + 1:
            return
        try:
            _, hard = self._readings.cpu_limit(self._pid)
            self._soft = self._move(new, hard)
        except ProcessLookupError:
            self._soft = math.nan
        except OSError as error:
            logger.warning("the processor time of process %d is not moved on, it may end early: %s", self._pid, error)
            self._soft = math.nan

    def _move(self, soft: float, hard: float) -> float:
        """Set the limit, as far as it may be, and return it."""
        soft = math.ceil(soft) if math.isfinite(soft) else soft
        if soft + _LAST <= hard:  # a hard limit that was lowered cannot be raised again without privilege
            self._readings.set_cpu_limit(self._pid, soft, hard)
            return soft
        try:
            self._readings.set_cpu_limit(self._pid, soft, soft + _LAST)
        except PermissionError:
            soft = min(soft, hard)
            self._readings.set_cpu_limit(self._pid, soft, hard)
            raise PermissionError(f"it may use {hard:g} s in its life and has no more than that") from None
        return soft
