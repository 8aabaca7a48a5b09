"""What plugins there are, and how they are."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread
import attrs

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginInfo, PluginState
from gridbus.manifest import PluginCategory, PluginHealth, ResourceUsage
from gridbus.plugins.checkup import check_health
from gridbus.plugins.discovery import DiscoveredPlugin, in_folder, installed
from gridbus.plugins.facts import Facts
from gridbus.plugins.record import Record
from gridbus.plugins.registry import Registry


class Directory:
    """Tells what is registered; ``PluginManager`` is this and what changes it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._registry = Registry()
        self._facts = Facts(bus)

    def list_plugins(
        self, category: PluginCategory | str | None = None, state: PluginState | str | None = None
    ) -> list[PluginInfo]:
        """Return the registered plugins, of a category or in a state where given, in the order of registration."""
        infos = (record.info() for record in self._registry)
        return [info for info in infos if category in (None, info.metadata.category) and state in (None, info.state)]

    def get_plugins_by_category(self, category: PluginCategory | str) -> list[PluginInfo]:
        """Return the registered plugins of a category."""
        return self.list_plugins(category)

    def get_plugin(self, plugin_id: str) -> PluginInfo:
        """Return one registered plugin.

        Raises:
            PluginNotFoundError: it is not registered.
        """
        return self._registry.get(plugin_id).info()

    async def check_plugin_health(self, plugin_id: str) -> PluginHealth:
        """Ask a plugin how it is: an error where its check raises, unknown where it does not answer in time.

        Raises:
            PluginNotFoundError: it is not registered.
        """
        return await check_health(self._bus, self._facts, self._registry.get(plugin_id))

    async def check_all_health(self) -> dict[str, PluginHealth]:
        """Ask all plugins at once how they are; return the answers by id."""
        records = list(self._registry)
        answers: dict[str, PluginHealth] = {}

        async def check(record: Record) -> None:
            answers[record.id] = await check_health(self._bus, self._facts, record)

        async with anyio.create_task_group() as group:
            for record in records:
                group.start_soon(check, record)
        return {record.id: answers[record.id] for record in records}

    async def resource_usage(self, plugin_id: str) -> ResourceUsage:
        """Return what a plugin uses now and has done since it was initialized.

        Raises:
            PluginNotFoundError: it is not registered.
        """
        record = self._registry.get(plugin_id)
        usage = ResourceUsage() if record.ctx is None else await record.ctx.resource_usage()
        return usage if record.hosted is None else attrs.evolve(usage, **record.hosted.process_usage())

    async def discover(self, folder: Path | str | None = None) -> list[DiscoveredPlugin]:
        """Return the plugins that could be registered, without importing them: the installed ones, and a folder's.

        Raises:
            PluginNotFoundError: there is no such folder.
        """
        found = await anyio.to_thread.run_sync(installed)
        if folder is not None:
            found += await anyio.to_thread.run_sync(in_folder, Path(folder))
        return found
