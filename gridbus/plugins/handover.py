"""What a generation of a plugin leaves to the next."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginState
from gridbus.errors import PluginReloadError
from gridbus.events.system import HealthStatus
from gridbus.manifest import PluginHealth
from gridbus.plugins.hosting import PackedState
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.record import Record
from gridbus.plugins.stage import run_stage

_HOOKS = ("snapshot_state", "on_hot_reload", "reconfigure")


def has_state(record: Record) -> bool:
    """Tell whether a plugin may have something to hand on."""
    return record.state is PluginState.RUNNING and "snapshot_state" in _hooks(record)


def can_take(record: Record) -> bool:
    """Tell whether a plugin may take another configuration as it runs."""
    return "reconfigure" in _hooks(record)


async def snapshot(bus: Bus, record: Record) -> Any:
    """Return a plugin's state; None where it has none.

    Raises:
        Exception, SystemExit: what ``snapshot_state`` raised.
        TimeoutError: it took longer than the plugin's ``destroy_timeout``.
    """
    plugin = record.plugin
    if plugin is None or not has_state(record):
        return None
    return await run_step(
        bus, record, plugin.snapshot_state, name="snapshot", timeout=record.metadata.limits.destroy_timeout
    )


async def succeed(bus: Bus, record: Record, state: Any, from_version: str) -> None:
    """Let a new generation restore a state, and do what remains before it takes over.

    Raises:
        PluginReloadError: it is not well with what it restored.
        Exception, SystemExit: what ``restore_state``, ``on_hot_reload`` or ``health_check`` raised.
        TimeoutError: they took longer than the plugin's ``initialize_timeout``.
    """
    plugin, hosted = record.plugin, record.hosted
    timeout = record.metadata.limits.initialize_timeout
    if state is None and "on_hot_reload" not in _hooks(record):
        return
    if hosted is not None:
        health = await run_step(
            bus, record, lambda: hosted.succeed(state, from_version), name="restore", timeout=timeout
        )
        refuse_unwell(record, health)
        return
    assert isinstance(plugin, Plugin)
    if isinstance(state, PackedState):
        state = state.unpacked()
    if state is not None:
        await run_step(bus, record, lambda: plugin.restore_state(state, from_version), name="restore", timeout=timeout)
    if "on_hot_reload" in _hooks(record):
        await run_step(bus, record, lambda: plugin.on_hot_reload(from_version), name="hot reload", timeout=timeout)
    if state is not None:
        await check(bus, record)


async def check(bus: Bus, record: Record) -> None:
    """Refuse a generation that is not well.

    Raises:
        PluginReloadError: it says so.
        Exception, SystemExit: what ``health_check`` raised.
        TimeoutError: it took longer than the plugin's ``health_timeout``.
    """
    plugin, timeout = record.plugin, record.metadata.limits.health_timeout
    assert plugin is not None  # it is initialized
    if type(plugin).health_check is Plugin.health_check:
        return  # it would be that nothing has failed yet
    refuse_unwell(record, await run_step(bus, record, plugin.health_check, name="health check", timeout=timeout))


def refuse_unwell(record: Record, health: Any) -> None:
    """Refuse what a health check returned, where that is an error.

    Raises:
        PluginReloadError: it is.
    """
    if not isinstance(health, PluginHealth):
        raise PluginReloadError(f"its health check returned {type(health).__name__}; return a PluginHealth", record.id)
    if health.status is HealthStatus.ERROR:
        raise PluginReloadError(f"its health check says: {health.message}", record.id)


async def run_step(bus: Bus, record: Record, fn: Callable[[], Any], *, name: str, timeout: float) -> Any:
    """Return what a method of a plugin returns; an async one runs in a task of its own, within a time."""
    result = fn()
    if not inspect.isawaitable(result):
        return result  # nothing could have ended a plain function early, and events wait meanwhile

    async def run() -> Any:
        return await result

    return await run_stage(bus, run, name=f"{name} of plugin {record.id!r}", owner=record.id, timeout=timeout)


def hooks_of(plugin: Plugin[Any]) -> tuple[str, ...]:
    """Return which of the methods a plugin has of its own that reloading asks for."""
    return tuple(name for name in _HOOKS if getattr(type(plugin), name) is not getattr(Plugin, name))


def _hooks(record: Record) -> tuple[str, ...]:
    plugin = record.plugin
    return () if plugin is None else hooks_of(plugin) if isinstance(plugin, Plugin) else plugin.hooks
