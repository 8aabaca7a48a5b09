"""What a plugin's process may call in the application: each call goes through the plugin's own context."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from gridbus.bus.cell import acting_for
from gridbus.errors import PluginStateError
from gridbus.events import Event, Topic
from gridbus.hosting.parent.relays import Relays
from gridbus.hosting.parent.typing_of import agreed, chosen, message_type
from gridbus.hosting.protocol import Ask, Cause, Connect, Publish, Published, Store, Subscribe
from gridbus.hosting.traces import Effects, bus_trace, wire_trace
from gridbus.isolation.wire import pack, unpack
from gridbus.plugins import PluginContext


class Descriptors(Protocol):
    """Sends open descriptors into the plugin's process."""

    def __call__(self, descriptor: int, /) -> None:
        """Send one; raises ``OSError`` where the process takes none."""


class Calls:
    """Answers the calls of one process."""

    def __init__(self, ctx: PluginContext, relays: Relays, pass_descriptor: Descriptors) -> None:
        self._ctx, self._relays, self._pass = ctx, relays, pass_descriptor

    def handlers(self) -> Mapping[str, Callable[..., Any]]:
        """Return what answers each method of ``protocol.IN_APPLICATION``."""
        return {
            "subscribe": self.subscribe,
            "unsubscribe": self.unsubscribe,
            "publish": self.publish,
            "publish_nowait": self.publish_nowait,
            "ask": self.ask,
            "tell": self.tell,
            "ask_stream": self.ask_stream,
            "store": self.store,
            "stored": self.stored,
            "request_permission": self.request_permission,
            "connect": self.connect,
        }

    def subscribe(self, wanted: Subscribe, info: Any) -> None:
        """Open a subscription, server or interceptor."""
        self._relays.subscribe(wanted)

    def unsubscribe(self, number: int, info: Any) -> int:
        """Close one."""
        return self._relays.unsubscribe(number)

    async def publish(self, publish: Publish, info: Any) -> Published:
        """Publish an event."""
        topic, payload = self._payload(publish)
        with self._caused(publish.cause):
            return _published(await self._ctx.publish(topic, payload), payload)

    def publish_nowait(self, publish: Publish, info: Any) -> Published:
        """Publish an event without waiting."""
        topic, payload = self._payload(publish)
        with self._caused(publish.cause):
            return _published(self._ctx.publish_nowait(topic, payload), payload)

    async def ask(self, ask: Ask, info: Any) -> bytes:
        """Ask on a channel."""
        channel, message = self._message(ask)
        with self._caused(ask.cause):
            return pack(await self._ctx.ask(channel, message, to=ask.to, timeout=ask.timeout))

    async def tell(self, ask: Ask, info: Any) -> None:
        """Tell on a channel."""
        channel, message = self._message(ask)
        with self._caused(ask.cause):
            await self._ctx.tell(channel, message, to=ask.to)

    async def ask_stream(self, ask: Ask, info: Any) -> AsyncIterator[bytes]:
        """Ask for many replies."""
        channel, message = self._message(ask)
        with self._caused(ask.cause):
            async with self._ctx.ask_stream(channel, message, to=ask.to, timeout=ask.timeout) as replies:
                async for reply in replies:
                    yield pack(reply)

    async def store(self, store: Store, info: Any) -> Any:
        """Read or write the plugin's own storage."""
        storage = self._ctx.storage
        match store.verb:
            case "get":
                missing = object()
                value = await storage.get(store.key, object, missing)
                return None if value is missing else pack(value)
            case "set":
                await storage.set(store.key, unpack(store.value or b"\xc0", object))
                return None
            case "delete":
                return await storage.delete(store.key)
            case "clear":
                return await storage.clear()
            case "keys":
                return await storage.keys(store.key)
            case "size":
                return await storage.size()
        raise PluginStateError(f"storage cannot {store.verb!r}", self._ctx.plugin_id)

    async def stored(self, nothing: None, info: Any) -> int:
        """Return the bytes in the plugin's storage."""
        return (await self._ctx.resource_usage()).storage_bytes

    async def request_permission(self, permission: str, info: Any) -> tuple[str, ...]:
        """Ask whoever grants permissions for one more; return all that is granted."""
        await self._ctx.request_permission(permission)
        return tuple(map(str, self._ctx.granted))

    async def connect(self, connect: Connect, info: Any) -> None:
        """Connect for the plugin, and pass it the connection."""
        connected: socket.socket = await self._ctx.connect(connect.host, connect.port, timeout=connect.timeout)
        with connected:
            self._pass(connected.fileno())

    # --- within --------------------------------------------------------------------------------------------------

    def _payload(self, publish: Publish) -> tuple[Topic[Any], Any]:
        kind = chosen(self._ctx.expected_types(publish.topic), publish.type)
        topic: Topic[Any] = Topic(publish.topic, kind)
        return topic, unpack(publish.payload, kind)

    def _message(self, ask: Ask) -> tuple[Any, Any]:
        served = agreed(self._ctx.served(ask.channel, ask.to), ask.message_type, ask.reply_type)
        return served, unpack(ask.message, message_type(served))

    def _caused(self, cause: Cause | None) -> AbstractContextManager[None]:
        """Let what is done here have the plugin's event or request as its cause."""
        if cause is None:
            return nullcontext()
        event = self._relays.event_of(cause.subscription, cause.seq)
        if event is None and cause.trace is not None:
            event = Effects(bus_trace(cause.trace))
        return acting_for(event, self._relays.worker_of(cause.subscription, cause.seq))


def _published(event: Event[Any], payload: Any) -> Published:
    changed = None if event.payload is payload else pack(event.payload)
    return Published(event.seq, event.at_ns, event.origin.bus, wire_trace(event.trace), changed)
