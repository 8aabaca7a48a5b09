"""An application starts in order, goes on without what fails, and stops in reverse."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus import (
    App,
    Column,
    ColumnType,
    Event,
    GridbusError,
    HealthStatus,
    Permission,
    Plugin,
    PluginContext,
    PluginError,
    PluginHealth,
    PluginInitializationError,
    PluginMetadata,
    PluginPermissionError,
    on,
)
from gridbus.channels.plugins import HEALTH_REPORT, HealthQuery
from gridbus.config import GridConfig, StorageConfig, StorageKind
from gridbus.events.system import APP_STARTED, APP_STOPPING, HEALTH_CHANGE, PLUGIN_FAILED, HealthChanged
from gridbus.grid import DATA_LOAD, ROW_CREATE, DataLoaded, RowCreated
from gridbus.storage import MemoryStorage
from gridbus.testing import FakeClock


class Listener(Plugin):
    """Hears of rows and loads, and of the end."""

    metadata = PluginMetadata(id="listener", name="Listener", version="1.0", permissions=("storage", "subscribe:app:*"))

    async def initialize(self, ctx: PluginContext) -> None:
        self.heard: list[Any] = []
        self.is_destroyed = False

    async def destroy(self) -> None:
        self.is_destroyed = True

    @on(DATA_LOAD)
    async def hear_load(self, event: Event[DataLoaded]) -> None:
        self.heard.append(event.payload.rows)

    @on(ROW_CREATE)
    async def hear_row(self, event: Event[RowCreated]) -> None:
        await anyio.lowlevel.checkpoint()
        self.heard.append(event.payload.id)

    @on(APP_STOPPING)
    async def hear_end(self, event: Event[Any]) -> None:
        self.heard.append(event.payload.reason)


class Broken(Plugin):
    """Does not start."""

    metadata = PluginMetadata(id="broken", name="Broken", version="1.0")

    async def initialize(self, ctx: PluginContext) -> None:
        raise RuntimeError("no luck")


class Follower(Plugin):
    """Needs the listener, and is named before it."""

    metadata = PluginMetadata(id="follower", name="Follower", version="1.0", dependencies=("listener",))


async def test_plugins_hear_of_the_rows_that_are_loaded_and_of_all_that_was_published() -> None:
    """They run before rows are loaded, and are destroyed after the last event was handled."""
    plugin = Listener()
    async with App(rows=[{"a": 1}, {"a": 2}], plugins=[plugin]) as app:
        for number in range(20):
            await app.grid.create({"a": number})
    assert plugin.heard[0] == 2
    assert [heard for heard in plugin.heard[1:] if heard != "the end of its block"] == [str(n) for n in range(3, 23)]
    assert plugin.is_destroyed


async def test_it_tells_in_order_what_starts_and_stops() -> None:
    """The grid is there before plugins, and they are gone before it."""
    topics: list[str] = []
    app = App(name="shop", plugins=[Listener], health_interval=None, trace=lambda event: topics.append(event.topic))
    async with app:
        assert app.name == "shop"
        assert app.plugins == ("listener",)
    assert topics == [
        "grid:ready",
        "plugin:registered",
        "plugin:initialized",
        str(APP_STARTED),
        str(APP_STOPPING),
        "plugin:destroyed",
        "plugin:unregistered",
        "grid:destroy",
    ]


async def test_an_error_in_the_block_is_the_reason_that_is_told() -> None:
    """What was published before it is handled all the same."""
    plugin = Listener()
    with pytest.raises(ValueError, match="oops"):  # noqa: PT012 - the block itself is what is looked at
        async with App(grid=columns_of("a"), plugins=[plugin]) as app:
            await app.grid.create({"a": 1})
            raise ValueError("oops")
    assert sorted(plugin.heard) == ["1", "ValueError: oops"]


def columns_of(*names: str) -> GridConfig:
    """A grid of whole numbers."""
    return GridConfig(columns=tuple(Column(name, ColumnType.INT) for name in names))


async def test_one_plugin_that_fails_does_not_take_the_others_down() -> None:
    """It is published, and listed."""
    app = App(plugins=[Broken, "nosuch.module:Thing", Follower, Listener])
    async with app:
        assert app.plugins == ("follower", "listener")
        await app.bus.drain()
        assert [(fact.id, fact.stage, fact.error) for fact in app.failures] == [
            ("nosuch.module:Thing", "load", "PluginLoadError"),
            ("broken", "initialize", "RuntimeError"),
        ]


async def test_a_strict_application_does_not_start_without_a_plugin() -> None:
    """The error names it, and what had started is stopped again."""
    plugin = Listener()
    with pytest.raises(PluginInitializationError, match="plugin 'broken' failed to initialize: RuntimeError: no luck"):
        async with App(plugins=[plugin, Broken], strict=True):
            pytest.fail("the block must not run")
    assert plugin.is_destroyed


async def test_several_that_do_not_start_are_told_together() -> None:
    """None hides another."""
    with pytest.raises(ExceptionGroup, match="2 plugins did not start") as caught:
        async with App(plugins=[Broken, "nosuch:Thing"], strict=True):
            pytest.fail("the block must not run")
    assert all(isinstance(error, PluginError) for error in caught.value.exceptions)


async def test_grants_take_the_place_of_what_a_plugin_asks_for() -> None:
    """Without the permission to hear of loads it does not start."""
    async with App(plugins=[Listener], grants={"listener": ["subscribe:app:*"]}) as app:
        await app.bus.drain()
        [failure] = app.failures
    assert failure.error == PluginPermissionError.__name__
    assert "subscribe:data:load" in failure.message


class Keeper(Plugin):
    """Counts its starts."""

    metadata = PluginMetadata(id="keeper", name="Keeper", version="1.0", permissions=("storage",))

    async def initialize(self, ctx: PluginContext) -> None:
        self.starts = 1 + await ctx.storage.get("starts", int, 0)
        await ctx.storage.set("starts", self.starts)


@pytest.mark.parametrize("kind", ["sqlite", "given"])
async def test_plugins_find_what_they_kept(kind: str, tmp_path: Path) -> None:
    """In a file, or in a store that is given and stays open."""
    config = StorageConfig(kind=StorageKind.SQLITE, path=tmp_path / "state.db")
    storage: Any = config if kind == "sqlite" else MemoryStorage()
    starts = []
    for _ in range(2):
        plugin = Keeper()
        async with App(plugins=[plugin], storage=storage):
            starts.append(plugin.starts)
    assert starts == [1, 2]
    if kind == "given":
        await storage.aclose()


class Ill(Plugin):
    """Is well at first, and then is not."""

    metadata = PluginMetadata(id="ill", name="Ill", version="1.0")

    async def initialize(self, ctx: PluginContext) -> None:
        self.is_well = True

    async def health_check(self) -> PluginHealth:
        return PluginHealth.healthy() if self.is_well else PluginHealth.error("ouch")


async def test_plugins_are_checked_now_and_then() -> None:
    """The first time when all have started; what changes is told."""
    clock, plugin = FakeClock(), Ill()
    changes: list[HealthChanged] = []

    def see(event: Event[Any]) -> None:
        if event.topic == HEALTH_CHANGE:
            changes.append(event.payload)

    async def until_told(count: int) -> None:
        with anyio.fail_after(5):
            while len(changes) < count:  # noqa: ASYNC110 - a plain list, which nobody can wait for
                await anyio.sleep(0.001)

    async with App(plugins=[plugin], clock=clock, health_interval=10, trace=see) as app:
        await until_told(1)
        plugin.is_well = False
        await clock.advance(9)
        assert len(changes) == 1
        await clock.advance(1)
        await until_told(2)
        report = await app.bus.ask(HEALTH_REPORT, HealthQuery())
    assert [(change.old, change.new, change.message) for change in changes] == [
        (HealthStatus.UNKNOWN, HealthStatus.HEALTHY, ""),
        (HealthStatus.HEALTHY, HealthStatus.ERROR, "ouch"),
    ]
    assert report.status is HealthStatus.ERROR


async def test_it_starts_once() -> None:
    """Its plugins have been destroyed by then."""
    app = App()
    async with app:
        pass
    with pytest.raises(GridbusError, match="application 'app' starts once"):
        await app.__aenter__()


async def test_without_a_start_there_is_nothing_to_use() -> None:
    """The error says how to start."""
    with pytest.raises(GridbusError, match="async with App"):
        _ = App().grid


async def test_it_runs_until_a_signal_comes() -> None:
    """SIGTERM ends the wait, is told as the reason, and kills nothing."""
    plugin = Listener()
    async with App(plugins=[plugin]) as app, anyio.create_task_group() as group:
        waiting = anyio.Event()

        async def kill() -> None:
            await waiting.wait()
            os.kill(os.getpid(), signal.SIGTERM)

        group.start_soon(kill)
        with anyio.fail_after(5), anyio.open_signal_receiver(signal.SIGTERM):  # in place before the wait begins
            waiting.set()
            assert await app.run_until_signal() is signal.SIGTERM
    assert plugin.heard == ["SIGTERM"]


TOML = """
name = "shop"

