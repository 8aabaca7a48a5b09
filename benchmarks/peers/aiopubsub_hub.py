"""aiopubsub: a hub of keys with wildcards, a queue and a looping task per listener."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.peers.peer import Feature, Peer
from benchmarks.timing import Handler


class Aiopubsub(Peer):
    """One hub, publisher and subscriber; each handler is an async listener."""

    name = "aiopubsub"
    requires = ("aiopubsub",)
    features = frozenset({Feature.PUBLISH, Feature.PATTERN})
    arguments = 2
    note = "a handler that raises is dead from then on"

    async def open(self) -> None:
        """Make a hub."""
        import aiopubsub

        self._key = aiopubsub.Key
        hub = aiopubsub.Hub()
        self._publisher = aiopubsub.Publisher(hub, prefix=aiopubsub.Key("bench"))
        self._subscriber = aiopubsub.Subscriber(hub, "bench")

    async def close(self) -> None:
        """Stop the listeners."""
        await self._subscriber.remove_all_listeners()

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Add a listener."""
        self._subscriber.add_async_listener(self._key("bench", *topic.split(":")), handler)

    def subscribe_pattern(self, pattern: str, handler: Handler) -> None:
        """Add a listener whose key has a wildcard."""
        self.subscribe(pattern, handler)

    def key(self, topic: str) -> Any:
        """Return the key without the publisher's prefix."""
        return self._key(*topic.split(":"))

    async def burst(self, keys: Iterable[Any], payload: object) -> None:
        """Publish each."""
        publish = self._publisher.publish
        for key in keys:
            publish(key, payload)
