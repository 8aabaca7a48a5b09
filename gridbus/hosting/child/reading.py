"""Streams of events in a plugin's process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gridbus.bus.mailbox import Mailbox
from gridbus.bus.stream import EventStream
from gridbus.events import Event
from gridbus.hosting.child.inlet import Inlet

T = TypeVar("T")


class ChildStream(EventStream[T]):
    """An event stream that tells the application how far it was read, so that it gets more."""

    def __init__(
        self,
        topic: str,
        mailbox: Mailbox,
        inlet: Inlet,
        *,
        order: int,
        add: Callable[[EventStream[Any]], None],
        remove: Callable[[EventStream[Any]], None],
    ) -> None:
        super().__init__(topic, mailbox, order=order, add=add, remove=remove)
        self._inlet = inlet

    async def __anext__(self) -> Event[T]:
        """Return the next event; waits for one while the stream is open."""
        event = await super().__anext__()
        self._inlet.post()
        return event
