"""A plugin whose code is saved again and again, an application around it, and what the bus tells of its reloads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs

APART = 0.3  # seconds between two saves of a file: one that changes again within 0.25 s is waited for, as not finished
PATIENCE = 20.0  # seconds that one reload may take before the measurement is given up

_MANIFEST = """
[plugin]
id = "{id}"
name = "{id}"
version = "1.0.0"
entry = "plugin:Edited"

[permissions]
subscribe = ["tick:*"]
storage = true

[limits]
max_events_per_second = 1000000
"""
_CODE = """
from __future__ import annotations

import time

from gridbus import Channel, Event, Plugin, Topic, on, serves

from .words import GREETING
{imports}
VERSION = {version}
TICK = Topic("tick:new", int)
ASKED: Channel[int, int] = Channel("{id}:version", int, int)
TAKEN: Channel[int, list] = Channel("{id}:taken", int, list)


class Edited(Plugin):
    def __init__(self, config=None, /, **values):
        super().__init__(config, **values)
        self.seen = []

    def snapshot_state(self):
        return self.seen

    def restore_state(self, state, from_version):
        self.seen = list(state)

    @on(TICK, capacity=4096)
    async def tick(self, event: Event[int]) -> None:
        self.seen += (event.payload, time.perf_counter_ns(), VERSION)

    @serves(ASKED)
    async def asked(self, message: int) -> int:
        return VERSION

    @serves(TAKEN)
    async def taken(self, message: int) -> list:
        seen, self.seen = self.seen, []
        return seen
"""
_PART = "\n".join(
    f"class Thing{number}:\n    def double(self, value):\n        return value * 2\n" for number in range(10)
)


@attrs.frozen
class Place:
    """A plugin's folder. Its class keeps what it heard, and hands that over to the next generation."""

    folder: Path
    id: str
    modules: int = 0  #: that the plugin imports besides
    code: str = _CODE

    def write(self) -> Path:
        """Write all files and return the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "gridbus-plugin.toml").write_text(_MANIFEST.format(id=self.id))
        (self.folder / "words.py").write_text('GREETING = "hello"\n')
        for number in range(self.modules):
            self.save_part(number, 0)
        self.save(0)
        return self.folder

    def text(self, version: int) -> str:
        """Return the code of a version."""
        imports = "\n".join(f"from . import part_{number}" for number in range(self.modules))
        return self.code.format(id=self.id, version=version, imports=imports)

    def save(self, version: int) -> float:
        """Truncate the plugin's module and write it, as editors do; return the time at which that was done."""
        return _overwrite(self.folder / "plugin.py", self.text(version))

    def save_part(self, number: int, version: int) -> float:
        """Do the same with one of the other modules."""
        return _overwrite(self.folder / f"part_{number}.py", f"{_PART}\nVERSION = {version}\n")


def _overwrite(path: Path, text: str) -> float:
    with path.open("w") as file:
        file.write(text)
    return perf_counter()


class Reloads:
    """What the bus tells of one plugin's reloads, in order, with the time at which it arrived."""

    def __init__(self, bus: Any, plugin_id: str) -> None:
        from gridbus.events.system import PLUGIN_DRAINED, PLUGIN_FAILED, PLUGIN_RELOAD_FAILED, PLUGIN_RELOADED

        self._id = plugin_id
        self._told: asyncio.Queue[tuple[Any, float]] = asyncio.Queue()
        self._drained: asyncio.Queue[Any] = asyncio.Queue()
        for topic in (PLUGIN_RELOADED, PLUGIN_RELOAD_FAILED, PLUGIN_FAILED):
            bus.on(topic, self._tell)
        bus.on(PLUGIN_DRAINED, self._drain)

    @property
    def waiting(self) -> int:
        """How many were told and not asked for: reloads that nobody wanted."""
        return self._told.qsize()

    async def next(self) -> tuple[Any, float]:
        """Return the next ``plugin:reloaded`` and when it came.

        Raises:
            RuntimeError: the reload failed instead.
        """
        async with asyncio.timeout(PATIENCE):
            fact, arrived = await self._told.get()
        if not hasattr(fact, "pause_seconds"):
            raise RuntimeError(f"the plugin was not reloaded: {fact}")
        return fact, arrived

    async def drained(self) -> Any:
        """Return the next ``plugin:drained``."""
        async with asyncio.timeout(PATIENCE):
            return await self._drained.get()

    async def _tell(self, event: Any) -> None:
        if event.payload.id == self._id:
            self._told.put_nowait((event.payload, perf_counter()))

    async def _drain(self, event: Any) -> None:
        if event.payload.id == self._id:
            self._drained.put_nowait(event.payload)


@asynccontextmanager
async def application(kind: str, *, storage: Any = None, watched: bool = True) -> AsyncIterator[tuple[Any, Any]]:
    """Give a bus and a manager of plugins that run ``inline``, or each in a ``process``; with a watcher if wanted."""
    from gridbus import Bus
    from gridbus.hosting import ProcessHost
    from gridbus.manifest import Isolation
    from gridbus.plugins import PluginManager
    from gridbus.reload import HotReloadManager

    where = Isolation.PROCESS if kind == "process" else Isolation.INLINE
    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False) if kind == "process" else None
        try:
            async with PluginManager(bus, host=host, isolation=lambda candidate: where, storage=storage) as manager:
                if not watched:
                    yield bus, manager
                    return
                async with HotReloadManager(bus):
                    yield bus, manager
        finally:
            if host is not None:
                await host.aclose()


def asked_for_version(plugin_id: str) -> Any:
    """Return the channel on which a plugin says which version of its code answers."""
    from gridbus import Channel

    return Channel(f"{plugin_id}:version", int, int)
