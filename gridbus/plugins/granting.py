"""Permissions that are granted and taken away while a plugin runs."""

from __future__ import annotations

import anyio

from gridbus.errors import PeerGone, PluginStateError
from gridbus.events.system import (
    PLUGIN_PERMISSION_GRANTED,
    PLUGIN_PERMISSION_REVOKED,
    PluginPermissionGranted,
    PluginPermissionRevoked,
)
from gridbus.manifest import Permission
from gridbus.manifest.permissions import as_permission
from gridbus.plugins.context import PluginContext
from gridbus.plugins.decisions import Decisions
from gridbus.plugins.facts import Facts
from gridbus.plugins.hosting import OF_THE_SANDBOX, refuse_exec
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
            refuse_exec(plugin_id, (wanted,))
        self._decisions.give(plugin_id, wanted)
        if any(kept.covers(wanted) for kept in ctx.granted):
            return
        await self._apply(record, ctx, (*ctx.granted, wanted), (wanted,))
        await self._facts.tell(PLUGIN_PERMISSION_GRANTED, PluginPermissionGranted(plugin_id, str(wanted)))

    async def revoke(self, plugin_id: str, permission: Permission | str) -> None:
        """Take one away, with all that overlaps with it; see ``PluginManager.revoke_permission``."""
        unwanted = as_permission(permission)
        record, ctx = self._running(plugin_id)
        self._decisions.revoke(plugin_id, unwanted)
        gone = tuple(kept for kept in ctx.granted if kept.overlaps(unwanted))
        if gone:
            await self._apply(record, ctx, tuple(kept for kept in ctx.granted if kept not in gone), gone)
        for kept in gone:
            await self._facts.tell(PLUGIN_PERMISSION_REVOKED, PluginPermissionRevoked(plugin_id, str(kept)))
        await self._decisions.forget(plugin_id, unwanted)

    async def refresh(self, record: Record) -> None:
        """Let what was granted and revoked while a generation was made hold for it too."""
        now = self._decisions.limited(record.id, record.granted)
        changed = tuple({*now} ^ {*record.granted})
        if record.ctx is not None and changed:
            await self._apply(record, record.ctx, now, changed)

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
        """Let it hold here, where it is kept, and tell the plugin's process, which need not answer."""
        ctx.replace_grants(granted)
        record.granted = granted
        if record.hosted is None:
            return
        restart = any(permission.kind in OF_THE_SANDBOX for permission in changed)
        with anyio.move_on_after(record.metadata.limits.health_timeout):
            try:
                await record.hosted.apply_grants(granted, restart=restart)
            except PeerGone:  # its next process begins with what is granted now
                return
