"""An anyio memory object stream and a task for each handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from benchmarks.peers.peer import Answer, Feature, Peer
from benchmarks.timing import Handler


class AnyioStream(Peer):
    """Streams bounded at 1,024, sent to with ``await send``."""

    name = "anyio stream"
    requires = ("anyio",)
    features = frozenset({Feature.PUBLISH, Feature.ASK})
    note = "hand-written fan-out, buffers of 1,024; ask: stream and future"

    async def open(self) -> None:
        """Start a task group."""
        import anyio

        self._make: Any = anyio.create_memory_object_stream
        self._streams: list[Any] = []
        self.senders: dict[str, list[Any]] = {}
        self._group = anyio.create_task_group()
        await self._group.__aenter__()

    async def close(self) -> None:
        """End the tasks."""
        self._group.cancel_scope.cancel()
        await self._group.__aexit__(None, None, None)
        for stream in self._streams:
            stream.close()

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Start a task for the handler."""
        send, receive = self._make(1024)
        self._streams += (send, receive)
        self.senders.setdefault(topic, []).append(send)

        async def work() -> None:
            async for event in receive:
                await handler(event)

        self._group.start_soon(work)

    async def publish(self, topic: str, event: object) -> None:
        """Send the event into each stream."""
        for sender in self.senders.get(topic, ()):
            await sender.send(event)

    async def burst(self, keys: Iterable[str], payload: object) -> None:
        """Publish to each key."""
        publish = self.publish
        for key in keys:
            await publish(key, payload)

    def serve(self, answer: Answer) -> None:
        """Start a task that answers."""
        self._requests, receive = self._make(1024)
        self._streams += (self._requests, receive)

        async def work() -> None:
            async for message, future in receive:
                future.set_result(await answer(message))

        self._group.start_soon(work)

    async def ask(self, message: str) -> str:
        """Send a message with a future, and await that."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await self._requests.send((message, future))
        return await future

    def asker(self, message: str) -> Callable[[], Awaitable[object]]:
        """Return a call that makes one request."""
        return partial(self.ask, message)
