"""The manager's end of its channels, for plugins with the permission ``manage`` and for other services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from gridbus.bus import Scope
from gridbus.channels.plugins import (
    PLUGIN_CODE,
    PLUGIN_CONFIGURE,
    PLUGIN_HEALTH,
    PLUGIN_LIST,
    PLUGIN_REGISTER,
    PLUGIN_RELOAD,
    PLUGIN_ROLLBACK,
    PLUGIN_UNREGISTER,
    CheckHealth,
    ConfigurePlugin,
    ListPlugins,
    PluginCode,
    PluginInfo,
    PluginState,
    RegisterPlugin,
    ReloadPlugin,
    RollBackPlugin,
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

    async def reload_plugin(
        self,
        plugin_id: str,
        *,
        cascade: bool = False,
        source: Any = None,
        reason: str = "asked for",
        files: Iterable[str] = (),
    ) -> PluginInfo:
        """Let a new generation of one take over."""
        ...

    async def rollback_plugin(self, plugin_id: str) -> PluginInfo:
        """Return to the generation of one before."""
        ...

    async def configure_plugin(self, plugin_id: str, config: Any) -> PluginInfo:
        """Give one another configuration."""
        ...

    def code_of(self, plugin_id: str) -> PluginCode:
        """Return where the code of one is."""
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
        return await manager.reload_plugin(
            message.id, cascade=message.cascade, source=message.source, reason=message.reason, files=message.files
        )

    async def answer_rollback(message: RollBackPlugin) -> PluginInfo:
        return await manager.rollback_plugin(message.id)

    async def answer_configure(message: ConfigurePlugin) -> PluginInfo:
        return await manager.configure_plugin(message.id, message.config)

    async def answer_code(plugin_id: str) -> PluginCode:
        return manager.code_of(plugin_id)

    scope.serve(PLUGIN_LIST, answer_list)
    scope.serve(PLUGIN_HEALTH, answer_health, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_REGISTER, answer_register, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_UNREGISTER, answer_unregister, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_RELOAD, answer_reload, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_ROLLBACK, answer_rollback, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_CONFIGURE, answer_configure, concurrency=_SIDE_BY_SIDE)
    scope.serve(PLUGIN_CODE, answer_code)
