"""Bringing up plugins together with what they depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gridbus.channels.plugins import PluginState
from gridbus.errors import PluginDependencyError, PluginError, PluginStateError
from gridbus.plugins.lifecycle import Lifecycle
from gridbus.plugins.record import LIVE, Record
from gridbus.plugins.registry import Registry


class Boarding:
    """Initializes registered plugins in the order of their dependencies."""

    def __init__(self, registry: Registry, lifecycle: Lifecycle, check_open: Callable[[], object]) -> None:
        """Prepare; ``check_open`` raises where the manager takes no more plugins."""
        self._registry, self._lifecycle, self._check_open = registry, lifecycle, check_open

    async def bring_up(self, wanted: list[str]) -> dict[str, PluginError]:
        """Initialize registered plugins and what they depend on; return why some of them did not come up."""
        errors: dict[str, PluginError] = {}
        try:
            planned = self._registry.plan(wanted)
            for plugin_id, error in planned.errors.items():
                errors[plugin_id] = error
                if plugin_id in wanted:
                    await self._lifecycle.refuse(self._registry.get(plugin_id), error)
            for plugin_id in planned.order:
                try:
                    self._check_open()  # it may have been closed meanwhile
                    await self._activate(self._registry.get(plugin_id))
                except PluginError as error:
                    errors[plugin_id] = error
        except BaseException:
            await self.give_up(wanted)
            raise
        return errors

    async def _activate(self, record: Record) -> None:
        """Initialize one plugin when those that it depends on run, or wait for whoever does."""
        if record.state is not PluginState.REGISTERED:
            await record.settled.wait()
            if record.state not in LIVE:
                raise PluginStateError(f"plugin {record.id!r} did not come up: {record.reason}", record.id)
            return
        record.state = PluginState.INITIALIZING
        try:
            for need in record.metadata.dependencies:
                other = self._registry.find(need.id)
                if other is not None and other.state is PluginState.INITIALIZING:
                    await other.settled.wait()
                if not need.optional and (other is None or other.state not in LIVE):
                    reason = f"{need.id!r} did not{f': {other.reason}' if other and other.reason else ''}"
                    message = f"plugin {record.id!r} cannot come up: {reason} ({record.id} -> {need.id})"
                    raise PluginDependencyError(message, record.id, path=(record.id, need.id))
        except BaseException as error:
            await self._lifecycle.refuse(record, error)
            raise
        await self._lifecycle.activate(record)

    async def give_up(self, plugin_ids: Iterable[str]) -> None:
        """Forget those of some plugins that were not initialized yet."""
        for plugin_id in plugin_ids:
            record = self._registry.find(plugin_id)
            if record is not None and record.state is PluginState.REGISTERED:
                await self._lifecycle.deactivate(record)
