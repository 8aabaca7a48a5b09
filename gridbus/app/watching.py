"""What of an application follows its files: plugins their code, and all of it the file that declares it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

from gridbus.app.reconfiguring import Reconfiguring
from gridbus.bus import Bus
from gridbus.config import AppConfig
from gridbus.errors import PluginError
from gridbus.events import Event
from gridbus.events.system import PLUGIN_INITIALIZED, PluginInitialized
from gridbus.manifest import Permission
from gridbus.plugins import PermissionPolicy, PermissionRequest, PluginManager, grant_listed
from gridbus.reload import HotReloadManager, WatchfilesWatcher

logger = logging.getLogger("gridbus.app")

_LEISURELY = 0.05  # seconds between two looks at the application's own file, which nobody edits as often as code


class Watching:
    """Lets plugins be reloaded when they are saved: each that comes up."""

    def __init__(self, bus: Bus, manager: PluginManager, reloader: HotReloadManager) -> None:
        self._scope = bus.scope("app")
        self._manager, self._reloader = manager, reloader

    async def start(self) -> None:
        """Watch the plugins that run, and those that come up from now on."""
        self._scope.on(PLUGIN_INITIALIZED, self._came_up, name="watch plugins")
        for info in self._manager.list_plugins(state="running"):
            await self._watch(info.id)

    def follow(self, path: Path, config: AppConfig, grants: MutableMapping[str, Sequence[Permission | str]]) -> None:
        """Apply what changes in the application's file."""
        following = Reconfiguring(self._manager, path, config, grants=grants)
        self._scope.start_soon(following.run, WatchfilesWatcher(step=_LEISURELY), name=f"follow {path.name}")

    async def aclose(self) -> None:
        """Watch nothing more."""
        for job in self._scope.jobs:
            job.cancel()
        await self._scope.aclose(grace=1.0)

    async def _came_up(self, event: Event[PluginInitialized]) -> None:
        await self._watch(event.payload.id)

    async def _watch(self, plugin_id: str) -> None:
        try:
            await self._reloader.enable_hot_reload(plugin_id)
        except PluginError as error:  # it is imported from where others share it, or is gone already
            logger.info("plugin %r does not follow its files: %s", plugin_id, error)


def grant_as_listed(table: Mapping[str, Sequence[Permission | str]], otherwise: PermissionPolicy) -> PermissionPolicy:
    """Return ``grant_listed`` of a table that may change."""

    def grant(request: PermissionRequest) -> object:
        return grant_listed(table, otherwise)(request)

    return grant  # type: ignore[return-value]
