"""Where the events of one subscription come into a plugin's process, and where is kept what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from gridbus.bus.mailbox import Mailbox
from gridbus.bus.receipt import Receipt
from gridbus.errors import EventDropped, HandlerError, PayloadTooLarge
from gridbus.events import Event, Origin, Topic
from gridbus.events import Trace as BusTrace
from gridbus.hosting.child.failures import failure_of
from gridbus.hosting.child.payloads import PayloadTypes
from gridbus.hosting.protocol import Done, Failure, Occurrence
from gridbus.isolation.wire import unpack

_read = msgspec.msgpack.Decoder(Occurrence).decode
_NO_TOPIC: Topic[Any] = Topic("no:topic")
_EAGER = 64  # events after which a report does not wait for the end of the tick
_FAILURES_PER_FRAME = 3  # each may hold 10 KB of text, and a frame 64

Handler = Callable[[Any], Awaitable[object]]


class Outlet(Protocol):
    """Sends what inlets have to tell."""

    def post(self, inlet: Inlet, /) -> None:
        """Ask ``inlet`` for its report before this tick of the loop is over."""

    def send_done(self, number: int, done: Done, /) -> None:
        """Send a report."""

    def hurry(self, inlet: Inlet, /) -> None:
        """Let ``inlet`` report at once."""


class _Ticket(Receipt):
    """Stands in a mailbox for one event until it is known what becomes of it."""

    __slots__ = ("_inlet", "_seq")

    def __init__(self, inlet: Inlet, seq: int) -> None:  # no future: nobody awaits a ticket
        self._inlet, self._seq = inlet, seq
        self.pending = 0

    def settle(self, error: Exception | None = None) -> None:
        """Tell the inlet."""
        self._inlet.settle(self._seq, error)


class Working(Protocol):
    """A worker, as far as an inlet knows it."""

    @property
    def cell(self) -> Any:
        """What it does now."""
        ...

    @property
    def latency(self) -> Any:
        """How long its calls took."""
        ...


class Inlet:
    """Puts events into a mailbox, and tells the application when the plugin is done with them.

    Where events are handled one after the other in the order they came, what is done is what came less what is still
    there: nothing is kept per event. Otherwise each has a ticket in its mailbox, as a publisher's receipt would be.
    """

    __slots__ = (
        "_declared",
        "_done",
        "_failures",
        "_origin",
        "_outlet",
        "_reported",
        "_reported_ns",
        "_reported_skips",
        "_skipped",
        "_topic",
        "_types",
        "_until_eager",
        "came",
        "is_due",
        "is_tracked",
        "mailbox",
        "number",
        "workers",
    )

    mailbox: Mailbox

    def __init__(self, number: int, declared: Any, types: PayloadTypes, outlet: Outlet, *, is_tracked: bool) -> None:
        self.number, self.is_tracked = number, is_tracked
        self._declared, self._types, self._outlet = declared, types, outlet
        self._origin = Origin("", "")  #: the one seen last, as the next is often from there too
        self._topic: tuple[Topic[Any], str | None] = (_NO_TOPIC, None)  #: likewise
        self.workers: tuple[Working, ...] = ()
        self.came = 0  #: events that the mailbox has to account for
        self.is_due = False  #: a report is on its way
        self._reported = self._reported_ns = self._reported_skips = self._skipped = 0
        self._done: list[int] = []  #: numbers, where each has a ticket
        self._failures: list[Failure] = []
        self._until_eager = _EAGER

    def around(self, handler: Handler) -> Handler:
        """Return the handler with a look at what is done after each call."""
        if self.is_tracked:
            return handler

        async def call(event: Any) -> None:
            await handler(event)
            if not self.is_due:
                self.post()
            self._until_eager -= 1
            if not self._until_eager:  # in the middle of a burst: the application goes on meanwhile
                self._until_eager = _EAGER
                self._outlet.hurry(self)

        return call

    def post(self) -> None:
        """See to it that a report goes out in this tick of the loop."""
        if not self.is_due:
            self.is_due = True
            self._outlet.post(self)

    # --- in ------------------------------------------------------------------------------------------------------

    def take(self, data: msgspec.Raw) -> None:
        """Take an event as it came in."""
        came = _read(data)
        event = self._event(came)
        if event is None:
            return
        mailbox = self.mailbox
        if self.is_tracked:
            self._take_tracked(event)
        elif mailbox.gated:  # a stream: nobody waits for a particular event
            self.came += 1
            if mailbox.wants(event):
                mailbox.admit(event)
            elif not mailbox.sealed:
                self._skipped += 1
            self.post()
        elif not mailbox.sealed:
            self.came += 1
            mailbox.items.append(event)  # the window is never larger than the mailbox
            if mailbox.sleepers:
                mailbox.wake()

    def show(self, data: msgspec.Raw) -> Event[Any] | None:
        """Return an event that is done with when it was seen; None where it cannot be read."""
        came = _read(data)
        event = self._event(came)
        if event is not None:
            self._done.append(came.seq)
            self.post()
        return event

    def _event(self, came: Occurrence) -> Event[Any] | None:
        trace = came.trace
        try:
            topic, path = self._topic
            if topic != came.topic or path != came.type:
                topic = self._types.topic(came.topic, came.type, self._declared)
                self._topic = (topic, came.type)
            payload = unpack(came.payload, topic.payload_type)
        except Exception as error:  # what cannot be read is told, and the others go on
            self.came += 1
            self.fail(came.seq, error)
            return None
        origin = self._origin
        if origin.source != came.source or origin.bus != came.bus:
            origin = self._origin = Origin(came.bus, came.source)
        return Event(
            topic,
            payload,
            came.seq,
            came.at_ns,
            origin,
            None if trace is None else BusTrace(trace.correlation_id, trace.causation_id, trace.hops),
        )

    def _take_tracked(self, event: Event[Any]) -> None:
        mailbox = self.mailbox
        before = len(self._failures)
        if mailbox.wants(event):
            mailbox.track(event, _Ticket(self, event.seq))
            mailbox.admit(event)
        elif len(self._failures) == before:  # it was refused; otherwise the predicate raised, which was told
            self._skipped += 1
            self._done.append(event.seq)
            self.post()

    # --- out -----------------------------------------------------------------------------------------------------

    def fail(self, seq: int, error: BaseException) -> None:
        """Note that an event's handler failed."""
        self._failures.append(failure_of(seq, error))
        self.post()

    def settle(self, seq: int, error: Exception | None) -> None:
        """Note that an event with a ticket is handled or skipped; that it failed is told by ``fail``."""
        if isinstance(error, HandlerError):
            return
        if isinstance(error, EventDropped):
            self._skipped += 1
        self._done.append(seq)
        self.post()

    def report(self) -> None:
        """Tell the application what is done since the last report."""
        self.is_due = False
        failures, self._failures = self._failures, []
        send, number = self._outlet.send_done, self.number
        for start in range(0, len(failures), _FAILURES_PER_FRAME):
            part = tuple(failures[start : start + _FAILURES_PER_FRAME])
            try:
                send(number, _failed(part))
            except PayloadTooLarge:  # most of it is no ASCII
                for failure in part:
                    send(number, _failed((msgspec.structs.replace(failure, traceback=""),)))
        skipped, self._skipped = self._skipped, 0
        if self._done:
            done, self._done = tuple(self._done), []
            send(number, Done(len(done), done, (), skipped, self._busy()))
            return
        if self.is_tracked:
            return
        mailbox = self.mailbox
        left = mailbox.depth
        for worker in self.workers:
            left += worker.cell.event is not None
        gone = self.came - left
        count = gone - self._reported
        self._reported = gone
        skipped += mailbox.replaced - self._reported_skips
        self._reported_skips = mailbox.replaced
        count -= len(failures)  # which were told one by one
        if count > 0:
            send(number, Done(count, None, (), skipped, self._busy()))

    def _busy(self) -> int:
        total = sum(worker.latency.total_ns for worker in self.workers)
        busy, self._reported_ns = total - self._reported_ns, total
        return int(busy)


def _failed(failures: tuple[Failure, ...]) -> Done:
    return Done(len(failures), tuple(failure.seq for failure in failures), failures)
