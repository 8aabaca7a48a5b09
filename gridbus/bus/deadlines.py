"""Time-outs of requests, with one timer for all that have the same length."""

from __future__ import annotations

from typing import Protocol

from gridbus.clock import Clock, Timer


class Expiring(Protocol):
    """What can run out of time."""

    def expire(self, timeout: float, /) -> None:
        """Give up; the time is over."""


class Deadlines:
    """Expires what is not taken out in time.

    Requests of one length expire in the order they came, so a dict per length is a queue that anything can leave in
    one step. A timer per request would cost as much as handing the request over: it is set for the oldest only, and
    may fire once in vain after the last was taken out.
    """

    __slots__ = ("_clock", "_timers", "_waiting")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[float, dict[Expiring, float]] = {}
        self._timers: dict[float, Timer] = {}

    def add(self, item: Expiring, timeout: float) -> dict[Expiring, float]:
        """Expire ``item`` in ``timeout`` seconds, unless it is popped from the dict returned."""
        waiting = self._waiting.get(timeout)
        if waiting is None:
            waiting = self._waiting[timeout] = {}
            self._timers[timeout] = self._clock.call_later(timeout, lambda: self._expire(timeout))
        waiting[item] = self._clock.monotonic() + timeout
        return waiting

    def close(self) -> None:
        """Expire nothing more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()

    def _expire(self, timeout: float) -> None:
        waiting, now = self._waiting[timeout], self._clock.monotonic()
        while waiting:
            item, deadline = next(iter(waiting.items()))
            if deadline > now:
                self._timers[timeout] = self._clock.call_later(deadline - now, lambda: self._expire(timeout))
                return
            del waiting[item]
            item.expire(timeout)
        del self._waiting[timeout], self._timers[timeout]
