"""Fixtures of the plugin tests."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gridbus.bus import Bus
from gridbus.manifest import PluginMetadata
from gridbus.plugins import Plugin, PluginManager
from gridbus.storage import MemoryStorage
from gridbus.testing import FakeClock, Recorder
from tests.plugins.authoring import Author

MakePlugin = Callable[..., type[Plugin[Any]]]


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
async def bus(clock: FakeClock) -> AsyncIterator[Bus]:
    """An open bus."""
    async with Bus(clock=clock, id="bus") as bus:
        yield bus


@pytest.fixture
async def manager(bus: Bus) -> AsyncIterator[PluginManager]:
    """A manager with storage in memory."""
    async with MemoryStorage() as storage, PluginManager(bus, storage=storage) as manager:
        yield manager


@pytest.fixture
def recorder(bus: Bus) -> Iterator[Recorder]:
    """Every event of the bus, in order."""
    with Recorder(bus) as recorder:
        yield recorder


@pytest.fixture
def make() -> MakePlugin:
    """Make a plugin class: ``make("greeter", initialize=..., permissions=[...])``; callables become methods."""

    def make(plugin_id: str = "sample", **given: Any) -> type[Plugin[Any]]:
        methods = {name: value for name, value in given.items() if callable(value)}
        fields = {"name": plugin_id.title(), "version": "1.0.0"} | {k: v for k, v in given.items() if k not in methods}
        members = {**methods, "metadata": PluginMetadata(id=plugin_id, **fields)}
        return type(plugin_id.title().replace("-", ""), (Plugin,), members)

    return make


@pytest.fixture
def footprint(bus: Bus) -> Callable[[], dict[str, Any]]:
    """Everything that a plugin could leave behind on the bus and the loop."""

    def look() -> dict[str, Any]:
        stats = bus.stats()
        return {
            "subscriptions": sorted((kept.owner, kept.name) for kept in stats.subscriptions),
            "channels": [(served.channel.name, served.servers) for served in stats.channels],
            "interceptors": len(bus._routes._interceptors),
            "reached": len(bus._routes._reached) + len(bus._routes._typed),
            "jobs": len(bus._jobs),
            "watched": len(bus._watchdog._timeouts),
            "tasks": len(asyncio.all_tasks()),
        }

    return look


@pytest.fixture
def author(tmp_path: Path) -> Author:
    """The author of a plugin that counts."""
    return Author(tmp_path / "counter")


@pytest.fixture(scope="module")
def small_heap() -> Iterator[None]:
    """Leave out of each search of memory what the other tests of the run have left in it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
