"""What a publisher holds who waits until all handlers are done with an event."""

from __future__ import annotations

import asyncio


class Receipt:
    """Counts the subscriptions that have an event still to handle, and keeps what failed."""

    __slots__ = ("errors", "future", "pending")

    def __init__(self) -> None:
        self.pending = 1  #: the publisher itself counts until it has handed the event to all
        self.errors: list[Exception] = []
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(self, error: Exception | None = None) -> None:
        """One subscription is done with the event."""
        self.pending -= 1
        if error is not None:
            self.errors.append(error)
        if not self.pending and not self.future.done():
            self.future.set_result(None)
