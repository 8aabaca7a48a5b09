"""blinker: signals whose receivers are awaited in line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from benchmarks.peers.peer import Answer, Feature, Peer
from benchmarks.timing import Handler


class Blinker(Peer):
    """One signal per topic; the payload is the sender."""

    name = "blinker"
    requires = ("blinker",)
    features = frozenset({Feature.PUBLISH, Feature.ASK})
    note = "the publisher waits for the handlers; ask: called in line"

    async def open(self) -> None:
        """Make a namespace."""
        import blinker

        self._signals = blinker.Namespace()

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Connect a receiver, held weakly as by default."""
        self._signals.signal(topic).connect(handler)

    def key(self, topic: str) -> Any:
        """Return the signal of a topic."""
        return self._signals.signal(topic)

    async def burst(self, keys: Iterable[Any], payload: object) -> None:
        """Send to each signal."""
        for signal in keys:
            await signal.send_async(payload)

    def serve(self, answer: Answer) -> None:
        """Connect a receiver whose return value is the reply."""
        self._answer = answer  # the signal holds it weakly
        self._signals.signal("ask").connect(answer)

    def asker(self, message: str) -> Callable[[], Awaitable[object]]:
        """Return a call that makes one request."""
        send = self._signals.signal("ask").send_async

        async def ask() -> object:
            return (await send(message))[0][1]

        return ask
