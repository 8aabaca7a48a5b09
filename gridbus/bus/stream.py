"""Events as an asynchronous iterator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from gridbus.bus.mailbox import Mailbox
from gridbus.errors import SubscriptionError
from gridbus.events.event import Event

T = TypeVar("T")


class EventStream(Generic[T]):
    """A mailbox that the reader empties itself: ``async with bus.stream(...) as events: async for event in events``.

    Leaving the block normally closes the intake and keeps what had arrived: iterating on reads it and then ends.
    Leaving it by an exception drops what had arrived.
    """

    def __init__(
        self,
        topic: str,
        mailbox: Mailbox,
        *,
        is_live: bool = True,
        order: int,
        add: Callable[[EventStream[Any]], None],
        remove: Callable[[EventStream[Any]], None],
    ) -> None:
        self.topic, self.mailbox, self.order = topic, mailbox, order
        self._is_live = is_live
        self._add, self._remove = add, remove
        self._batch: Iterator[Event[T]] = iter(())
        self._open = False
        self._reading = False

    async def __aenter__(self) -> Self:
        """Begin to collect events."""
        self._open = True
        if self._is_live:
            self._add(self)
        return self

    def enter(self) -> None:
        """Collect events from now on, or from the entering of the block on where that comes later."""
        if not self._is_live and not self.is_closed:
            self._is_live = True
            if self._open:
                self._add(self)

    def take_over(self, old: EventStream[Any]) -> int:
        """Take what waits to be read from another stream; return how many events, 0 where nobody reads here yet."""
        return self.mailbox.take_over(old.mailbox) if self._open else 0

    @property
    def is_collecting(self) -> bool:
        """Tell whether its block was entered and not left."""
        return self._open and not self.is_closed

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop collecting; drop what was not read if the block failed."""
        self.close(drop=kind is not None)

    def close(self, *, drop: bool = False) -> None:
        """Stop collecting; what was not read stays readable unless ``drop``."""
        self._remove(self)
        if drop:
            self.mailbox.close()
            self._batch = iter(())
        else:
            self.mailbox.seal()

    @property
    def is_closed(self) -> bool:
        """Tell whether it collects nothing more."""
        return self.mailbox.sealed

    @property
    def waiting(self) -> int:
        """Events that arrived and were not read."""
        return self.mailbox.depth

    @property
    def dropped(self) -> int:
        """Events lost to overflow, or dropped when the block failed."""
        return self.mailbox.dropped

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> Event[T]:
        """Return the next event; waits for one while the stream is open."""
        if not self._open:
            raise SubscriptionError("a stream collects nothing outside its block: async with bus.stream(...) as events")
        if self._reading:
            raise SubscriptionError("a stream has one reader; open a second stream, or subscribe with concurrency")
        mailbox = self.mailbox
        self._reading = True
        try:
            while True:
                for event in self._batch:
                    if mailbox.putters:
                        mailbox.settle()
                    return event
                if mailbox.items:
                    self._batch = mailbox.take()
                elif mailbox.sealed:
                    raise StopAsyncIteration
                else:
                    await self._arrival()
        finally:
            self._reading = False

    async def _arrival(self) -> None:
        mailbox = self.mailbox
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mailbox.reopen()
        mailbox.sleepers.append(sleeper)
        try:
            await sleeper
        finally:
            if sleeper in mailbox.sleepers:
                mailbox.sleepers.remove(sleeper)


class Tap:
    """A place in a route that sees each event as it is published, in the publisher's flow; it must not raise."""

    __slots__ = ("_see", "order", "topic")

    items = ()
    room = 0
    receipts: None = None

    def __init__(self, topic: str, order: int, see: Callable[[Event[Any]], object]) -> None:
        self.topic, self.order, self._see = topic, order, see

    def offer(self, event: Event[Any]) -> None:
        """Show the event."""
        self._see(event)

    put = offer

    def receipt_of(self, event: Event[Any]) -> None:
        """Return None: nobody waits for a tap."""

    def refuses(self, event: Event[Any]) -> bool:
        """Take everything."""
        return False
