"""pyee: an emitter that starts a task per event and handler."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.peers.peer import Peer
from benchmarks.timing import Handler


class Pyee(Peer):
    """``AsyncIOEventEmitter`` with defaults."""

    name = "pyee"
    requires = ("pyee",)
    note = "no order between events whose handlers suspend"

    async def open(self) -> None:
        """Make an emitter."""
        from pyee.asyncio import AsyncIOEventEmitter

        self._emitter = AsyncIOEventEmitter()

    async def close(self) -> None:
        """Wait for what it started."""
        await self._emitter.wait_for_complete()

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Add a listener."""
        self._emitter.on(topic, handler)

    async def burst(self, keys: Iterable[str], payload: object) -> None:
        """Emit each."""
        emit = self._emitter.emit
        for key in keys:
            emit(key, payload)
