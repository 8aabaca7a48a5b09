"""How many workers of a bus are at work, for those who wait until none is."""

from __future__ import annotations

import asyncio


class Activity:
    """Counts workers that are awake; a worker sleeps only when its mailbox is empty."""

    __slots__ = ("_waiters", "busy")

    def __init__(self) -> None:
        self.busy = 0
        self._waiters: list[asyncio.Future[None]] = []

    def leave(self) -> None:
        """One worker has nothing more to do."""
        self.busy -= 1
        if self._waiters and not self.busy:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def idle(self) -> None:
        """Return when no worker is awake."""
        while self.busy:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
