"""What a plugin may see and do: the verbs of the bus, bound to the plugin and held to its permissions and limits."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from gridbus.bus import (
    Batch,
    Debounce,
    Draft,
    EventStream,
    Interceptor,
    Job,
    Middleware,
    Overflow,
    Scope,
    Subscription,
    Throttle,
)
from gridbus.bus.relay import Carrier, RelayWorker
from gridbus.channels import Channel, Responder
from gridbus.contracts import PluginStorage, StorageBackend
from gridbus.errors import PluginStateError
from gridbus.events import Event, Topic
from gridbus.manifest import Permission, PermissionKind, PluginHealth, PluginMessage, PluginMetadata, ResourceUsage
from gridbus.manifest.permissions import as_permission
from gridbus.plugins.allowance import Allowance
from gridbus.plugins.connecting import connect
from gridbus.plugins.grants import Grants, subscribed_target
from gridbus.plugins.messages import message_channel
from gridbus.plugins.storage import OwnStorage
from gridbus.plugins.troubles import Troubles
from gridbus.plugins.usage import Usage

if TYPE_CHECKING:
    from gridbus.plugins.grid_access import GridAccess

T = TypeVar("T")
M = TypeVar("M")
R = TypeVar("R")

Requester = Callable[[Permission], Awaitable[Iterable[Permission]]]
Connector = Callable[[str, int, float], Awaitable[socket.socket]]


class PluginContext:
    """A plugin's end of everything; the same verbs wherever the plugin runs.

    Each verb raises ``PluginPermissionError`` where a permission is missing, naming it, and ``PluginStateError`` once
    the plugin was destroyed.
    """

    def __init__(
        self,
        metadata: PluginMetadata,
        config: Any,
        scope: Scope,
        *,
        grants: Grants,
        allowance: Allowance,
        troubles: Troubles,
        store: StorageBackend | None,
        request: Requester,
        connector: Connector = connect,
    ) -> None:
        self.metadata, self.config = metadata, config
        self.log = logging.getLogger(f"gridbus.plugin.{metadata.id}")
        self._scope, self._grants, self._allowance, self._troubles = scope, grants, allowance, troubles
        # What publishing needs for each event, within reach.
        self._publishable, self._take, self._send, self._owner = (
            grants.publishable,
            allowance.rate.take,
            scope.bus.publish,
            scope.owner,
        )
        self._store, self._request, self._connector = store, request, connector
        self._usage = Usage()
        self._closed = False

    def __repr__(self) -> str:
        """Show whose it is."""
        return f"<PluginContext of {self.plugin_id!r}{' (closed)' if self._closed else ''}>"

    @property
    def plugin_id(self) -> str:
        """The plugin's id, which is the source of all that it publishes."""
        return self.metadata.id

    # --- hearing -------------------------------------------------------------------------------------------------

    @overload
    def on(
        self, subject: Topic[T], handler: Callable[[list[Event[T]]], object], *, pace: Batch, **options: Any
    ) -> Subscription: ...
    @overload
    def on(
        self,
        subject: Topic[T],
        handler: Callable[[Event[T]], object],
        *,
        name: str | None = ...,
        middleware: Iterable[Middleware] = ...,
        capacity: int = ...,
        overflow: Overflow = ...,
        block_timeout: float = ...,
        key: Callable[[Event[T]], object] | None = ...,
        where: Callable[[Event[T]], object] | None = ...,
        concurrency: int = ...,
        timeout: float | None = ...,
        pace: Debounce | Throttle | None = ...,
    ) -> Subscription: ...
    @overload
    def on(self, subject: type[T], handler: Callable[[Event[T]], object], **options: Any) -> Subscription: ...
    @overload
    def on(self, subject: str, handler: Callable[[Any], object], **options: Any) -> Subscription: ...
    def on(self, subject: Any, handler: Callable[[Any], object], **options: Any) -> Subscription:
        """Subscribe; options as ``Bus.on``. An async handler gets the time-out of the plugin's limits at most.

        Raises:
            PluginLimitError: the plugin has as many handlers as it may.
        """
        self._check_handler(PermissionKind.SUBSCRIBE, subscribed_target(subject))
        subscription = self._scope.on(subject, handler, **self._allowance.bound(handler, options))
        self._usage.track(subscription)
        self._grants.hold(PermissionKind.SUBSCRIBE, subscribed_target(subject), subscription)
        return subscription

    @overload
    def stream(self, subject: Topic[T], **options: Any) -> EventStream[T]: ...
    @overload
    def stream(self, subject: type[T], **options: Any) -> EventStream[T]: ...
    @overload
    def stream(self, subject: str, **options: Any) -> EventStream[Any]: ...
    def stream(self, subject: Any, **options: Any) -> EventStream[Any]:
        """Return events as an iterator; as ``Bus.stream``. An open stream counts as a handler."""
        self._check_handler(PermissionKind.SUBSCRIBE, subscribed_target(subject))
        stream = self._scope.stream(subject, **options)
        self._grants.hold(PermissionKind.SUBSCRIBE, subscribed_target(subject), stream)
        return stream

    @overload
    async def wait_for(
        self, subject: Topic[T], where: Callable[[Event[T]], object] | None = ..., timeout: float | None = ...
    ) -> Event[T]: ...
    @overload
    async def wait_for(
        self, subject: type[T], where: Callable[[Event[T]], object] | None = ..., timeout: float | None = ...
    ) -> Event[T]: ...
    @overload
    async def wait_for(
        self, subject: str, where: Callable[[Event[Any]], object] | None = ..., timeout: float | None = ...
    ) -> Event[Any]: ...
    async def wait_for(
        self, subject: Any, where: Callable[[Event[Any]], object] | None = None, timeout: float | None = None
    ) -> Event[Any]:
        """Return the next event that matches; as ``Bus.wait_for``."""
        self._check_open()
        self._grants.check(PermissionKind.SUBSCRIBE, subscribed_target(subject))
        event = await self._scope.bus.wait_for(subject, where, timeout)
        self._grants.check(PermissionKind.SUBSCRIBE, subscribed_target(subject))  # it may have been revoked
        return event

    def intercept(
        self,
        topic: Topic[T] | str,
        fn: Callable[[Draft[T]], T | Awaitable[T | None] | None],
        *,
        priority: int = 0,
        timeout: float = 5.0,
    ) -> Interceptor:
        """Let ``fn`` see drafts before they are published, and change or veto them; as ``Bus.intercept``."""
        self._check_handler(PermissionKind.INTERCEPT, str(topic))
        timeout = min(timeout, self._allowance.limits.handler_timeout)
        interceptor = self._scope.intercept(topic, fn, priority=priority, timeout=timeout)
        self._grants.hold(PermissionKind.INTERCEPT, str(topic), interceptor)
        return interceptor

    # --- publishing ----------------------------------------------------------------------------------------------

    async def publish(self, topic: Topic[T], payload: T) -> Event[T]:
        """Publish a fact of the plugin's own; waits first where it would pass the limit of events per second.

        A plugin owns the topics whose first part is its id, begins with its id and a dot, or is listed in its
        metadata. Other plugins' topics need the permission ``publish``; those of gridbus itself are never a plugin's.
        """
        if topic not in self._publishable:
            self._check_publish(topic)
        wait = self._take()
        if wait:
            await self._allowance.throttle(wait)
        return await self._send(topic, payload, source=self._owner)

    def publish_nowait(self, topic: Topic[T], payload: T) -> Event[T]:
        """Publish without waiting.

        Raises:
            PluginLimitError: it would pass the limit of events per second.
        """
        if topic not in self._publishable:
            self._check_publish(topic)
        self._allowance.check_publish()
        return self._scope.publish_nowait(topic, payload)

    # --- channels ------------------------------------------------------------------------------------------------

    def serve(self, channel: Channel[M, R], fn: Responder[M, R], **options: Any) -> Subscription:
        """Answer on a channel of the plugin's own, or one that its metadata lists; options as ``Bus.serve``."""
        self._check_open()
        self._grants.check_serve(channel.name)
        self._allowance.check_handlers(self._scope)
        server = self._scope.serve(channel, fn, **self._allowance.bound(fn, options))
        self._usage.track(server)
        return server

    async def ask(self, channel: Channel[M, R], message: M, *, to: str | None = None, timeout: float | None = 5.0) -> R:
        """Ask on a channel and return the reply; as ``Bus.ask``."""
        self._check_ask(channel)
        return await self._scope.ask(channel, message, to=to, timeout=timeout)

    async def tell(self, channel: Channel[M, Any], message: M, *, to: str | None = None) -> None:
        """Tell on a channel; as ``Bus.tell``."""
        self._check_ask(channel)
        await self._scope.tell(channel, message, to=to)

    def ask_stream(
        self, channel: Channel[M, R], message: M, *, to: str | None = None, timeout: float | None = 5.0
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Ask for many replies; as ``Bus.ask_stream``."""
        self._check_ask(channel)
        return self._scope.ask_stream(channel, message, to=to, timeout=timeout)

    async def send_message(
        self, target: str, type: str, data: Any = None, *, correlation_id: str | None = None
    ) -> None:
        """Send a message to another plugin; return when its mailbox has taken it.

        ``data`` is plain data, so that it can cross a process border.

        Raises:
            NoServer: there is no such plugin, or it takes no messages.
        """
        message = PluginMessage(self.plugin_id, target, type, data, correlation_id)
        await self.tell(message_channel(target), message, to=target)

    def on_message(self, handler: Callable[[PluginMessage], Awaitable[None] | None], **options: Any) -> Subscription:
        """Take the messages that other plugins send to this one; one handler takes them all."""
        return self.serve(message_channel(self.plugin_id), handler, **options)

    # --- work ----------------------------------------------------------------------------------------------------

    def start_soon(self, fn: Callable[..., Awaitable[object]], *arguments: Any, name: str | None = None) -> Job:
        """Run an async function in the background, at most until the plugin is destroyed.

        Raises:
            PluginLimitError: as many tasks run as may.
        """
        self._check_task()
        return self._scope.start_soon(fn, *arguments, name=name)

    def every(self, seconds: float, fn: Callable[[], Awaitable[object]], *, name: str | None = None) -> Job:
        """Call an async function again and again, ``seconds`` after it last returned; a failing call ends it.

        Raises:
            PluginLimitError: as many tasks run as may.
        """
        self._check_task()
        return self._scope.every(seconds, fn, name=name)

    def add_cleanup(self, fn: Callable[[], Any]) -> None:
        """Call ``fn``, plain or async, once tasks and handlers have ended; the last added is called first."""
        self._check_open()
        self._scope.add_cleanup(fn)

    # --- what is there -------------------------------------------------------------------------------------------

    @property
    def grid(self) -> GridAccess:
        """The grid: reading needs the permission ``grid.read``, changing ``grid.write``."""
        from gridbus.plugins.grid_access import GridAccess  # brings the types of the grid's channels, for those who ask

        return GridAccess(self)

    @property
    def storage(self) -> PluginStorage:
        """The plugin's own key-value store; needs the permission ``storage``."""
        self._check_storage()
        if self._store is None:
            raise PluginStateError(
                f"plugin {self.plugin_id!r} finds no storage: give the manager one, PluginManager(bus, storage=...)",
                self.plugin_id,
            )
        inner = self._store.namespace(self.plugin_id, quota=self._allowance.limits.max_storage_bytes)
        return OwnStorage(inner, self._allowance, self._check_storage)

    def get_storage(self) -> PluginStorage:
        """Return ``storage``."""
        return self.storage

    def has_permission(self, kind: PermissionKind | str, target: str = "*") -> bool:
        """Tell whether a permission was granted."""
        return self._grants.allows(kind, target)

    async def request_permission(self, permission: Permission | str) -> bool:
        """Ask whoever grants permissions for one more; return whether it is there now.

        Each is asked for once, and the answer remembered. Files and threads come with the next start of a process.
        """
        self._check_open()
        wanted = as_permission(permission)
        if not self._grants.permissions.covers(wanted):
            self._grants.extend(await self._request(wanted))
        return self._grants.permissions.covers(wanted)

    async def connect(self, host: str, port: int, *, timeout: float = 10.0) -> socket.socket:
        """Return a connected TCP socket, which does not block; needs the permission ``net:host:port``.

        Where the plugin runs in a process of its own, this is its only way to the network: the application connects,
        and hands over the connection.

        Raises:
            OSError: the host cannot be reached.
            TimeoutError: not within ``timeout`` seconds.
        """
        self._check_open()
        self._grants.check(PermissionKind.NET, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        return await self._connector(host, port, timeout)

    async def resource_usage(self) -> ResourceUsage:
        """Return what the plugin uses now and has done since it was initialized."""
        stored = 0 if self._store is None else await self._store.usage(self.plugin_id)
        return self._usage.read(self._scope, self._allowance.rate, stored)

    def observed_health(self) -> PluginHealth:
        """Return what can be seen from outside: a warning where something failed lately, else healthy."""
        return self._troubles.health()

    # --- within the house ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Make each verb raise from now on; called when the plugin is gone."""
        self._closed = True
        self._publishable.clear()
        self._grants.let_go()
        self._usage.close()

    @property
    def granted(self) -> tuple[Permission, ...]:
        """What the plugin was granted."""
        return tuple(self._grants.permissions)

    def relay(self, subject: Any, carrier: Carrier, **options: Any) -> tuple[Subscription, RelayWorker]:
        """Subscribe a handler that runs elsewhere, with the checks of ``on``; as ``Bus.relay``."""
        self._check_handler(PermissionKind.SUBSCRIBE, subscribed_target(subject))
        subscription, worker = self._scope.relay(subject, carrier, **options)
        self._usage.track(subscription)
        self._grants.hold(PermissionKind.SUBSCRIBE, subscribed_target(subject), subscription)
        return subscription, worker

    def served(self, name: str, to: str | None = None) -> Channel[Any, Any]:
        """Return a channel as it is served; as ``Bus.served``."""
        self._check_open()
        return self._scope.bus.served(name, to)

    def expected_types(self, topic: str) -> tuple[Any, ...]:
        """Return the payload types that those who hear a topic declare; as ``Bus.expected_types``."""
        return self._scope.bus.expected_types(topic)

    def replace_grants(self, granted: Iterable[Permission]) -> None:
        """Grant this and nothing else from now on; what is open and needs more is closed."""
        self._grants.replace(granted)

    def _check_open(self) -> None:
        if self._closed:
            plugin_id = self.plugin_id
            raise PluginStateError(f"plugin {plugin_id!r} was destroyed, and its context can do no more", plugin_id)

    def _check_storage(self) -> None:
        self._check_open()
        self._grants.check(PermissionKind.STORAGE)

    def _check_handler(self, kind: PermissionKind, target: str) -> None:
        self._check_open()
        self._grants.check(kind, target)
        self._allowance.check_handlers(self._scope)

    def _check_task(self) -> None:
        self._check_open()
        self._allowance.check_tasks(self._scope)

    def _check_ask(self, channel: Channel[Any, Any]) -> None:
        self._check_open()
        self._grants.check_ask(channel)

    def _check_publish(self, topic: str) -> None:
        self._check_open()
        self._grants.check_publish(topic)
