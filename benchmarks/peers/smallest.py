"""The smallest thing that is still a bus: what the others' features cost on top of."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.peers.peer import Peer
from benchmarks.timing import Handler


class SmallestBus(Peer):
    """A dict of tuples, awaited in line: no envelope, no isolation, no queue."""

    name = "smallest bus"
    note = "dict, tuple and await; the publisher waits for the handlers"

    async def open(self) -> None:
        """Make the dict."""
        self.handlers: dict[str, tuple[Handler, ...]] = {}

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Add a handler."""
        self.handlers[topic] = (*self.handlers.get(topic, ()), handler)

    async def publish(self, topic: str, event: object) -> None:
        """Await each handler."""
        for handler in self.handlers.get(topic, ()):
            await handler(event)

    async def burst(self, keys: Iterable[str], payload: object) -> None:
        """Publish to each key."""
        publish = self.publish
        for key in keys:
            await publish(key, payload)
