"""Time as a dependency, so that no test has to sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is due later and can be cancelled."""

    def cancel(self) -> None:
        """Forget the call; does nothing when it was made already."""


class Clock(Protocol):
    """What gridbus asks of time."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call back after ``delay`` seconds on the running loop."""
        ...

    async def sleep(self, delay: float) -> None:
        """Return after ``delay`` seconds."""


class SystemClock:
    """The machine's clock and the running loop's timers."""

    time_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call back after ``delay`` seconds on the running loop."""
        return asyncio.get_running_loop().call_later(delay, callback)

    async def sleep(self, delay: float) -> None:
        """Return after ``delay`` seconds."""
        await asyncio.sleep(delay)
