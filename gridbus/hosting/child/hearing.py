"""What a plugin hears in its own process: subscriptions, streams, interceptors; the application has the routes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from typing import Any

from gridbus.bus import Bus, EventStream, Middleware, Overflow, Subscription
from gridbus.bus.activity import Activity
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.options import Options
from gridbus.bus.routes import predicate, subject_name
from gridbus.clock import Clock
from gridbus.errors import PeerGone, SubscriptionError
from gridbus.events import Event, Topic
from gridbus.hosting.child.guarding import Guards
from gridbus.hosting.child.inlet import Inlet
from gridbus.hosting.child.payloads import PayloadTypes
from gridbus.hosting.child.reading import ChildStream
from gridbus.hosting.child.reporting import ChildReporter
from gridbus.hosting.child.windows import WINDOW, overflow_there, window_of
from gridbus.hosting.protocol import Done, Subscribe
from gridbus.isolation.wire import Frame, Kind, Peer, type_path


class Hearing(Bus):
    """Puts what the application sends into mailboxes, and tells it what became of that.

    Mailboxes, workers, time-outs and paces are here, those of ``Bus``; routes and order are there.
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
        self._guards = Guards(self._types)

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

    def hurry(self, inlet: Inlet) -> None:
        """Let an inlet report at once."""
        inlet.report()
        self._peer.flush()

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
        live: bool = True,
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
