"""The life of one plugin in its process: what the application calls, answered."""

from __future__ import annotations

import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from math import inf
from typing import Any

from gridbus.bus.scope import ScopeReport
from gridbus.errors import PluginStateError
from gridbus.events.system import PluginLimitReached
from gridbus.hosting.child.bus import ChildBus
from gridbus.hosting.child.storage import RemoteStorage
from gridbus.hosting.protocol import Intercept, Ready, Refusal, Serve, Start, Succeed
from gridbus.isolation.wire import Peer, pack, unpack
from gridbus.manifest import Permission, PluginHealth
from gridbus.manifest.permissions import as_permission
from gridbus.plugins import Plugin, PluginContext
from gridbus.plugins.allowance import Allowance
from gridbus.plugins.config import check_config, read_config, refuse_config, type_argument
from gridbus.plugins.contract import contract_of_scope
from gridbus.plugins.declare import Declaration, declarations
from gridbus.plugins.grants import Grants
from gridbus.plugins.rate import Rate
from gridbus.plugins.record import Record
from gridbus.plugins.troubles import Troubles

_KEPT_HERE = {"max_handlers", "max_tasks"}  # limits that are reached before the application could see it


class Session:
    """Brings the plugin up, lets it work, and takes it down."""

    def __init__(
        self,
        peer: Peer,
        bus: ChildBus,
        record: Record,
        connector: Callable[[str, int, float], Awaitable[socket.socket]],
    ) -> None:
        plugin = record.plugin
        assert isinstance(plugin, Plugin)  # it was loaded here
        self._peer, self._bus = peer, bus
        self._record, self._plugin = record, plugin
        self._connector = connector

    def handlers(self) -> Mapping[str, Callable[..., Any]]:
        """Return what answers each method of ``protocol.IN_PLUGIN``."""
        return {
            "start": self.start,
            "serve": self.serve,
            "intercept": self.intercept,
            "health": self.health,
            "snapshot": self.snapshot,
            "succeed": self.succeed,
            "contracts": self.contracts,
            "configure": self.configure,
            "destroy": self.destroy,
            "ping": self.ping,
            "grants": self.grants,
        }

    async def start(self, start: Start, info: Any = None) -> Ready:
        """Initialize the plugin; return what it declares, which goes live when the application has it.

        Raises:
            Exception: what ``initialize`` or ``restore_state`` raised, or a declaration that cannot work.
        """
        plugin, bus = self._plugin, self._bus
        declared = declarations(type(plugin))
        ctx = self._open(tuple(map(as_permission, start.granted)), declared)
        await _run(lambda: plugin.initialize(ctx))
        self._record.is_initialized = True
        if start.state is not None:
            await self._restore(start.state, start.from_version)
        bus.collect()
        verbs: dict[str, Callable[..., object]] = {"on": ctx.on, "serves": ctx.serve, "intercepts": ctx.intercept}
        try:
            for kind, subject, method, options in declared:
                verbs[kind](subject, getattr(plugin, method), **options)
        finally:
            ready = Ready(bus.collected())
        return ready

    def serve(self, wanted: Serve, info: Any = None) -> Awaitable[bytes | None] | AsyncIterator[bytes]:
        """Answer a request."""
        return self._bus.servers.answer(wanted)

    async def intercept(self, wanted: Intercept, info: Any = None) -> bytes | None:
        """Look at a draft."""
        return await self._bus.guards.look(wanted)

    async def health(self, nothing: None, info: Any = None) -> bytes:
        """Return how the plugin says that it is."""
        health = await _run(self._plugin.health_check)
        if not isinstance(health, PluginHealth):
            health = PluginHealth.error(f"its health check returned {type(health).__name__}; return a PluginHealth")
        return pack(health)

    async def snapshot(self, nothing: None, info: Any = None) -> bytes | None:
        """Return what the plugin hands on to its next life."""
        state = await _run(self._plugin.snapshot_state)
        return None if state is None else pack(state)

    async def succeed(self, wanted: Succeed, info: Any = None) -> bytes:
        """Take what an earlier generation left, do what remains before this one takes over, and say how it is."""
        if wanted.state is not None:
            await self._restore(wanted.state, wanted.from_version)
        await _run(lambda: self._plugin.on_hot_reload(wanted.from_version))
        return await self.health(None)

    async def contracts(self, nothing: None, info: Any = None) -> dict[str, str]:
        """Return what the channels promise that the plugin serves: the types are known here."""
        scope = self._record.scope
        return {} if scope is None else contract_of_scope(scope)

    async def configure(self, config: Any, info: Any = None) -> bool:
        """Take another configuration; return whether the plugin can as it runs."""
        plugin, cls = self._plugin, type(self._plugin)
        wanted = read_config(cls, type_argument(cls, Plugin), config, {})
        refuse_config(cls, check_config(plugin, wanted))
        if await _run(lambda: plugin.reconfigure(wanted)) is NotImplemented:
            return False
        plugin.config = wanted
        if self._record.ctx is not None:
            self._record.ctx.config = wanted
        return True

    async def ping(self, nothing: None, info: Any = None) -> None:
        """Do nothing: that this is answered says that the loop turns."""

    async def grants(self, granted: Iterable[str], info: Any = None) -> None:
        """Take note of what is granted now, all of it; what is open and needs more is closed."""
        ctx = self._record.ctx
        if ctx is not None:
            ctx.replace_grants(map(as_permission, granted))

    async def destroy(self, nothing: None, info: Any = None) -> None:
        """Let handlers end, destroy the plugin and close what it made.

        Raises:
            Exception: what ``destroy`` or a clean-up raised, once all is closed.
        """
        record, scope, grace = self._record, self._record.scope, self._record.metadata.limits.destroy_timeout
        if scope is None:
            return
        self._bus.is_ending = True
        errors: list[Exception] = []
        await scope.hush(grace=grace)
        if record.is_initialized:
            record.is_initialized = False
            try:
                await _run(self._plugin.destroy)
            except (Exception, SystemExit) as error:
                errors.append(error if isinstance(error, Exception) else RuntimeError(f"it called exit: {error}"))
        report: ScopeReport = await scope.aclose(grace=grace)
        if record.ctx is not None:
            record.ctx.close()
        errors += report.errors
        if len(errors) > 1:
            raise ExceptionGroup(f"plugin {record.id!r} failed in more than one way as it was destroyed", errors)
        if errors:
            raise errors[0]

    def _open(self, granted: tuple[Permission, ...], declared: tuple[Declaration, ...]) -> PluginContext:
        """Give the plugin its context."""
        record, bus = self._record, self._bus
        metadata = record.metadata
        if record.scope is not None:
            raise PluginStateError(f"plugin {record.id!r} was started already", record.id)
        wanted = [declaration.permission for declaration in declared]
        grants = Grants(
            metadata,
            granted,
            declared=(*metadata.permissions, *(kept for kept in wanted if kept is not None)),
            served=[declaration.subject.name for declaration in declared if declaration.kind == "serves"],
        )
        record.granted = granted
        record.scope = bus.scope(record.id)
        record.troubles = Troubles(bus.clock)
        bus.reports.trouble = record.troubles.note
        record.allowance = Allowance(record.id, metadata.limits, bus.clock, self._limit_reached)
        record.allowance.rate = Rate(inf, bus.clock.monotonic)  # the application keeps this limit, and here is counted
        record.ctx = self._plugin.ctx = PluginContext(
            metadata,
            self._plugin.config,
            record.scope,
            grants=grants,
            allowance=record.allowance,
            troubles=record.troubles,
            store=RemoteStorage(self._peer),
            request=self._request,
            connector=self._connector,
        )
        return record.ctx

    async def _restore(self, state: bytes, from_version: str) -> None:
        await _run(lambda: self._plugin.restore_state(unpack(state, object), from_version))

    async def _request(self, permission: Permission) -> tuple[Permission, ...]:
        return tuple(map(as_permission, await self._peer.call("request_permission", str(permission))))

    def _limit_reached(self, fact: PluginLimitReached) -> None:
        if fact.limit in _KEPT_HERE:
            self._peer.note("refused", Refusal(fact.limit, f"it has all of its {fact.allowed:,.0f}"))


async def _run(fn: Callable[[], Any]) -> Any:
    """Return what a step of the plugin returns, plain or async."""
    result = fn()
    return await result if inspect.isawaitable(result) else result
