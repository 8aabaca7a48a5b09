"""What people write by hand: an ``asyncio.Queue`` and a task for each handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from benchmarks.peers.peer import Answer, Feature, Peer
from benchmarks.timing import Handler


class QueueFanout(Peer):
    """Unbounded queues, filled without waiting: the fastest hand-written form."""

    name = "asyncio.Queue"
    features = frozenset({Feature.PUBLISH, Feature.ASK})
    note = "hand-written fan-out, unbounded; ask: queue and future"

    async def open(self) -> None:
        """Make the dict."""
        self.queues: dict[str, list[asyncio.Queue[object]]] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def close(self) -> None:
        """End the tasks."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Start a task for the handler."""
        queue: asyncio.Queue[object] = asyncio.Queue()
        self.queues.setdefault(topic, []).append(queue)
        self.tasks.append(asyncio.create_task(self._work(queue, handler)))

    async def publish(self, topic: str, event: object) -> None:
        """Put the event into each queue."""
        for queue in self.queues.get(topic, ()):
            queue.put_nowait(event)

    async def burst(self, keys: Iterable[str], payload: object) -> None:
        """Publish to each key."""
        publish = self.publish
        for key in keys:
            await publish(key, payload)

    def serve(self, answer: Answer) -> None:
        """Start a task that answers."""
        self.requests: asyncio.Queue[tuple[str, asyncio.Future[str]]] = asyncio.Queue()

        async def work() -> None:
            while True:
                message, future = await self.requests.get()
                future.set_result(await answer(message))

        self.tasks.append(asyncio.create_task(work()))

    async def ask(self, message: str) -> str:
        """Send a message with a future, and await that."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.requests.put_nowait((message, future))
        return await future

    def asker(self, message: str) -> Callable[[], Awaitable[object]]:
        """Return a call that makes one request."""
        return partial(self.ask, message)

    @staticmethod
    async def _work(queue: asyncio.Queue[object], handler: Handler) -> None:
        while True:
            await handler(await queue.get())
