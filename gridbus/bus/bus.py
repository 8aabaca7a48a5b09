"""The bus: one object to publish, subscribe and ask on, with a beginning and an end."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import attrs

from gridbus.bus.ask import Asker
from gridbus.bus.cell import current_cell
from gridbus.bus.middleware import Middleware
from gridbus.bus.replies import open_replies
from gridbus.bus.scope import Scope
from gridbus.bus.subscribing import Subscriber
from gridbus.bus.subscription import SubscriptionStats
from gridbus.bus.wait import Tracer
from gridbus.channels.channel import Channel
from gridbus.channels.hub import ServedChannel
from gridbus.clock import Clock, SystemClock
from gridbus.errors import BusClosed, ReentrancyError
from gridbus.events.event import Event
from gridbus.ids import new_id

M = TypeVar("M")
R = TypeVar("R")


class BusState(enum.Enum):
    """Where a bus is in its life."""

    NEW = "new"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


@attrs.frozen
class BusStats:
    """A snapshot of a bus."""

    id: str
    state: BusState
    published: int  #: events numbered so far
    subscriptions: tuple[SubscriptionStats, ...]  #: the open ones, servers of channels included
    channels: tuple[ServedChannel, ...]
    dropped: int  #: events that open subscriptions lost, all together
    reports_lost: int  #: failures that were only logged, since too many came at once


class Bus(Subscriber):
    """Hands facts from those who publish them to those who subscribed: ``async with Bus() as bus``.

    Each subscription has a bounded mailbox and a worker of its own, so that a slow or failing subscriber harms nobody
    else. All calls belong on the event loop that the bus was opened on.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        id: str | None = None,
        hop_limit: int = 32,
        grace: float = 5.0,
        middleware: Iterable[Middleware] = (),
    ) -> None:
        """Prepare a bus; it opens with ``async with``.

        Args:
            clock: where time comes from.
            id: the first part of each event's id; made to be unique among all buses by default.
            hop_limit: events that may cause each other in a row.
            grace: seconds that leaving the ``async with`` block gives the mailboxes to drain.
            middleware: goes around each handler that subscribes, outside its own.
        """
        self.clock = clock or SystemClock()
        super().__init__(id or new_id(), self.clock, hop_limit, tuple(middleware))
        self._grace = grace
        self._state = BusState.NEW
        self._asker = Asker(self._hub, self.clock)

    @property
    def id(self) -> str:
        """The first part of the id of each event published here."""
        return self._id

    @property
    def state(self) -> BusState:
        """Where the bus is in its life."""
        return self._state

    async def __aenter__(self) -> Self:
        """Open the bus."""
        if self._state is not BusState.NEW:
            raise BusClosed(f"a bus opens once, and this one is {self._state.value}: make a new one")
        await self._tasks.open(f"gridbus {self._id}")
        self._state = BusState.OPEN
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the bus: drain after a normal end, cancel after an exception."""
        try:
            await self.aclose(grace=self._grace if kind is None else 0.0)
        finally:
            await self._tasks.aclose()

    async def aclose(self, *, grace: float = 5.0) -> int:
        """Take no more events, let the mailboxes drain, cancel what is left after ``grace`` seconds.

        While they drain, handlers may still publish what follows from what they handle. Returns how many events were
        dropped and handlers cancelled.
        """
        if self._state not in (BusState.OPEN, BusState.CLOSING):
            return 0
        self._state = BusState.CLOSING
        self._cache.clear()
        left = 0
        try:
            if self._activity.busy and grace > 0:
                with anyio.move_on_after(grace):
                    await self.drain()
        finally:
            self._reporter.flush()
            self._state = BusState.CLOSED
            self._cache.clear()
            for subscription in (*self._servers, *self._routes.subscriptions):
                left += subscription.cancel()
            for job in tuple(self._jobs):
                job.cancel()
            self._watchdog.close()
        return left

    async def drain(self, *, timeout: float | None = None) -> None:
        """Return when each mailbox is empty and no handler runs.

        Raises:
            TimeoutError: that took longer than ``timeout`` seconds.
            ReentrancyError: called from a handler, which would wait for itself.
        """
        cell = current_cell()
        if cell is not None and cell.mailbox is not None and cell.mailbox.activity is self._activity:
            raise ReentrancyError("draining from a handler", [cell.mailbox.name, "drain", cell.mailbox.name])
        with anyio.fail_after(timeout):
            await self._activity.idle()

    async def ask(
        self,
        channel: Channel[M, R],
        message: M,
        *,
        to: str | None = None,
        timeout: float | None = 5.0,
        source: str | None = None,
    ) -> R:
        """Send a message to the server of a channel and return its reply.

        Args:
            channel: what to ask on.
            message: what to ask; of the channel's message type.
            to: the id of the plugin to ask; needed where several serve the channel.
            timeout: seconds until the reply must be there; None waits for ever.
            source: who asks.

        Raises:
            NoServer, AmbiguousServer: there is not exactly one server to ask.
            ChannelTypeError: message or reply are not of the channel's types.
            RemoteError: the server's handler raised; the error carries its type name and traceback.
            AskTimeout, ServerGone: no reply came.
            ReentrancyError: the server waits, itself or by others, for whoever asks here.
            BusClosed, HopLimitExceeded: as ``publish``.
        """
        self._check_open()
        return await self._asker.ask(
            channel, message, self._origin_of(source), self._trace(), to=to, timeout=timeout
        )

    async def tell(
        self, channel: Channel[M, Any], message: M, *, to: str | None = None, source: str | None = None
    ) -> None:
        """Send a message to the server of a channel; return when its mailbox has taken it.

        What its handler raises is published as ``bus:handler_failed``.

        Raises:
            NoServer, AmbiguousServer, ChannelTypeError, BusClosed, HopLimitExceeded: as ``ask``.
            MailboxFull: the server would wait for itself.
        """
        self._check_open()
        putter = self._asker.tell(channel, message, self._origin_of(source), self._trace(), to=to)
        if putter is not None:
            await self._wait_for_room([putter])

    def ask_stream(
        self,
        channel: Channel[M, R],
        message: M,
        *,
        to: str | None = None,
        timeout: float | None = 5.0,
        source: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Ask for many replies: ``async with bus.ask_stream(TAIL, 10) as lines: async for line in lines``.

        The server runs a few replies ahead of the reader, no further. Leaving the block ends the server's generator.
        ``timeout`` is for each reply.

        Raises:
            ChannelError: as ``ask``; from the iterator what ended the stream early.
        """
        self._check_open()
        origin, trace = self._origin_of(source), self._trace()
        return open_replies(self._hub, channel, message, origin, trace, to=to, timeout=timeout)

    def scope(self, owner: str) -> Scope:
        """Return a new scope, which owns what is made through it."""
        return Scope(self, owner)

    def trace(self, see: Callable[[Event[Any]], object]) -> Callable[[], None]:
        """Call ``see`` with each event as it is published; return what undoes this.

        ``see`` runs in the publisher's flow and must be quick; what it raises is logged.
        """
        self._check_open()
        return Tracer(self._routes, see).undo

    def stats(self) -> BusStats:
        """Return a snapshot."""
        subscriptions = tuple(kept.stats() for kept in (*self._routes.subscriptions, *self._servers))
        return BusStats(
            id=self._id,
            state=self._state,
            published=self._seq,
            subscriptions=subscriptions,
            channels=self._hub.served(),
            dropped=sum(kept.dropped for kept in subscriptions),
            reports_lost=self._reporter.lost,
        )

    def _check_open(self) -> bool:
        if self._state is BusState.OPEN:
            return True
        if self._state is BusState.NEW:
            raise BusClosed("the bus is not open yet: async with Bus() as bus")
        cell = current_cell()
        if self._state is BusState.CLOSING and cell is not None and cell.event is not None:
            return False
        raise BusClosed(f"the bus is {self._state.value} and takes nothing more")