[grid]
name = "people"
file = "people.csv"
id_column = "name"

[storage]
kind = "sqlite"
path = "state.db"

[plugins.keeper]
use = "{module}:Keeper"
isolation = "inline"

[plugins.listener]
use = "{module}:Listener"
isolation = "inline"
grants = ["subscribe:row:*", "subscribe:data:*", "subscribe:app:*"]

[plugins.other]
use = "{module}:Follower"
isolation = "inline"

[plugins.broken]
use = "{module}:Broken"
isolation = "inline"
enabled = false
"""


@attrs.frozen
class Project:
    """A folder with an application's file and its data."""

    folder: Path
    file: Path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An application that is declared by a file; its plugins are those of this module."""
    module = "app_test_plugins"
    monkeypatch.setitem(sys.modules, module, sys.modules[__name__])
    file = tmp_path / "gridbus.toml"
    file.write_text(TOML.format(module=module))
    (tmp_path / "people.csv").write_text("name,born\nAda,1815\nGrace,1906\n")
    return Project(tmp_path, file)


async def test_a_file_declares_an_application(project: Project) -> None:
    """Paths are relative to it; what is not enabled is not there; a name that is not the plugin's own is refused."""
    app = App.from_config(project.file)
    async with app:
        assert app.grid.name == "people"
        assert [row.id for row in app.grid] == ["Ada", "Grace"]
        assert app.plugins == ("keeper", "listener")
        assert [info.granted for info in app.manager.list_plugins() if info.id == "listener"] == [
            tuple(map(Permission.parse, ("subscribe:row:*", "subscribe:data:*", "subscribe:app:*")))
        ]
        await app.bus.drain()
        [failure] = app.failures
    assert (failure.id, failure.stage) == ("other", "configure")
    assert failure.message == "the plugin that is configured as 'other' is 'follower'"
    assert (project.folder / "state.db").exists()


async def test_a_name_that_is_not_the_plugins_own_is_an_error_to_a_strict_application(project: Project) -> None:
    """As any other failure."""
    with pytest.raises(PluginError, match="configured as 'other' is 'follower'"):
        async with App.from_config(project.file, strict=True):
            pytest.fail("the block must not run")


async def test_a_failure_at_the_end_is_listed() -> None:
    """What failed to destroy is known when the block has been left."""

    class Sticky(Plugin):
        metadata = PluginMetadata(id="sticky", name="Sticky", version="1.0")

        async def destroy(self) -> None:
            raise RuntimeError("stuck")

    app = App(plugins=[Sticky])
    async with app:
        assert not app.failures
    assert [(fact.id, fact.stage, fact.message) for fact in app.failures] == [("sticky", "destroy", "stuck")]
    assert PLUGIN_FAILED == "plugin:failed"
