"""Streams of items from one process to the other, with a window."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

WINDOW = 16
"""Items that a sender may be ahead of its reader."""


class Incoming:
    """A stream that comes in."""

    def __init__(self, give_credit: Callable[[int], object]) -> None:
        self._give_credit = give_credit
        self._items: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._error: Exception | None = None
        self._taken = 0
        self.is_over = False

    def add(self, item: bytes) -> bool:
        """Take an item; False where the sender runs too far ahead."""
        if len(self._items) >= 2 * WINDOW:
            return False
        self._items.append(item)
        self._arrived.set()
        return True

    def end(self) -> None:
        """No more items come."""
        self.is_over = True
        self._arrived.set()

    def fail(self, error: Exception) -> None:
        """No more items come, for a reason."""
        self._error = error
        self.end()

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Yield the items."""
        while True:
            while self._items:
                item = self._items.popleft()
                self._taken += 1
                if self._taken >= WINDOW // 2 and not self.is_over:
                    taken, self._taken = self._taken, 0
                    self._give_credit(taken)
                yield item
            if self.is_over:
                if self._error is not None:
                    raise self._error
                return
            self._arrived.clear()
            await self._arrived.wait()


class Outgoing:
    """How many items may go out."""

    def __init__(self) -> None:
        self._credit = WINDOW
        self._more = asyncio.Event()

    def add(self, credit: int) -> None:
        """The reader took so many."""
        self._credit = min(self._credit + max(credit, 0), WINDOW)
        self._more.set()

    async def take(self) -> None:
        """Return when one more item may go out."""
        while self._credit <= 0:
            self._more.clear()
            await self._more.wait()
        self._credit -= 1


@asynccontextmanager
async def read_items(
    incoming: Incoming, begin: Callable[[], object], end: Callable[[], object]
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Begin a stream, give its items, and end it however the block is left."""
    begin()
    try:
        async with aclosing(incoming.read()) as items:
            yield items
    finally:
        end()
