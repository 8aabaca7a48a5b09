"""The manager's end of its channels, for plugins with the permission ``manage`` and for other services."""

from __future__ import annotations

from typing import Any, Protocol

from gridbus.bus import Scope
from gridbus.channels.plugins import (
    PLUGIN_HEALTH,
    PLUGIN_LIST,
    PLUGIN_REGISTER,
    PLUGIN_RELOAD,
    PLUGIN_UNREGISTER,
    CheckHealth,
    ListPlugins,
    PluginInfo,
    PluginState,
    RegisterPlugin,
    ReloadPlugin,
    UnregisterPlugin,
)
from gridbus.manifest import PluginCategory, PluginHealth

_SIDE_BY_SIDE = 4  # requests of a kind: one plugin that comes up slowly must not keep the others waiting


class Managing(Protocol):
    """What is done for those who ask."""

    def list_plugins(
        self, category: PluginCategory | str | None = None, state: PluginState | str | None = None
    ) -> list[PluginInfo]:
        """Return what is registered."""
        ...

    async def check_plugin_health(self, plugin_id: str) -> PluginHealth:
        """Check one."""
        ...

    async def check_all_health(self) -> dict[str, PluginHealth]:
        """Check all."""
        ...

    async def register_and_initialize(self, plugin: Any, config: Any = None) -> PluginInfo:
        """Bring one up."""
        ...

    async def unregister_and_destroy(self, plugin_id: str, *, cascade: bool = False) -> tuple[str, ...]:
        """Take one down."""
        ...

    async def reload_plugin(self, plugin_id: str, *, cascade: bool = False) -> PluginInfo:
        """Take one down and bring it up again."""
        ...


def serve(scope: Scope, manager: Managing) -> None:
    """Answer on the manager's channels until the scope closes."""

    async def answer_list(message: ListPlugins) -> tuple[PluginInfo, ...]:
        return tuple(manager.list_plugins(message.category, message.state))

    async def answer_health(message: CheckHealth) -> dict[str, PluginHealth]:
        if message.id is None:
            return await manager.check_all_health()
        return {message.id: await manager.check_plugin_health(message.id)}

    async def answer_register(message: RegisterPlugin) -> PluginInfo:
        return await manager.register_and_initialize(message.plugin, message.config)

    async def answer_unregister(message: UnregisterPlugin) -> tuple[str, ...]:
        return await manager.unregister_and_destroy(message.id, cascade=message.cascade)

    async def answer_reload(message: ReloadPlugin) -> PluginInfo:
        return await manager.reload_plugin(message.id, cascade=message.cascade)

    scope.serve(PLUGIN_LIST, answer_list)
    scope.serve(PLUGIN_HEALTH, answer_health, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_REGISTER, answer_register, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_UNREGISTER, answer_unregister, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_RELOAD, answer_reload, concurrency=_SIDE_BY_SIDE)
