"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

import anyio

_MOST_TURNS = 10_000
_QUIET_TURNS = 3  # what a task's end sets off is called back in the turn after it


async def settle() -> None:
    """Return when all other tasks wait for something.

    Does what anyio's ``wait_all_tasks_blocked`` does, without its pauses of a tenth of a second. Work in threads is not
    waited for.

    Raises:
        TimeoutError: some task never comes to rest.
    """
    here = asyncio.current_task()
    quiet = 0
    for _ in range(_MOST_TURNS):
        await asyncio.sleep(0)
        waiters = [getattr(task, "_fut_waiter", None) for task in asyncio.all_tasks() if task is not here]
        quiet = quiet + 1 if all(waiter is not None and not waiter.done() for waiter in waiters) else 0
        if quiet == _QUIET_TURNS:
            return
    raise TimeoutError(f"some task still runs after {_MOST_TURNS} turns of the loop")


class FakeTimer:
    """A call that is due when the test has moved the clock far enough."""

    __slots__ = ("callback", "is_cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        """Forget the call."""
        self.is_cancelled = True


class FakeClock:
    """Time for tests: ``await clock.advance(30)`` makes half a minute pass at once, timer by timer.

    Before it moves and after each timer it waits until all other tasks are blocked, so that what a timer sets off has
    happened before the next one is due.
    """

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000) -> None:
        self._start_ns = start_ns
        self._now = 0.0
        self._order = count()
        self._timers: list[tuple[float, int, FakeTimer]] = []

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._start_ns + round(self._now * 1e9)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    def call_later(self, delay: float, callback: Callable[[], object]) -> FakeTimer:
        """Call back when the clock has moved by ``delay`` seconds."""
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (self._now + max(delay, 0.0), next(self._order), timer))
        return timer

    async def sleep(self, delay: float) -> None:
        """Return when the clock has moved by ``delay`` seconds."""
        woken = anyio.Event()
        timer = self.call_later(delay, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Move the clock and make what is due happen, in order."""
        end = self._now + seconds
        await settle()
        while self._timers and self._timers[0][0] <= end:
            self._now, _, timer = heapq.heappop(self._timers)
            if not timer.is_cancelled:
                timer.callback()
                await settle()
        self._now = end
        await settle()

    @property
    def waiting(self) -> int:
        """Timers that are due later and were not cancelled."""
        return sum(not timer.is_cancelled for _, _, timer in self._timers)
