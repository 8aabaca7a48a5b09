"""Asking plugins how they are, within a time."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginState
from gridbus.errors import PeerGone
from gridbus.manifest import PluginHealth
from gridbus.plugins.facts import Facts
from gridbus.plugins.failure import described
from gridbus.plugins.record import INITIALIZED, Record
from gridbus.plugins.stage import run_stage


async def check_health(bus: Bus, facts: Facts, record: Record) -> PluginHealth:
    """Return how a plugin is: by its own word, an error if asking it raised, unknown if it did not answer in time."""
    began = bus.clock.monotonic()
    health = await _ask(bus, facts, record)
    return attrs.evolve(
        health,
        duration=bus.clock.monotonic() - began,
        checked_at=datetime.fromtimestamp(bus.clock.time_ns() / 1e9, UTC),
    )


async def _ask(bus: Bus, facts: Facts, record: Record) -> PluginHealth:
    plugin, timeout = record.plugin, record.metadata.limits.health_timeout
    if record.state is PluginState.FAILED:
        return PluginHealth.error("it failed to initialize")
    if record.state not in INITIALIZED or plugin is None:
        return PluginHealth.unknown(f"it is {record.state.value}, not running")
    try:
        health = await run_stage(
            bus,
            plugin.health_check,
            name=f"health check of plugin {record.id!r}",
            owner=record.id,
            timeout=timeout,
            running=record.checks,
        )
    except TimeoutError as error:
        return PluginHealth.unknown(str(error))
    except PeerGone:
        return PluginHealth.warning("its process went while it was asked")
    except (Exception, SystemExit) as error:
        if record.plugin is not plugin or record.state not in INITIALIZED:
            return PluginHealth.unknown("it went while it was asked")
        await facts.failed(record.id, "health", error)
        return PluginHealth.error(f"its health check failed: {described(error)}")
    if not isinstance(health, PluginHealth):
        return PluginHealth.error(f"its health check returned {type(health).__name__}; return a PluginHealth")
    return health
