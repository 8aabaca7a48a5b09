"""A grid's life, and what it asks of others."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.channels.plugins import (
    PLUGIN_HEALTH,
    PLUGIN_REGISTER,
    PLUGIN_RELOAD,
    PLUGIN_UNREGISTER,
    CheckHealth,
    PluginInfo,
    PluginState,
    RegisterPlugin,
    ReloadPlugin,
    UnregisterPlugin,
)
from gridbus.errors import AlreadyServed, GridClosed, NoServer, ValueRejected, Veto
from gridbus.events.system import HealthStatus
from gridbus.grid import GRID_DESTROY, GRID_READY, Column, ColumnType, Grid, GridDestroyed, GridReady, GridState
from gridbus.manifest import PluginHealth, PluginMetadata
from gridbus.query import Compare
from gridbus.testing import Recorder


async def test_a_grid_tells_its_beginning_and_its_end(bus: Bus) -> None:
    """The rows it was given come between, as a load."""
    column = Column("a", ColumnType.INT)
    with Recorder(bus) as events:
        async with Grid(bus, name="g", columns=[column], rows=[{"a": 1}]) as grid:
            assert grid.state is GridState.OPEN
            assert repr(grid) == "<Grid 'g': 1 rows of 1 columns, open>"
        assert grid.state is GridState.CLOSED
    assert events.topics == ["grid:ready", "data:load", "grid:destroy"]
    assert events.payloads(GRID_READY) == [GridReady("g", 0, (column,))]
    assert events.payloads(GRID_DESTROY) == [GridDestroyed("g", 1)]


CHANGES = [
    lambda grid: grid.create({}),
    lambda grid: grid.update("1", {}),
    lambda grid: grid.delete("1"),
    lambda grid: grid.create_many([]),
    lambda grid: grid.update_many({}),
    lambda grid: grid.delete_many([]),
    lambda grid: grid.load(None, [], replace=True),
    lambda grid: grid.select("1"),
    lambda grid: grid.deselect(),
    lambda grid: grid.sort(),
    lambda grid: grid.filter(None),
    lambda grid: grid.page(),
    lambda grid: grid.add_column(Column("b")),
    lambda grid: grid.remove_column("a"),
    lambda grid: grid.move_column("a", 0),
    lambda grid: grid.update_column("a"),
]


@pytest.mark.parametrize("change", CHANGES)
async def test_only_an_open_grid_takes_changes(bus: Bus, change: Any) -> None:
    """Before and after it says so; what it holds can be read."""
    grid = Grid(bus, rows=[{"a": 1}])
    with pytest.raises(GridClosed, match="'grid' is new: open it"):
        await change(grid)
    async with grid:
        pass
    with Recorder(bus) as events, pytest.raises(GridClosed, match="'grid' is closed"):
        await change(grid)
    assert events.topics == []
    assert grid.get("1")["a"] == (await grid.view()).rows[0]["a"] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda grid: grid.create({"a": 2}),
        lambda grid: grid.update("1", {"a": 2}),
        lambda grid: grid.delete("1"),
        lambda grid: grid.load(None, [], replace=True),
        lambda grid: grid.select("1"),
        lambda grid: grid.sort("a"),
        lambda grid: grid.filter(Compare("a", "gt", 1)),
        lambda grid: grid.page(1, 1),
        lambda grid: grid.add_column(Column("b")),
        lambda grid: grid.remove_column("a"),
        lambda grid: grid.move_column("a", 1),
        lambda grid: grid.update_column("a", hidden=True),
    ],
)
async def test_a_change_that_is_still_looked_at_when_the_grid_closes_is_not_made(bus: Bus, change: Any) -> None:
    """``grid:destroy`` is the last word."""
    async with Grid(bus, rows=[{"a": 1, "z": 1}]) as grid:
        before = grid.rows()
        with Recorder(bus) as events:
            closing = bus.intercept("*", lambda draft: close(draft.topic))

            async def close(topic: str) -> None:
                closing.close()
                await grid.aclose()

            with pytest.raises(GridClosed):
                await change(grid)
        assert grid.rows() == before
        assert events.topics == ["grid:destroy"]


async def test_a_grid_opens_once(bus: Bus) -> None:
    """Closing twice does nothing."""
    grid = Grid(bus)
    async with grid:
        with pytest.raises(GridClosed, match="opens once, and is open"):
            await grid.open()
    await grid.aclose()
    with pytest.raises(GridClosed, match="opens once, and is closed"):
        await grid.open()


async def test_rows_that_do_not_fit_close_the_grid_again(bus: Bus) -> None:
    """Nothing of it stays on the bus."""
    grid = Grid(bus, columns=[Column("a", ColumnType.INT)], rows=[{"a": "x"}])
    with pytest.raises(ValueRejected):
        await grid.open()
    assert grid.state is GridState.CLOSED
    assert bus.stats().channels == ()


async def test_two_grids_of_one_name_cannot_be_open_together(bus: Bus) -> None:
    """The first goes on; after its end the name is free."""
    second = Grid(bus)
    async with Grid(bus) as first:
        with pytest.raises(AlreadyServed):
            await second.open()
        await first.create({"a": 1})
    async with Grid(bus):
        pass


async def test_a_grid_that_is_not_wanted_does_not_open(bus: Bus) -> None:
    """An interceptor refused ``grid:ready``."""

    def refuse(draft: Any) -> None:
        raise Veto("no")

    bus.intercept(GRID_READY, refuse)
    grid = Grid(bus)
    with pytest.raises(Exception, match="vetoed"):
        await grid.open()
    assert grid.state is GridState.CLOSED
    assert bus.stats().channels == ()


async def test_a_grid_can_close_after_its_bus() -> None:
    """Nobody is left to be told."""
    async with Bus() as bus:
        grid = Grid(bus)
        await grid.open()
    await grid.aclose()
    assert grid.state is GridState.CLOSED


@attrs.frozen
class Greeting:
    """A message."""

    name: str


async def test_plugins_are_asked_and_told_through_the_grid(bus: Bus, grid: Grid) -> None:
    """As through the bus."""
    greet = Channel("greeter:greet", Greeting, str)
    count = Channel("greeter:count", int, int)
    note = Channel("greeter:note", str, type(None))
    notes: list[str] = []

    async def counting(most: int) -> Any:
        for number in range(most):
            yield number

    bus.serve(greet, lambda message: f"hello, {message.name}")
    bus.serve(count, counting)
    bus.serve(note, notes.append)
    assert await grid.ask(greet, Greeting("Ada"), to="app", timeout=1) == "hello, Ada"
    await grid.tell(note, "x")
    async with grid.ask_stream(count, 3) as numbers:
        assert [number async for number in numbers] == [0, 1, 2]
    await bus.drain()
    assert notes == ["x"]


async def test_plugins_are_managed_through_the_grid(bus: Bus, grid: Grid) -> None:
    """Whoever serves the manager's channels gets what the grid is asked."""
    info = PluginInfo(
        PluginMetadata(id="greeter", name="Greeter", version="1.0.0", author="A", category="utility"),
        PluginState.RUNNING,
        "greeter:Greeter",
    )
    health = PluginHealth(status=HealthStatus.HEALTHY)
    asked: list[object] = []

    def replying(reply: Any) -> Any:
        def serve(message: object) -> Any:
            asked.append(message)
            return reply

        return serve

    with pytest.raises(NoServer):
        await grid.register_plugin("greeter")
    bus.serve(PLUGIN_REGISTER, replying(info), owner="manager")
    bus.serve(PLUGIN_UNREGISTER, replying(("greeter",)), owner="manager")
    bus.serve(PLUGIN_RELOAD, replying(info), owner="manager")
    bus.serve(PLUGIN_HEALTH, replying({"greeter": health}), owner="manager")
    assert await grid.register_plugin("greeter", {"greeting": "hi"}) == info
    assert await grid.check_plugin_health("greeter") == health
    assert await grid.reload_plugin("greeter", cascade=True) == info
    assert await grid.unregister_plugin("greeter") == ("greeter",)
    assert asked == [
        RegisterPlugin("greeter", {"greeting": "hi"}),
        CheckHealth("greeter"),
        ReloadPlugin("greeter", cascade=True),
        UnregisterPlugin("greeter"),
    ]
