"""The manager's end of its channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import (
    PLUGIN_HEALTH,
    PLUGIN_LIST,
    PLUGIN_REGISTER,
    PLUGIN_RELOAD,
    PLUGIN_UNREGISTER,
    CheckHealth,
    ListPlugins,
    RegisterPlugin,
    ReloadPlugin,
    UnregisterPlugin,
)
from gridbus.errors import AlreadyServed, NoServer, RemoteError
from gridbus.events.system import HealthStatus
from gridbus.manifest import PluginCategory
from gridbus.plugins import Plugin, PluginContext, PluginManager, PluginState

Make = Callable[..., type[Plugin[Any]]]


async def test_two_managers_on_one_bus_are_an_error(manager: PluginManager, bus: Bus) -> None:
    """Who would answer?"""
    with pytest.raises(AlreadyServed):
        async with PluginManager(bus):
            pass


async def test_the_manager_answers_on_its_channels(manager: PluginManager, bus: Bus, make: Make) -> None:
    """List, health, register, unregister, reload; errors arrive with their names."""
    assert await bus.ask(PLUGIN_LIST, ListPlugins()) == ()
    info = await bus.ask(PLUGIN_REGISTER, RegisterPlugin(make("one", category="audit")))
    assert info == manager.get_plugin("one")
    assert await bus.ask(PLUGIN_LIST, ListPlugins(category=PluginCategory.AUDIT)) == (info,)
    assert await bus.ask(PLUGIN_LIST, ListPlugins(state=PluginState.REGISTERED)) == ()
    for question in (CheckHealth(), CheckHealth("one")):
        health = await bus.ask(PLUGIN_HEALTH, question)
        assert health["one"].status is HealthStatus.HEALTHY
    assert (await bus.ask(PLUGIN_RELOAD, ReloadPlugin("one"))).state is PluginState.RUNNING
    assert await bus.ask(PLUGIN_UNREGISTER, UnregisterPlugin("one")) == ("one",)
    for channel, message in (
        (PLUGIN_HEALTH, CheckHealth("one")),
        (PLUGIN_UNREGISTER, UnregisterPlugin("one")),
        (PLUGIN_RELOAD, ReloadPlugin("one")),
    ):
        with pytest.raises(RemoteError) as caught:
            await bus.ask(channel, message)  # type: ignore[arg-type]
        assert caught.value.type_name == "PluginNotFoundError"
    await manager.aclose()
    with pytest.raises(NoServer):
        await bus.ask(PLUGIN_LIST, ListPlugins())


async def test_a_plugin_with_the_permission_manages_others(manager: PluginManager, make: Make) -> None:
    """From its handlers and its initialize."""
    helper = make("helper")

    async def initialize(self: Any, ctx: PluginContext) -> None:
        await ctx.ask(PLUGIN_REGISTER, RegisterPlugin(helper))

    async def destroy(self: Any) -> None:
        await self.ctx.ask(PLUGIN_UNREGISTER, UnregisterPlugin("helper"))

    await manager.register_and_initialize(make("boss", permissions=["manage"], initialize=initialize, destroy=destroy))
    assert [info.id for info in manager.list_plugins(state="running")] == ["boss", "helper"]
    await manager.unregister_and_destroy("boss")
    assert manager.list_plugins() == []
