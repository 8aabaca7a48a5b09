"""Fixtures of the tests of hot reload: a bus, and somebody who answers in place of the plugin manager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from gridbus.bundles import Bundle, read_bundle
from gridbus.bus import Bus
from gridbus.channels.plugins import (
    PLUGIN_CODE,
    PLUGIN_LIST,
    PLUGIN_REGISTER,
    PLUGIN_RELOAD,
    ListPlugins,
    PluginCode,
    PluginInfo,
    PluginState,
    RegisterPlugin,
    ReloadPlugin,
)
from gridbus.errors import PluginNotFoundError
from gridbus.events.system import PLUGIN_RELOADED, PluginReloaded
from gridbus.manifest import PluginMetadata
from gridbus.testing import FakeClock


class StandIn:
    """Answers for plugins, reads what it is asked to reload, and records it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.codes: dict[str, PluginCode] = {}
        self.reloads: list[ReloadPlugin] = []
        self.bundles: list[Bundle] = []  #: what was read at each reload of a folder
        self.failure: Exception | None = None  #: raised instead of reloading
        self.gate = anyio.Event()  #: reloads end when it is set
        self.gate.set()
        self._count = anyio.Condition()
        bus.serve(PLUGIN_CODE, self._code, owner="manager")
        bus.serve(PLUGIN_LIST, self._list, owner="manager")
        bus.serve(PLUGIN_REGISTER, self._register, owner="manager")
        bus.serve(PLUGIN_RELOAD, self._reload, owner="manager", concurrency=4)

    def add(self, plugin_id: str, folder: Path | None = None, **fields: Any) -> None:
        """Have a plugin registered."""
        digest = read_bundle(folder).digest if folder is not None else ""
        known = {"generation": 1, "paths": (), "digest": digest, **fields}
        self.codes[plugin_id] = PluginCode(plugin_id, folder=str(folder) if folder is not None else None, **known)

    async def reloaded(self, count: int) -> None:
        """Return when as many reloads were asked for."""
        with anyio.fail_after(10):
            async with self._count:
                while len(self.reloads) < count:
                    await self._count.wait()

    def texts(self, name: str) -> list[str]:
        """Return what a file held at each reload."""
        return [bundle.files[name].data.decode() for bundle in self.bundles]

    def _info(self, plugin_id: str) -> PluginInfo:
        return PluginInfo(
            PluginMetadata(id=plugin_id, name=plugin_id, version="1.0.0"), PluginState.RUNNING, "a folder"
        )

    async def _code(self, plugin_id: str) -> PluginCode:
        if plugin_id not in self.codes:
            raise PluginNotFoundError(f"no plugin {plugin_id!r} is registered", plugin_id)
        return self.codes[plugin_id]

    async def _list(self, message: ListPlugins) -> tuple[PluginInfo, ...]:
        return tuple(self._info(plugin_id) for plugin_id in self.codes)

    async def _register(self, message: RegisterPlugin) -> PluginInfo:
        if self.failure is not None:
            raise self.failure
        self.add(Path(message.plugin).name, Path(message.plugin))
        return self._info(Path(message.plugin).name)

    async def _reload(self, message: ReloadPlugin) -> PluginInfo:
        code = await self._code(message.id)
        bundle = await anyio.to_thread.run_sync(read_bundle, code.folder) if code.folder is not None else None
        if bundle is not None:
            self.bundles.append(bundle)
        self.reloads.append(message)
        async with self._count:
            self._count.notify_all()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if bundle is not None:
            self.codes[message.id] = PluginCode(
                message.id, code.generation + 1, code.folder, code.paths, bundle.digest, code.obstacle
            )
        fact = PluginReloaded(message.id, code.generation + 1, "1.0.0", "1.0.0", message.reason, 0.0, 0.0, 0)
        await self.bus.publish(PLUGIN_RELOADED, fact)
        return self._info(message.id)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    """An open bus, on the machine's clock: files have its times."""
    async with Bus(id="bus", grace=1.0) as bus:
        yield bus


@pytest.fixture
async def manager(bus: Bus) -> StandIn:
    """Somebody who answers in place of the plugin manager."""
    return StandIn(bus)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin's folder."""
    folder = tmp_path / "greeter"
    (folder / "parts").mkdir(parents=True)
    (folder / "gridbus-plugin.toml").write_text('id = "greeter"\n')
    (folder / "greeter.py").write_text("VERSION = 0  # end\n")
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "words.txt").write_text("hello")
    return folder


@pytest.fixture
def fence(manager: StandIn, folder: Path) -> Callable[[], Awaitable[None]]:
    """Wait until all that was changed before has been seen: a new file is, which comes in after it."""

    async def wait() -> None:
        name = f"fence_{len(manager.reloads)}.py"
        (folder / name).write_text("FENCE = True\n")
        with anyio.fail_after(10):
            while not (manager.bundles and name in manager.bundles[-1].files):
                await manager.reloaded(len(manager.reloads) + 1)

    return wait
