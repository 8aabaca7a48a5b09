"""The bus in a plugin's process: the same verbs, and what they are about is in the application."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import count
from typing import Any, NoReturn, TypeVar

import anyio

from gridbus.bus import Bus, EventStream, Middleware, Overflow, Subscription
from gridbus.bus.activity import Activity
from gridbus.bus.ask import RequestMailbox
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.options import Options
from gridbus.bus.routes import predicate, subject_name
from gridbus.channels import Channel
from gridbus.clock import Clock
from gridbus.errors import AskTimeout, BusError, PeerGone, SubscriptionError
from gridbus.events import Event, Origin, Topic
from gridbus.hosting.child.causes import bus_trace, cause_here
from gridbus.hosting.child.guarding import Guards
from gridbus.hosting.child.inlet import Inlet
from gridbus.hosting.child.payloads import PayloadTypes
from gridbus.hosting.child.reading import ChildStream
from gridbus.hosting.child.reporting import ChildReporter
from gridbus.hosting.child.serving import Servers
from gridbus.hosting.child.windows import WINDOW, overflow_there, window_of
from gridbus.hosting.protocol import Ask, Done, Publish, Published, Subscribe
from gridbus.isolation.wire import Frame, Kind, Peer, pack, type_path, unpack

T = TypeVar("T")
M = TypeVar("M")
R = TypeVar("R")

_LATE = 1.0  # seconds after which a time-out that the application keeps is kept here as well


class ChildBus(Bus):
    """Hears what the application sends, and publishes, asks and serves by way of it.

    Mailboxes, workers, time-outs and paces are here, those of ``Bus``; routes, order and servers are there.
    """

    def __init__(self, peer: Peer, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock, id="child", hop_limit=sys.maxsize)  # the application keeps its own limit
        self._peer = peer
        self._line = count(1)
        self._types = PayloadTypes()
        self._inlets: dict[int, Inlet] = {}
        self._numbers: dict[Mailbox, int] = {}
        self._waiting: dict[int, Callable[[Frame], object]] = {}
        self._due: list[Inlet] = []
        self._collected: list[Subscribe] | None = None
        self.is_ending = False  #: the application closes what is open itself
        self.reports = ChildReporter(peer, self._inlet_of, self.clock)
        self._reporter = self.reports
        self._failing = self.reports.handler_failed
        self._servers_here, self._guards = Servers(self), Guards(self._types)

    # --- what the session needs ----------------------------------------------------------------------------------

    @property
    def servers(self) -> Servers:
        """What answers the requests that come in."""
        return self._servers_here

    @property
    def guards(self) -> Guards:
        """What looks at the drafts that come in."""
        return self._guards

    def collect(self) -> None:
        """Keep subscriptions to oneself from now on, until they go out together."""
        self._collected = []

    def collected(self) -> tuple[Subscribe, ...]:
        """Return what was kept, and tell the application of each further one at once."""
        collected, self._collected = self._collected or [], None
        return tuple(collected)

    def take(self, frame: Frame) -> None:
        """Take a frame with an event; of a subscription that was closed nobody wants it any more."""
        inlet = self._inlets.get(frame.id)
        if inlet is not None:
            inlet.take(frame.payload)
        elif frame.id in self._waiting:
            self._waiting[frame.id](frame)

    def post(self, inlet: Inlet) -> None:
        """Ask an inlet for its report before this tick of the loop is over."""
        self._due.append(inlet)
        if len(self._due) == 1:
            asyncio.get_running_loop().call_soon(self._report)

    def send_done(self, number: int, done: Done) -> None:
        """Send a report."""
        self._peer.send(Kind.DONE, number, done)

    async def aclose(self, *, grace: float = 5.0) -> int:
        """Close; as ``Bus.aclose``. The application closes its end by itself."""
        self.is_ending = True
        return await super().aclose(grace=grace)

    # --- hearing -------------------------------------------------------------------------------------------------

    def on(
        self,
        subject: Any,
        handler: Callable[[Any], object],
        *,
        owner: str = "app",
        name: str | None = None,
        middleware: Iterable[Middleware] = (),
        where: Callable[[Event[Any]], object] | None = None,
        **options: Any,
    ) -> Subscription:
        """Subscribe; as ``Bus.on``."""
        in_order = (
            where is None
            and isinstance(subject, str)
            and options.get("concurrency", 1) == 1
            and options.get("pace") is None
            and options.get("overflow") is not Overflow.COALESCE
        )
        inlet = self._new_inlet(subject, is_tracked=not in_order)
        subscription = super().on(
            subject, handler, owner=owner, name=name, middleware=(inlet.around, *middleware), where=where, **options
        )
        checked = Options(**options)
        inlet.workers = subscription.workers
        self._connect(inlet, subscription.mailbox, checked)
        try:
            self.announce(_wanted(inlet.number, subject, subscription.mailbox, checked))
        except BaseException:
            self._disconnect(subscription.mailbox)
            subscription.close()
            raise
        return subscription

    def stream(
        self,
        subject: Any,
        *,
        owner: str = "app",
        where: Callable[[Event[Any]], object] | None = None,
        **options: Any,
    ) -> EventStream[Any]:
        """Return events as an iterator; as ``Bus.stream``."""
        self._check_open()
        topic = subject_name(subject)
        checked = Options(where=predicate(subject, where), **options)
        if checked.concurrency > 1 or checked.timeout is not None or checked.pace is not None:
            raise SubscriptionError("a stream has no handler: leave concurrency, timeout and pace to subscriptions")
        mailbox = Mailbox("stream", owner, topic, checked, activity=Activity(), reporter=self._reporter)
        inlet = self._new_inlet(subject, is_tracked=False)

        def add(stream: EventStream[Any]) -> None:
            self._connect(inlet, mailbox, checked)
            try:
                self.announce(_wanted(inlet.number, subject, mailbox, checked, is_stream=True))
            except BaseException:
                self._disconnect(mailbox)
                raise

        def remove(stream: EventStream[Any]) -> None:
            self._leave(mailbox)

        return ChildStream(topic, mailbox, inlet, order=inlet.number, add=add, remove=remove)

    async def wait_for(
        self, subject: Any, where: Callable[[Event[Any]], object] | None = None, timeout: float | None = None
    ) -> Event[Any]:
        """Return the next event that matches; as ``Bus.wait_for``."""
        self._check_open()
        name = subject_name(subject)
        meets = predicate(subject, where)
        inlet = self._new_inlet(subject, is_tracked=True)
        found: asyncio.Future[Event[Any]] = asyncio.get_running_loop().create_future()

        def see(frame: Frame) -> None:
            event = inlet.show(frame.payload)
            if event is None or found.done():
                return
            try:
                if meets is None or meets(event):
                    found.set_result(event)
            except Exception as error:
                found.set_exception(error)

        self._waiting[inlet.number] = see
        payload = _declared_path(subject)
        wanted = Subscribe(
            inlet.number, "on", _path_of(subject), f"wait for {name}", isinstance(subject, type), payload,
            is_stream=True, window=WINDOW,
        )  # fmt: skip

        def expire() -> None:
            if not found.done():
                found.set_exception(TimeoutError(f"no {name} came within {timeout:g} s"))

        timer = None if timeout is None else self.clock.call_later(timeout, expire)
        try:
            await self._peer.call("subscribe", wanted)
            return await found
        finally:
            if timer is not None:
                timer.cancel()
            del self._waiting[inlet.number]
            self.unsubscribe(inlet.number)

    def intercept(
        self,
        topic: str,
        fn: Callable[[Any], object],
        *,
        priority: int = 0,
        owner: str = "app",
        timeout: float = 5.0,
    ) -> Any:
        """Let ``fn`` see drafts; as ``Bus.intercept``."""
        self._check_open()
        number = next(self._line)
        interceptor = self._guards.add(
            number, topic, fn, priority=priority, owner=owner, timeout=timeout, remove=self.unsubscribe
        )
        try:
            self.announce(
                Subscribe(
                    number,
                    "intercept",
                    str(topic),
                    interceptor.name,
                    payload=_declared_path(topic),
                    timeout=timeout,
                    priority=priority,
                )
            )
        except BaseException:
            self._guards.forget(number)
            raise
        return interceptor

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
        try:
            with anyio.fail_after(late) as scope:
                reply = unpack(await self._peer.call("ask", ask), channel.reply_type)
        except TimeoutError:
            if not scope.cancelled_caught:
                raise
            raise AskTimeout(f"{channel.name} was not answered within {timeout:g} s") from None
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

    # --- for the parts of this bus -------------------------------------------------------------------------------

    def announce(self, wanted: Subscribe) -> None:
        """Tell the application of a subscription, or keep it where they are collected.

        Raises:
            BusError, PluginError, ChannelError: as the application says.
        """
        if self._collected is not None:
            self._collected.append(wanted)
        else:
            self._peer.call_now("subscribe", wanted)

    def unsubscribe(self, number: int) -> None:
        """Tell the application that something was closed."""
        if self._collected is not None:
            self._collected = [wanted for wanted in self._collected if wanted.number != number]
        if self.is_ending:
            return  # it closes all of it
        with suppress(PeerGone):
            self._peer.call_now("unsubscribe", number)

    def request_mailbox(self, name: str, owner: str, topic: str, options: Options) -> RequestMailbox:
        """Return a mailbox for requests; it is in the application that they wait."""
        mailbox = RequestMailbox(name, owner, topic, options, activity=self._activity, reporter=self._reporter)
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

        subscription = self._start(subject, mailbox, handler, options, forget)
        self._servers[subscription] = None
        return subscription

    def number_of(self, mailbox: Mailbox, number: int | None) -> None:
        """Remember the number of a mailbox, or forget it where that is None."""
        if number is None:
            self._numbers.pop(mailbox, None)
        else:
            self._numbers[mailbox] = number

    # --- within --------------------------------------------------------------------------------------------------

    def _new_inlet(self, subject: Any, *, is_tracked: bool) -> Inlet:
        declared = subject.payload_type if isinstance(subject, Topic) else object
        return Inlet(next(self._line), declared, self._types, self, is_tracked=is_tracked)

    def _connect(self, inlet: Inlet, mailbox: Mailbox, options: Options) -> None:
        mailbox.capacity = max(mailbox.capacity, window_of(options))
        inlet.mailbox = mailbox
        self._inlets[inlet.number] = inlet
        self._numbers[mailbox] = inlet.number

    def _disconnect(self, mailbox: Mailbox) -> int | None:
        number = self._numbers.pop(mailbox, None)
        if number is not None:
            self._inlets.pop(number, None)
        return number

    def _leave(self, mailbox: Mailbox) -> None:
        number = self._disconnect(mailbox)
        if number is not None:
            self.unsubscribe(number)

    def _forget(self, subscription: Subscription) -> None:
        super()._forget(subscription)
        self._leave(subscription.mailbox)

    def _inlet_of(self, mailbox: Mailbox) -> Inlet | None:
        number = self._numbers.get(mailbox)
        return None if number is None else self._inlets.get(number)

    def _report(self) -> None:
        due, self._due = self._due, []
        for inlet in due:
            inlet.report()

    def _publish(self, topic: str, payload: Any) -> Publish:
        topic = topic if isinstance(topic, Topic) else Topic(topic)
        return Publish(str(topic), pack(payload), type_path(type(payload)), cause_here(self._numbers))

    def _published(self, topic: Any, payload: Any, source: str | None, published: Published) -> Event[Any]:
        topic = topic if isinstance(topic, Topic) else Topic(topic)
        origin = Origin(published.bus, source or "app")
        return Event(topic, payload, published.seq, published.at_ns, origin, bus_trace(published.trace))

    def _ask(self, channel: Channel[Any, Any], message: Any, to: str | None, timeout: float | None) -> Ask:
        self._check_open()
        if not isinstance(message, channel.message_check):
            raise channel.wrong_message(message)
        message_type, reply_type = type_path(channel.message_type), type_path(channel.reply_type)
        return Ask(channel.name, pack(message), message_type, reply_type, to, timeout, cause_here(self._numbers))

    @asynccontextmanager
    async def _ask_stream(self, channel: Channel[Any, R], ask: Ask) -> AsyncIterator[AsyncIterator[R]]:
        async def read(items: AsyncIterator[bytes]) -> AsyncIterator[R]:
            async for item in items:
                yield unpack(item, channel.reply_type)

        async with self._peer.stream("ask_stream", ask) as items:
            yield read(items)


def _wanted(number: int, subject: Any, mailbox: Mailbox, options: Options, *, is_stream: bool = False) -> Subscribe:
    return Subscribe(
        number,
        "on",
        _path_of(subject),
        mailbox.name,
        not isinstance(subject, str),
        _declared_path(subject),
        is_stream=is_stream,
        capacity=options.capacity,
        overflow=overflow_there(options.overflow).value,
        block_timeout=options.block_timeout,
        concurrency=options.concurrency,
        timeout=options.timeout,
        window=window_of(options),
    )


def _path_of(subject: Any) -> str:
    """Return a topic or pattern as text, or the path of a payload type."""
    if isinstance(subject, str):
        return str(subject)
    return type_path(subject) or f"{subject.__module__}:{subject.__qualname__}"


def _declared_path(subject: Any) -> str | None:
    return type_path(subject.payload_type) if isinstance(subject, Topic) else None


def _only_there(verb: str) -> NoReturn:
    raise BusError(f"{verb} is for the application itself: this plugin runs in a process of its own")
