"""The bus in a plugin's process: the same verbs, and what they are about is in the application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NoReturn, TypeVar

import anyio

from gridbus.bus import Subscription
from gridbus.bus.ask import RequestMailbox
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.options import Options
from gridbus.channels import Channel
from gridbus.clock import Clock
from gridbus.errors import AskTimeout, BusError
from gridbus.events import Event, Origin, Topic
from gridbus.hosting.child.causes import cause_here
from gridbus.hosting.child.hearing import Hearing
from gridbus.hosting.child.serving import Servers
from gridbus.hosting.protocol import Ask, Publish, Published, type_name
from gridbus.hosting.traces import bus_trace
from gridbus.isolation.wire import Peer, pack, type_path, unpack

T = TypeVar("T")
M = TypeVar("M")
R = TypeVar("R")

_LATE = 1.0  # seconds after which a time-out that the application keeps is kept here as well


class ChildBus(Hearing):
    """Hears what the application sends, and publishes, asks and serves by way of it."""

    def __init__(self, peer: Peer, *, clock: Clock | None = None) -> None:
        super().__init__(peer, clock=clock)
        self._servers_here = Servers(self)

    @property
    def servers(self) -> Servers:
        """What answers the requests that come in."""
        return self._servers_here

    # --- publishing and asking -----------------------------------------------------------------------------------

    async def publish(self, topic: Topic[T], payload: T, *, source: str | None = None) -> Event[T]:
        """Publish a fact; as ``Bus.publish``."""
        self._check_open()
        return self._published(topic, payload, source, await self._peer.call("publish", self._publish(topic, payload)))

    def publish_nowait(self, topic: Topic[T], payload: T, *, source: str | None = None) -> Event[T]:
        """Publish a fact without waiting for room; as ``Bus.publish_nowait``."""
        self._check_open()
        return self._published(
            topic, payload, source, self._peer.call_now("publish_nowait", self._publish(topic, payload))
        )

    async def publish_and_wait(self, topic: Topic[T], payload: T, *, source: str | None = None) -> Event[T]:
        """Refuse: plugins do not wait for each other's handlers."""
        _only_there("publish_and_wait")

    async def propose(
        self, topic: Topic[T], draft: T, commit: Callable[[T], T], *, source: str | None = None
    ) -> Event[T]:
        """Refuse: what is committed to belongs to the application."""
        _only_there("propose")

    def trace(self, see: Callable[[Event[Any]], object]) -> Callable[[], None]:
        """Refuse: not all that is published is a plugin's business."""
        _only_there("trace")

    def serve(self, channel: Channel[M, R], fn: Any, *, owner: str = "app", **options: Any) -> Subscription:
        """Answer on a channel; as ``Bus.serve``."""
        self._check_open()
        return self._servers_here.open(next(self._line), channel, fn, owner, Options(**options))

    async def ask(
        self,
        channel: Channel[M, R],
        message: M,
        *,
        to: str | None = None,
        timeout: float | None = 5.0,
        source: str | None = None,
    ) -> R:
        """Ask, and return the reply; as ``Bus.ask``."""
        ask = self._ask(channel, message, to, timeout)
        late = None if timeout is None else timeout + _LATE
        packed: bytes | None = None
        with anyio.move_on_after(late):
            packed = await self._peer.call("ask", ask)
        if packed is None:
            raise AskTimeout(f"{channel.name} was not answered within {timeout:g} s")
        reply = unpack(packed, channel.reply_type)
        if not isinstance(reply, channel.reply_check):
            raise channel.wrong_reply(reply)
        return reply  # type: ignore[no-any-return]

    async def tell(
        self, channel: Channel[M, Any], message: M, *, to: str | None = None, source: str | None = None
    ) -> None:
        """Tell; as ``Bus.tell``."""
        await self._peer.call("tell", self._ask(channel, message, to, None))

    def ask_stream(
        self,
        channel: Channel[M, R],
        message: M,
        *,
        to: str | None = None,
        timeout: float | None = 5.0,
        source: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Ask for many replies; as ``Bus.ask_stream``."""
        return self._ask_stream(channel, self._ask(channel, message, to, timeout))

    # --- for servers ---------------------------------------------------------------------------------------------

    def request_mailbox(
        self, name: str, owner: str, channel: Channel[Any, Any], options: Options, *, is_stream: bool
    ) -> RequestMailbox:
        """Return a mailbox for requests; it is in the application that they wait."""
        mailbox = RequestMailbox(
            name, owner, channel, options, is_stream=is_stream, activity=self._activity, reporter=self._reporter
        )
        mailbox.capacity = max(mailbox.capacity, options.concurrency)
        return mailbox

    def start(
        self,
        subject: str,
        mailbox: Mailbox,
        handler: Callable[[Any], Awaitable[object]],
        options: Options,
        remove: Callable[[Subscription], None],
    ) -> Subscription:
        """Start the workers of a server."""

        def forget(subscription: Subscription) -> None:
            self._servers.pop(subscription, None)
            remove(subscription)

        subscription = self._start(subject, mailbox, handler, options, self._entering, forget)
        self._servers[subscription] = None
        return subscription

    def number_of(self, mailbox: Mailbox, number: int | None) -> None:
        """Remember the number of a mailbox, or forget it where that is None."""
        if number is None:
            self._numbers.pop(mailbox, None)
        else:
            self._numbers[mailbox] = number

    # --- within --------------------------------------------------------------------------------------------------

    def _publish(self, topic: str, payload: Any) -> Publish:
        topic = topic if isinstance(topic, Topic) else Topic(topic)
        return Publish(str(topic), pack(payload), type_path(type(payload)), cause_here(self._numbers))

    def _published(self, topic: Any, payload: Any, source: str | None, published: Published) -> Event[Any]:
        topic = topic if isinstance(topic, Topic) else Topic(topic)
        origin = Origin(published.bus, source or "app")
        if published.payload is not None:
            payload = unpack(published.payload, topic.payload_type)
        return Event(topic, payload, published.seq, published.at_ns, origin, bus_trace(published.trace))

    def _ask(self, channel: Channel[Any, Any], message: Any, to: str | None, timeout: float | None) -> Ask:
        self._check_open()
        if not isinstance(message, channel.message_check):
            raise channel.wrong_message(message)
        message_type, reply_type = type_name(channel.message_type), type_name(channel.reply_type)
        return Ask(channel.name, pack(message), message_type, reply_type, to, timeout, cause_here(self._numbers))

    @asynccontextmanager
    async def _ask_stream(self, channel: Channel[Any, R], ask: Ask) -> AsyncIterator[AsyncIterator[R]]:
        async def read(items: AsyncIterator[bytes]) -> AsyncIterator[R]:
            async for item in items:
                yield unpack(item, channel.reply_type)

        async with self._peer.stream("ask_stream", ask) as items:
            yield read(items)


def _only_there(verb: str) -> NoReturn:
    raise BusError(f"{verb} is for the application itself: this plugin runs in a process of its own")
