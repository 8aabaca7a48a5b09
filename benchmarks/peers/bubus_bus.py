"""bubus: the peer nearest in features."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Any

from benchmarks.peers.peer import Answer, Feature, Peer
from benchmarks.timing import Handler

_BLOCK = 50  # its queue takes no more; publish 51 in a row raises QueueFull


class Bubus(Peer):
    """An event bus with a history of 1: with its default of 50, or with none, it is several times slower."""

    name = "bubus"
    requires = ("bubus",)
    features = frozenset({Feature.PUBLISH, Feature.ASK})
    note = f"max_history_size=1; bursts in blocks of {_BLOCK}, more it refuses"

    async def open(self) -> None:
        """Make a bus that logs errors only."""
        os.environ.setdefault("BUBUS_LOGGING_LEVEL", "ERROR")  # read at import; its warnings cost time
        from bubus import BaseEvent, EventBus

        class Fact(BaseEvent):  # type: ignore[misc]
            """What is dispatched."""

            payload: Any = None

        self._make = Fact
        self._bus = EventBus(max_history_size=1)

    async def close(self) -> None:
        """Stop it and forget it."""
        await self._bus.stop(clear=True)

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Add a handler."""
        self._bus.on(self.key(topic), handler)

    def key(self, topic: str) -> str:
        """Return an identifier: event types are nothing else."""
        return topic.replace(":", "_")

    async def burst(self, keys: Iterable[str], payload: object) -> None:
        """Dispatch in blocks, and wait for the last event of each."""
        dispatch, make, rest = self._bus.dispatch, self._make, iter(keys)
        while True:
            event = None
            for key in islice(rest, _BLOCK):
                event = dispatch(make(event_type=key, payload=payload))
            if event is None:
                return
            await event

    def serve(self, answer: Answer) -> None:
        """Add a handler whose result is the reply."""

        async def serve_ask(event: Any) -> str:
            return await answer(event.payload)

        self._bus.on("ask", serve_ask)

    def asker(self, message: str) -> Callable[[], Awaitable[object]]:
        """Return a call that makes one request."""
        dispatch, make = self._bus.dispatch, self._make

        async def ask() -> object:
            return await dispatch(make(event_type="ask", payload=message)).event_result()

        return ask
