"""The publishing part of the bus: number an event and hand it to each mailbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gridbus.bus.cell import Cell, circle, current_cell, get_cell
from gridbus.bus.intercept import Draft, apply_all
from gridbus.bus.mailbox import Mailbox, Putter
from gridbus.bus.receipt import Receipt
from gridbus.bus.report import Reporter
from gridbus.bus.routes import Route, Routes
from gridbus.bus.stream import Tap
from gridbus.clock import Clock
from gridbus.errors import HandlerError, MailboxFull, ReentrancyError
from gridbus.events.event import Event, Origin, Trace
from gridbus.events.topic import Topic

T = TypeVar("T")

_MOST_ORIGINS = 4096


class Publisher:
    """Numbers events and hands them over; on top of it come subscribing, channels and a life, which make a ``Bus``."""

    def __init__(self, bus_id: str, clock: Clock, hop_limit: int) -> None:
        self.clock = clock
        self._id, self._hop_limit = bus_id, hop_limit
        self._time_ns = clock.time_ns
        self._seq = 0
        self._is_open = False
        self._routes = Routes(self._check_open)
        self._cache = self._routes.cache
        self._origin = Origin(bus_id, "app")
        self._origins = {"app": self._origin}
        self._reporter = Reporter(self._publish_report, clock)

    async def publish(self, topic: Topic[T], payload: T, *, source: str | None = None) -> Event[T]:
        """Publish a fact; return when each matching mailbox has taken it.

        Handlers are not waited for. Where a mailbox with ``Overflow.BLOCK`` is full, this waits for room, at most that
        subscription's ``block_timeout``; then the event is lost to it, counted, and ``bus:slow_subscriber`` is
        published. Cancelled while waiting, the mailboxes that had room have the event.

        Raises:
            BusClosed: the bus is not open.
            Vetoed, InterceptorError: an interceptor refused, or failed; nobody gets the event.
            MailboxFull: a mailbox with ``Overflow.FAIL`` is full, and nobody gets the event; or the handler that
                publishes this would have to wait for itself.
            HopLimitExceeded: handlers feed each other without end.
        """
        try:
            route = self._cache[topic]
        except KeyError:
            route = self._routes.resolve(topic)
        if route.is_special:
            return await self._publish_specially(route, payload, None, source)
        cell = get_cell()
        trace = None if cell is None else cell.trace_of_effects(self._hop_limit)
        self._seq = seq = self._seq + 1
        origin = self._origin if source is None else self._origin_of(source)
        event = Event(route.topic, payload, seq, self._time_ns(), origin, trace)
        blocked = None
        # This is _dispatch, written out: calling it would cost a publish to one subscriber a tenth.
        for box in route.boxes:
            items = box.items
            if items:
                if len(items) < box.room:
                    items.append(event)
                    continue
            elif box.room:
                items.append(event)
                if box.sleepers:
                    box.wake()
                continue
            putter = box.offer(event)
            if putter is not None:
                blocked = [putter] if blocked is None else [*blocked, putter]
        if blocked is not None:
            await self._wait_for_room(blocked)
        return event

    def publish_nowait(self, topic: Topic[T], payload: T, *, source: str | None = None) -> Event[T]:
        """Publish a fact without waiting.

        Raises:
            MailboxFull: a mailbox that must not lose events is full; nobody gets the event.
            MailboxFull: an asynchronous interceptor guards the topic, for which it would have to wait.
            BusClosed, HopLimitExceeded: as ``publish``.
        """
        route = self._cache.get(topic) or self._routes.resolve(topic)
        if route.interceptors:
            names = ", ".join(interceptor.name for interceptor in route.interceptors)
            first = route.interceptors[0].owner
            raise MailboxFull(first, 0, f"{topic} is intercepted by {names}: await publish instead")
        cell = get_cell()
        trace = None if cell is None else cell.trace_of_effects(self._hop_limit)
        origin = self._origin if source is None else self._origin_of(source)
        event = Event(route.topic, payload, self._seq + 1, self._time_ns(), origin, trace)
        for box in route.boxes:
            if len(box.items) >= box.room and box.refuses(event):
                raise MailboxFull(box.owner, box.depth, f"{topic} was not published; await publish to wait for room")
        self._seq += 1
        self._dispatch(route, event)
        return event

    async def publish_and_wait(self, topic: Topic[T], payload: T, *, source: str | None = None) -> Event[T]:
        """Publish a fact and wait until each handler is done with it.

        Raises:
            ExceptionGroup: of one ``HandlerError`` for each handler that failed, of ``EventDropped`` for each mailbox
                that lost the event.
            ReentrancyError: a handler would wait for itself; nobody gets the event.
            BusClosed, Vetoed, InterceptorError, MailboxFull, HopLimitExceeded: as ``publish``.
        """
        route = self._cache.get(topic) or self._routes.resolve(topic)
        cell = current_cell()
        for box in route.boxes:
            path = None if isinstance(box, Tap) else circle(cell, box)
            if path is not None:
                raise ReentrancyError(f"waiting for the handlers of {topic}", path)
        receipt = Receipt()
        event = await self._publish_specially(route, payload, None, source, receipt)
        receipt.settle()
        if receipt.pending:
            if cell is not None:
                cell.waiting_for = tuple(box for box in route.boxes if box.receipts and event.seq in box.receipts)
            try:
                await receipt.future
            finally:
                if cell is not None:
                    cell.waiting_for = ()
                for box in route.boxes:
                    box.receipt_of(event)
        if receipt.errors:
            failed = sum(isinstance(error, HandlerError) for error in receipt.errors)
            lost = len(receipt.errors) - failed
            raise ExceptionGroup(
                f"{topic} {event.id}: {failed} handlers failed, {lost} mailboxes lost it", receipt.errors
            )
        return event

    async def propose(
        self, topic: Topic[T], draft: T, commit: Callable[[T], T], *, source: str | None = None
    ) -> Event[T]:
        """Let interceptors see a draft, commit what they leave of it, and publish the fact that it became.

        ``commit`` is called with the draft as the interceptors left it and returns the payload of the fact. Between
        the commit and the numbering of the fact nothing else runs, so the order of commits is the order of events.

        Raises:
            Exception: whatever ``commit`` raises; nothing is published.
            BusClosed, Vetoed, InterceptorError, MailboxFull, HopLimitExceeded: as ``publish``, before the commit.
        """
        route = self._cache.get(topic) or self._routes.resolve(topic)
        if route.is_special:
            return await self._publish_specially(route, draft, commit, source)
        cell = get_cell()
        trace = None if cell is None else cell.trace_of_effects(self._hop_limit)
        payload = commit(draft)
        self._seq = seq = self._seq + 1
        origin = self._origin if source is None else self._origin_of(source)
        event = Event(route.topic, payload, seq, self._time_ns(), origin, trace)
        blocked = self._dispatch(route, event)
        if blocked is not None:
            await self._wait_for_room(blocked, is_committed=True)
        return event

    async def _publish_specially(
        self,
        route: Route,
        payload: Any,
        commit: Callable[[Any], Any] | None,
        source: str | None,
        receipt: Receipt | None = None,
    ) -> Event[Any]:
        """Publish where interceptors, mailboxes that refuse, or a waiting publisher want more than the short way."""
        trace = self._trace()
        if route.interceptors:
            draft = Draft(route.topic, payload, self._origin_of(source), trace)
            payload = await apply_all(route.interceptors, draft)
            route = self._cache.get(route.topic) or self._routes.resolve(route.topic)  # it may have changed meanwhile
        if route.failing:
            event = self._draft(route, payload, trace, source)
            for box in route.failing:
                if box.refuses(event):
                    raise MailboxFull(box.owner, box.depth, f"{route.topic} was refused")
        event = self._draft(route, payload, trace, source, commit)
        self._seq = event.seq
        blocked = self._dispatch(route, event) if receipt is None else self._dispatch_tracked(route, event, receipt)
        if blocked:
            await self._wait_for_room(blocked, is_committed=commit is not None)
        return event

    def _dispatch(self, route: Route, event: Event[Any]) -> list[Putter] | None:
        """Hand an event to each mailbox of its route; return what its publisher has to wait for."""
        blocked = None
        for box in route.boxes:  # Mailbox.put, written out: it is the whole cost of a delivery
            items = box.items
            if items:
                if len(items) < box.room:
                    items.append(event)
                    continue
            elif box.room:
                items.append(event)
                if box.sleepers:
                    box.wake()
                continue
            putter = box.offer(event)
            if putter is not None:
                blocked = [putter] if blocked is None else [*blocked, putter]
        return blocked

    def _dispatch_tracked(self, route: Route, event: Event[Any], receipt: Receipt) -> list[Putter]:
        """Hand an event over and leave a receipt in each mailbox that has handlers."""
        blocked = []
        for box in route.boxes:
            if isinstance(box, Tap) or not box.cells:
                putter = box.offer(event)
            elif box.wants(event):
                box.track(event, receipt)
                putter = box.admit(event)
            else:
                continue
            if putter is not None:
                blocked.append(putter)
        return blocked

    async def _wait_for_room(self, blocked: list[Putter], *, is_committed: bool = False) -> None:
        """Wait until each mailbox has taken the event, or its time is up.

        Where waiting would be for oneself the event is lost to that mailbox, and counted; the publisher is told,
        unless it is committed to the event and an error would make it look undone.
        """
        cell = current_cell()
        timers = [self.clock.call_later(putter.mailbox.block_timeout, putter.expire) for putter in blocked]
        own: MailboxFull | None = None
        try:
            for putter in blocked:
                mailbox = putter.mailbox
                path = circle(cell, mailbox)
                if path is not None and not putter.future.done():
                    hint = f"waiting for room would wait for oneself: {' -> '.join(path)}"
                    own = MailboxFull(mailbox.owner, mailbox.depth, hint)
                    putter.withdraw()
                else:
                    await self._wait(putter, cell, mailbox)
        finally:
            for timer in timers:
                timer.cancel()
            for putter in blocked:
                putter.withdraw()
        if own is not None and not is_committed:
            raise own

    @staticmethod
    async def _wait(putter: Putter, cell: Cell | None, mailbox: Mailbox) -> None:
        if cell is None:
            await putter.future
            return
        cell.waiting_for = (mailbox,)
        try:
            await putter.future
        finally:
            cell.waiting_for = ()

    def _draft(
        self,
        route: Route,
        payload: Any,
        trace: Trace | None,
        source: str | None,
        commit: Callable[[Any], Any] | None = None,
    ) -> Event[Any]:
        """Commit, and return the event with the next number; it counts once ``_seq`` is set to it."""
        if commit is not None:
            payload = commit(payload)
        return Event(route.topic, payload, self._seq + 1, self._time_ns(), self._origin_of(source), trace)

    def _trace(self) -> Trace | None:
        cell = get_cell()
        return None if cell is None else cell.trace_of_effects(self._hop_limit)

    def _origin_of(self, source: str | None) -> Origin:
        if source is None:
            return self._origin
        origin = self._origins.get(source)
        if origin is None:
            if len(self._origins) >= _MOST_ORIGINS:
                self._origins.clear()
            origin = self._origins[source] = Origin(self._id, source)
        return origin

    def _publish_report(self, topic: Topic[Any], payload: Any, trace: Trace | None) -> None:
        """Publish a fact about the bus itself: it never waits, and is lost to mailboxes that are full."""
        if trace is not None and trace.hops > self._hop_limit:
            trace = None  # a report must come through, also at the end of a storm
        route = self._cache.get(topic) or self._routes.resolve(topic)
        event = self._draft(route, payload, trace, "bus")
        self._seq = event.seq
        for putter in self._dispatch(route, event) or ():
            putter.withdraw()

    def _check_open(self) -> bool:
        """Return whether routes may be cached; raise ``BusClosed`` where no events are taken."""
        return True
