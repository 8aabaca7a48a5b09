"""Permissions that are granted and taken away while a plugin runs."""

from __future__ import annotations

from gridbus.errors import PluginStateError
from gridbus.events.system import (
    PLUGIN_PERMISSION_GRANTED,
    PLUGIN_PERMISSION_REVOKED,
    PluginPermissionGranted,
    PluginPermissionRevoked,
)
from gridbus.manifest import Permission
from gridbus.manifest.permissions import as_permission
from gridbus.plugins.apart import OF_THE_SANDBOX, refuse_exec
from gridbus.plugins.context import PluginContext
from gridbus.plugins.decisions import Decisions
from gridbus.plugins.facts import Facts
from gridbus.plugins.record import Record
from gridbus.plugins.registry import Registry


class Granting:
    """Changes what running plugins may do, and tells so on the bus."""

    def __init__(self, registry: Registry, facts: Facts, decisions: Decisions) -> None:
        self._registry, self._facts, self._decisions = registry, facts, decisions

    async def grant(self, plugin_id: str, permission: Permission | str) -> None:
        """Grant one more; see ``PluginManager.grant_permission``."""
        wanted = as_permission(permission)
        record, ctx = self._running(plugin_id)
        if record.hosted is not None:
            refuse_exec(record.metadata, (wanted,))
        if any(kept.covers(wanted) for kept in ctx.granted):
            return
        await self._apply(record, ctx, (*ctx.granted, wanted), (wanted,))
        fact = PluginPermissionGranted(plugin_id, str(wanted))
        await self._facts.tell(PLUGIN_PERMISSION_GRANTED, fact)

    async def revoke(self, plugin_id: str, permission: Permission | str) -> None:
        """Take one away, with all that it covers; see ``PluginManager.revoke_permission``."""
        unwanted = as_permission(permission)
        record, ctx = self._running(plugin_id)
        gone = tuple(kept for kept in ctx.granted if unwanted.covers(kept) or kept.covers(unwanted))
        await self._decisions.forget(plugin_id, unwanted)
        if not gone:
            return
        await self._apply(record, ctx, tuple(kept for kept in ctx.granted if kept not in gone), gone)
        for kept in gone:
            await self._facts.tell(PLUGIN_PERMISSION_REVOKED, PluginPermissionRevoked(plugin_id, str(kept)))

    def _running(self, plugin_id: str) -> tuple[Record, PluginContext]:
        record = self._registry.get(plugin_id)
        if record.ctx is None:
            raise PluginStateError(
                f"plugin {plugin_id!r} is {record.state.value}, and has no permissions yet", plugin_id
            )
        return record, record.ctx

    async def _apply(
        self, record: Record, ctx: PluginContext, granted: tuple[Permission, ...], changed: tuple[Permission, ...]
    ) -> None:
        ctx.replace_grants(granted)
        record.granted = granted
        if record.hosted is not None:
            restart = any(permission.kind in OF_THE_SANDBOX for permission in changed)
            await record.hosted.apply_grants(granted, restart=restart)
