"""Another configuration for a plugin that runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from gridbus.bus import Bus
from gridbus.bus.succession import Standstill
from gridbus.channels.plugins import PluginState
from gridbus.errors import PluginReloadError
from gridbus.events.system import PLUGIN_RECONFIGURED, PluginReconfigured
from gridbus.plugins.apart import plain_config
from gridbus.plugins.config import check_config, read_config, refuse_config, type_argument
from gridbus.plugins.facts import Facts
from gridbus.plugins.failure import described, strip
from gridbus.plugins.handover import can_take, run_step
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.record import Recipe, Record
from gridbus.plugins.registry import Registry
from gridbus.plugins.swapping import Swapping, Wish


class Configuring:
    """Asks a plugin to take a configuration as it runs, and makes a new generation where it cannot."""

    def __init__(self, bus: Bus, registry: Registry, facts: Facts, swapping: Swapping) -> None:
        self._bus, self._registry, self._facts, self._swapping = bus, registry, facts, swapping

    async def configure(self, plugin_id: str, config: Any) -> Record:
        """Return the generation that has the configuration; see ``PluginManager.configure_plugin``."""
        record = self._registry.get(plugin_id)
        if record.state is PluginState.RUNNING and can_take(record):
            async with self._swapping.turns(plugin_id).alone():
                record = self._registry.get(plugin_id)  # it may be another generation by now
                if can_take(record) and await self._taken(record, config):
                    return record

        def change(recipe: Recipe) -> Recipe:  # the code stays, whatever was saved meanwhile
            return attrs.evolve(recipe, config=config)

        return await self._swapping.reload(Wish(id=plugin_id, reason="another configuration", change=change))

    async def _taken(self, record: Record, config: Any) -> bool:
        """Return whether a plugin took a configuration as it runs."""
        began = self._bus.clock.monotonic()
        assert record.scope is not None  # it runs
        standstill = Standstill(record.scope)
        try:
            await standstill.settle(within=record.metadata.limits.destroy_timeout)
            is_taken = await (_ask(self._bus, record, config) if record.hosted is None else _ask_hosted(record, config))
        except (Exception, SystemExit) as error:
            seconds = self._bus.clock.monotonic() - began
            place = await self._facts.reload_failed(record.id, record.generation, "configure", error, seconds)
            reason = f"plugin {record.id!r} keeps its configuration: {described(error)}"
            raise PluginReloadError(reason, record.id, stage="configure", **place) from strip(error)
        finally:
            standstill.let_go()
        if is_taken and record.recipe is not None:
            before, record.recipe = record.recipe.config, attrs.evolve(record.recipe, config=config)
            await self._facts.tell(PLUGIN_RECONFIGURED, PluginReconfigured(record.id, _changed(before, config)))
        return is_taken


async def _ask(bus: Bus, record: Record, config: Any) -> bool:
    plugin = record.plugin
    assert isinstance(plugin, Plugin)
    cls = type(plugin)
    wanted = read_config(cls, type_argument(cls, Plugin), config, {})
    refuse_config(cls, check_config(plugin, wanted))
    timeout = record.metadata.limits.initialize_timeout
    taken = await run_step(bus, record, lambda: plugin.reconfigure(wanted), name="reconfiguration", timeout=timeout)
    if taken is NotImplemented:
        return False
    plugin.config = wanted
    if record.ctx is not None:
        record.ctx.config = wanted
    return True


async def _ask_hosted(record: Record, config: Any) -> bool:
    assert record.hosted is not None
    return await record.hosted.reconfigure(plain_config(config, record.id))


def _changed(before: Any, after: Any) -> tuple[str, ...]:
    """Return the names of what differs, where both are plain."""
    if not isinstance(before, Mapping | None) or not isinstance(after, Mapping):
        return ()
    before = before or {}
    missing = object()
    return tuple(sorted(key for key in {*before, *after} if before.get(key, missing) != after.get(key, missing)))
