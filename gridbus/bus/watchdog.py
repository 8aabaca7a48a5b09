"""Cancels handlers that run too long, with one timer for all workers of a bus."""

from __future__ import annotations

from gridbus.bus.cell import Cell
from gridbus.clock import Clock, Timer

_SHORTEST, _LONGEST = 0.005, 1.0  # seconds between two looks


class Watchdog:
    """Looks at the watched workers a few times per time-out while any of them is at work.

    A handler is cancelled at the first look at which it is known to have run for its whole time-out: never early, and
    late by a quarter of the shortest time-out in use, at most a second. A timer per event would cost more than the
    event.
    """

    __slots__ = ("_clock", "_timeouts", "_timer")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timeouts: dict[Cell, float] = {}
        self._timer: Timer | None = None

    @property
    def is_armed(self) -> bool:
        """Tell whether a look is due."""
        return self._timer is not None

    def watch(self, cell: Cell, timeout: float) -> None:
        """Cancel what ``cell`` handles when it takes longer than ``timeout`` seconds."""
        self._timeouts[cell] = timeout

    def unwatch(self, cell: Cell) -> None:
        """Forget a worker."""
        self._timeouts.pop(cell, None)

    def arm(self) -> None:
        """Look soon, and as long as a watched worker has an event in hand."""
        if self._timer is None and self._timeouts:
            interval = min(max(min(self._timeouts.values()) / 4, _SHORTEST), _LONGEST)
            self._timer = self._clock.call_later(interval, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timeouts.clear()

    def _look(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        busy = False
        for cell, timeout in self._timeouts.items():
            if cell.event is None:
                cell.watched = None
                continue
            busy = True
            if cell.watched is None or cell.watched[0] is not cell.event:
                cell.watched = (cell.event, now)
            elif now - cell.watched[1] >= timeout and cell.task is not None:
                cell.timed_out += 1
                cell.task.cancel(f"handler took longer than {timeout:g} s")
                cell.watched = (
                    cell.event,
                    now,
                )  # a handler that goes on regardless is cancelled again, a time-out later
        if busy:
            self.arm()
