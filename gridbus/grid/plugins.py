"""Plugins as the grid offers them: asked for over channels, so that the grid needs no plugin manager to exist."""

from __future__ import annotations

from typing import Any

from gridbus.channels.plugins import (
    PLUGIN_HEALTH,
    PLUGIN_REGISTER,
    PLUGIN_RELOAD,
    PLUGIN_UNREGISTER,
    CheckHealth,
    PluginInfo,
    RegisterPlugin,
    ReloadPlugin,
    UnregisterPlugin,
)
from gridbus.grid.core import GridCore
from gridbus.manifest import PluginHealth


class PluginOperations(GridCore):
    """What one asks a plugin manager on the same bus; without one, ``NoServer`` is raised."""

    async def register_plugin(self, plugin: Any, config: Any = None, *, timeout: float | None = 30.0) -> PluginInfo:
        """Register and initialize a plugin.

        Args:
            plugin: an id, ``module:Class``, a folder, a plugin class or an instance.
            config: its configuration.
            timeout: seconds until it must be up.

        Raises:
            NoServer: there is no plugin manager.
            RemoteError: it did not come up; the error tells why.
            AskTimeout: that took too long.
        """
        return await self._bus.ask(PLUGIN_REGISTER, RegisterPlugin(plugin, config), timeout=timeout)

    async def unregister_plugin(
        self, plugin_id: str, *, cascade: bool = False, timeout: float | None = 30.0
    ) -> tuple[str, ...]:
        """Destroy a plugin, with ``cascade`` also those that need it, and return the ids of all that are gone.

        Raises:
            NoServer, RemoteError, AskTimeout: as ``register_plugin``.
        """
        return await self._bus.ask(PLUGIN_UNREGISTER, UnregisterPlugin(plugin_id, cascade), timeout=timeout)

    async def reload_plugin(self, plugin_id: str, *, cascade: bool = False, timeout: float | None = 30.0) -> PluginInfo:
        """Destroy a plugin and bring it up again, with ``cascade`` also those that need it.

        Raises:
            NoServer, RemoteError, AskTimeout: as ``register_plugin``.
        """
        return await self._bus.ask(PLUGIN_RELOAD, ReloadPlugin(plugin_id, cascade), timeout=timeout)

    async def check_plugin_health(self, plugin_id: str, *, timeout: float | None = 10.0) -> PluginHealth:
        """Ask a plugin how it is.

        Raises:
            NoServer, RemoteError, AskTimeout: as ``register_plugin``.
        """
        found = await self._bus.ask(PLUGIN_HEALTH, CheckHealth(plugin_id), timeout=timeout)
        return found[plugin_id]
