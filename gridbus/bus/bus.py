"""The bus: one object to publish, subscribe and ask on, with a beginning and an end."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import anyio
import attrs

from gridbus.bus.cell import current_cell
from gridbus.bus.middleware import Middleware
from gridbus.bus.scope import Scope
from gridbus.bus.subscription import SubscriptionStats
from gridbus.bus.switchboard import Switchboard
from gridbus.bus.wait import Tracer
from gridbus.channels.hub import ServedChannel
from gridbus.clock import Clock, SystemClock
from gridbus.errors import BusClosed, ReentrancyError
from gridbus.events.event import Event
from gridbus.ids import new_id


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


class Bus(Switchboard):
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
        super().__init__(id or new_id(), clock or SystemClock(), hop_limit, tuple(middleware))
        self._grace = grace
        self._state = BusState.NEW

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
        self._tasks.open()
        self._state = BusState.OPEN
        self._is_open = True
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
        self._is_open = False
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
            self._deadlines.close()
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

    def scope(self, owner: str, *, live: bool = True) -> Scope:
        """Return a new scope, which owns what is made through it; unless ``live`` it hears from its ``go_live`` on."""
        return Scope(self, owner, live=live)

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
