"""gridbus itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, ClassVar

from benchmarks.peers.peer import Answer, Feature, Peer
from benchmarks.timing import Handler


class Gridbus(Peer):
    """A bus and subscriptions with default options; what is full makes the publisher wait."""

    name = "gridbus"
    requires: ClassVar[tuple[str, ...]] = ("gridbus",)
    features = frozenset({Feature.PUBLISH, Feature.PATTERN, Feature.ASK})
    compared = True
    note = "defaults: await publish, mailboxes of 1,024 that make the publisher wait"

    @classmethod
    def missing(cls) -> str | None:
        """Return the first package that is not there."""
        return super().missing() or (None if importlib.util.find_spec("gridbus.bus") else "gridbus.bus")

    async def open(self) -> None:
        """Open a bus."""
        from gridbus.bus import Bus
        from gridbus.channels import Channel
        from gridbus.events.topic import Topic

        self._topic: Callable[[str], Any] = Topic
        self._channel = Channel("bench:echo", str, str)
        self._bus = Bus()
        await self._bus.__aenter__()

    async def close(self) -> None:
        """Close it."""
        await self._bus.__aexit__(None, None, None)

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Subscribe to a topic."""
        options = {} if self.capacity is None else {"capacity": self.capacity}
        self._bus.on(self._topic(topic), handler, **options)

    def subscribe_pattern(self, pattern: str, handler: Handler) -> None:
        """Subscribe to a pattern."""
        self._bus.on(pattern, handler)

    def key(self, topic: str) -> Any:
        """Return the topic as an application's constant would be."""
        return self._topic(topic)

    async def burst(self, keys: Iterable[Any], payload: object) -> None:
        """Publish each."""
        publish = self._bus.publish
        for key in keys:
            await publish(key, payload)

    def serve(self, answer: Answer) -> None:
        """Serve a channel."""
        self._bus.serve(self._channel, answer)

    def asker(self, message: str) -> Callable[[], Awaitable[object]]:
        """Return a call that makes one request."""
        return partial(self._bus.ask, self._channel, message)


class GridbusNowait(Gridbus):
    """``publish_nowait``; where a mailbox is full, the publisher drains and tries again."""

    name = "gridbus nowait"
    features = frozenset({Feature.PUBLISH, Feature.PATTERN})
    compared = False
    note = "publish_nowait, and bus.drain() where a mailbox is full"

    async def burst(self, keys: Iterable[Any], payload: object) -> None:
        """Publish each, draining where there is no room."""
        from gridbus.errors import MailboxFull

        publish = self._bus.publish_nowait
        for key in keys:
            try:
                publish(key, payload)
            except MailboxFull:
                await self._bus.drain()
                publish(key, payload)


class GridbusUvloop(Gridbus):
    """The same as ``Gridbus`` on uvloop."""

    name = "gridbus uvloop"
    requires = ("gridbus", "uvloop")
    uvloop = True
    compared = False
    note = "defaults, on uvloop; its bare loop runs there too"
