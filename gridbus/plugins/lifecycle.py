"""Bringing a plugin up and taking it down, wholly or not at all."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import anyio

from gridbus.bus import Bus, ScopeReport
from gridbus.channels.plugins import PluginState
from gridbus.contracts import StorageBackend
from gridbus.errors import PluginError, PluginInitializationError
from gridbus.events.system import (
    PLUGIN_DESTROYED,
    PLUGIN_INITIALIZED,
    PLUGIN_LIMIT_REACHED,
    PLUGIN_PERMISSION_GRANTED,
    PLUGIN_UNREGISTERED,
    PluginDestroyed,
    PluginInitialized,
    PluginPermissionGranted,
    PluginUnregistered,
)
from gridbus.manifest import Permission, PluginMetadata
from gridbus.manifest.permissions import as_permission
from gridbus.plugins.allowance import Allowance
from gridbus.plugins.context import PluginContext
from gridbus.plugins.decisions import Decisions
from gridbus.plugins.declare import Declaration, declarations
from gridbus.plugins.facts import Facts
from gridbus.plugins.failure import described, strip
from gridbus.plugins.grants import Grants
from gridbus.plugins.hosting import OF_THE_SANDBOX, HostedDeclaration, refuse_exec
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.policy import PermissionPolicy, PermissionRequest
from gridbus.plugins.record import Record
from gridbus.plugins.stage import end, finish, run_stage
from gridbus.plugins.troubles import Troubles

logger = logging.getLogger("gridbus.plugins")

Declared: TypeAlias = Declaration | HostedDeclaration


class Lifecycle:
    """Moves records from one state to the next, and tells so on the bus."""

    def __init__(
        self,
        bus: Bus,
        facts: Facts,
        *,
        store: StorageBackend | None,
        policy: PermissionPolicy,
        forget: Callable[[Record], None],
    ) -> None:
        self._bus, self._facts = bus, facts
        self._store, self._policy = store, policy
        self._forget = forget
        self.decisions = Decisions(store)
        self._ranks = count(1)

    async def activate(self, record: Record) -> None:
        """Initialize a plugin and make its handlers live; whatever fails, nothing of it remains.

        Raises:
            PluginInitializationError: ``initialize`` or one of the handlers failed; the cause is what it raised.
            PluginPermissionError: it was not granted what its handlers need.
        """
        record.state = PluginState.INITIALIZING
        began = self._bus.clock.monotonic()
        try:
            record.granted = await self.grant(record.metadata, record.asked)
            await self.prepare(record)
            record.state = PluginState.RUNNING
            record.rank = next(self._ranks)
            seconds = self._bus.clock.monotonic() - began
            await self._facts.tell(PLUGIN_INITIALIZED, PluginInitialized(record.id, record.metadata.version, seconds))
        except (Exception, SystemExit) as error:
            refusal = error if record.ctx is None and isinstance(error, PluginError) else None
            reason = described(error)
            await self.refuse(record, error)
            if refusal is not None:
                raise
            failure = PluginInitializationError(f"plugin {record.id!r} failed to initialize: {reason}", record.id)
            raise failure from strip(error)
        except BaseException as error:
            await self.refuse(record, error)
            raise
        record.settled.set()

    async def prepare(self, record: Record, *, live: bool = True) -> None:
        """Give a plugin its context, initialize it, and make its handlers: live, or to be made live by a succession.

        Raises:
            PluginPermissionError: it was not granted what its handlers need.
            TimeoutError: that took too long.
            Exception, SystemExit: what ``initialize`` raised, or a declaration that cannot work.
        """
        self._open(record, record.declared, live=live)
        await run_stage(
            self._bus,
            partial(_bring_up, record),
            name=f"initialize of plugin {record.id!r}",
            owner=record.id,
            timeout=record.metadata.limits.initialize_timeout,
        )

    async def refuse(self, record: Record, error: BaseException) -> None:
        """Forget a plugin that cannot come up, and tell why; nothing of it remains."""
        await finish(self._bus, partial(self._roll_back, record, error), name=f"refuse {record.id}")

    async def deactivate(self, record: Record) -> None:
        """Destroy a plugin, or merely forget it where it was never initialized; nothing of it remains.

        What fails or hangs on the way is published and changes nothing about that. Neither does the cancellation of
        whoever waits here: it takes effect when all is done.
        """
        record.state, record.settled = PluginState.DESTROYING, anyio.Event()
        await finish(self._bus, partial(self._take_down, record), name=f"destroy {record.id}")

    async def _roll_back(self, record: Record, error: BaseException) -> None:
        record.state, record.reason = PluginState.FAILED, described(error)
        await self._facts.failed(record.id, "initialize", error)
        await self._take_down(record, grace=0.0)

    async def _take_down(self, record: Record, *, grace: float | None = None) -> None:
        had_context = record.scope is not None
        is_clean, cancelled = await self.dismantle(record, grace=grace)
        if had_context and record.state is PluginState.DESTROYING:
            await self._facts.tell(PLUGIN_DESTROYED, PluginDestroyed(record.id, is_clean, cancelled))
        await self._facts.tell(PLUGIN_UNREGISTERED, PluginUnregistered(record.id))

    async def dismantle(self, record: Record, *, grace: float | None = None) -> tuple[bool, int]:
        """Let handlers finish, destroy a plugin and close what it made; return how clean that was.

        Args:
            record: of the plugin.
            grace: seconds for each step; those of its limits by default.

        Returns:
            Whether nothing failed and nothing had to be cancelled, and how many handlers and tasks were.
        """
        limits = record.metadata.limits
        grace = limits.destroy_timeout if grace is None else grace
        cancelled = 0
        is_clean = True
        try:
            if record.scope is not None:
                for check in tuple(record.checks):
                    await end(check)
                cancelled += await record.scope.hush(grace=grace)
                if record.is_initialized and record.plugin is not None:
                    record.is_initialized = False
                    is_clean = await self._destroy(record, record.plugin.destroy)
                report = await record.scope.aclose(grace=grace or limits.destroy_timeout)
                cancelled += report.cancelled
                is_clean = await self._tell_errors(record, report) and is_clean
        finally:  # the bus itself may close in the middle of this
            record.release()
            self._forget(record)
            record.settled.set()
        return is_clean and not cancelled, cancelled

    async def _destroy(self, record: Record, destroy: Callable[[], Any]) -> bool:
        try:
            await run_stage(
                self._bus,
                destroy,
                name=f"destroy of plugin {record.id!r}",
                owner=record.id,
                timeout=record.metadata.limits.destroy_timeout,
            )
        except (Exception, SystemExit) as error:
            await self._facts.failed(record.id, "destroy", error)
            return False
        return True

    async def _tell_errors(self, record: Record, report: ScopeReport) -> bool:
        for error in report.errors:
            await self._facts.failed(record.id, "destroy", error)
        return not report.errors

    def _open(self, record: Record, declared: Iterable[Declared], *, live: bool) -> None:
        """Give the plugin its context, having checked that what it declares was granted."""
        assert record.plugin is not None
        if record.hosted is not None:
            refuse_exec(record.id, record.granted)
        metadata = record.metadata
        grants = Grants(
            metadata,
            record.granted,
            declared=_wanted(metadata, record.asked),
            served=[_channel_name(declaration) for declaration in declared if declaration.kind == "serves"],
        )
        for declaration in declared:
            permission = declaration.permission
            if permission is None:
                grants.check_serve(_channel_name(declaration))
            else:
                grants.check(permission.kind, permission.target)
        record.scope = self._bus.scope(record.id, live=live)
        record.troubles = Troubles(self._bus.clock)
        announce = partial(self._facts.tell_now, PLUGIN_LIMIT_REACHED)
        record.allowance = Allowance(record.id, metadata.limits, self._bus.clock, announce)
        record.ctx = record.plugin.ctx = PluginContext(
            metadata,
            record.plugin.config,
            record.scope,
            grants=grants,
            allowance=record.allowance,
            troubles=record.troubles,
            store=self._store,
            request=partial(self._grant_more, record),
        )

    async def grant(self, metadata: PluginMetadata, declared: Iterable[Declared] = ()) -> tuple[Permission, ...]:
        """Return what a plugin is granted: of what it asks for, and when it asked for more before."""
        answer = await self._decide(PermissionRequest(metadata, _wanted(metadata, declared)))
        return self.decisions.limited(metadata.id, (*answer, *await self.decisions.remembered(metadata.id)))

    async def _grant_more(self, record: Record, permission: Permission) -> tuple[Permission, ...]:
        if record.hosted is not None:
            refuse_exec(record.id, (permission,))
        request = PermissionRequest(record.metadata, (permission,), is_declared=False)
        answer = await self.decisions.decide(request, permission, self._decide)
        if record.hosted is not None and permission.kind in OF_THE_SANDBOX:
            if answer:
                logger.warning("plugin %r may %s once its process starts anew", record.id, permission.describe())
            return ()
        more = tuple(granted for granted in answer if not any(kept.covers(granted) for kept in record.granted))
        record.granted += more
        for granted in more:
            await self._facts.tell(PLUGIN_PERMISSION_GRANTED, PluginPermissionGranted(record.id, str(granted)))
        return more

    async def _decide(self, request: PermissionRequest) -> tuple[Permission, ...]:
        granted = self._policy(request)
        if inspect.isawaitable(granted):
            granted = await granted
        return tuple(map(as_permission, granted))


async def _bring_up(record: Record) -> None:
    """Run ``initialize``, then make the declared handlers live in the same step, with nothing in between.

    A plugin that runs elsewhere does the same there, and has it all live when its stand-in returns.
    """
    plugin, ctx, hosted = record.plugin, record.ctx, record.hosted
    assert plugin is not None
    assert ctx is not None
    if hosted is not None:
        hosted.on_state = record.note_state
        await hosted.initialize(ctx, live=record.scope is not None and record.scope.is_live)
        record.is_initialized = True
        return
    assert isinstance(plugin, Plugin)
    await plugin.initialize(ctx)
    record.is_initialized = True
    verbs: dict[str, Callable[..., object]] = {"on": ctx.on, "serves": ctx.serve, "intercepts": ctx.intercept}
    for kind, subject, method, options in declarations(type(plugin)):
        verbs[kind](subject, getattr(plugin, method), **options)


def _channel_name(declaration: Declared) -> str:
    subject = declaration.subject
    return str(subject) if isinstance(subject, str) else str(subject.name)


def _wanted(metadata: PluginMetadata, declared: Iterable[Declared]) -> tuple[Permission, ...]:
    """Return what a plugin asks for, by its metadata and its decorators."""
    permissions = [declaration.permission for declaration in declared]
    return tuple(dict.fromkeys((*metadata.permissions, *(kept for kept in permissions if kept is not None))))
