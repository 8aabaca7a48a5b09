"""psygnal: compiled signals; async slots run from one global queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from benchmarks.peers.peer import Peer
from benchmarks.timing import Handler


class Psygnal(Peer):
    """One signal instance per topic, with the asyncio backend that its documentation starts."""

    name = "psygnal"
    requires = ("psygnal",)
    note = "no envelope; one queue for all handlers of the process"

    async def open(self) -> None:
        """Start the backend."""
        import psygnal

        self._module = psygnal
        self._signals: dict[str, Any] = {}
        self._backend = psygnal.set_async_backend("asyncio")  # again each round: the loop may be another
        await self._backend.running.wait()

    async def close(self) -> None:
        """Stop the backend, which the process has only one of."""
        self._backend.close()
        for _ in range(3):
            await asyncio.sleep(0)

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Connect a slot."""
        self.key(topic).connect(handler)

    def key(self, topic: str) -> Any:
        """Return the signal of a topic."""
        signal = self._signals.get(topic)
        if signal is None:
            signal = self._signals[topic] = self._module.SignalInstance((object,), name=topic)
        return signal

    async def burst(self, keys: Iterable[Any], payload: object) -> None:
        """Emit each."""
        for signal in keys:
            signal.emit(payload)
