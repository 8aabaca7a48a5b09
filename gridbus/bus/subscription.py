"""The handle on one subscription: its statistics and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import attrs

from gridbus.bus.cell import current_cell
from gridbus.bus.delivery import Worker
from gridbus.bus.hold import Hold
from gridbus.bus.latency import Latency
from gridbus.bus.mailbox import Mailbox


@attrs.frozen
class SubscriptionStats:
    """A snapshot of one subscription."""

    name: str
    owner: str
    topic: str
    capacity: int
    depth: int  #: events waiting now
    received: int  #: events taken so far
    handled: int  #: calls of the handler that ended well
    failed: int  #: calls that raised or timed out
    timed_out: int  #: of those, the timed out
    dropped: int  #: events lost to overflow, to closing or to a predicate that raised
    skipped: int  #: events that newer ones stood in for (coalesced, debounced, throttled)
    busy_ns: float  #: rough time spent in the handler
    p50_us: float | None  #: half of the handler's calls took less than this many microseconds
    p99_us: float | None


class Subscription:
    """One bounded mailbox and its workers."""

    __slots__ = ("_closed", "_ended", "_ends", "_enter", "_heir", "_remove", "mailbox", "order", "subject", "workers")

    def __init__(
        self,
        subject: str | type[Any],
        mailbox: Mailbox,
        workers: tuple[Worker, ...],
        *,
        order: int,
        enter: Callable[[Subscription], None],
        remove: Callable[[Subscription], None],
    ) -> None:
        self.subject, self.mailbox, self.workers, self.order = subject, mailbox, workers, order
        self._enter, self._remove = enter, remove
        self._closed = False
        self._ended = 0
        self._ends: tuple[asyncio.Future[None], ...] = ()  #: of those who wait for the end
        self._heir: Subscription | None = None  #: that begins when the last handler here has ended

    def __repr__(self) -> str:
        """Show what is subscribed, by whom and to what."""
        return f"<Subscription {self.name} of {self.owner!r} to {self.topic}{' (closed)' if self._closed else ''}>"

    @property
    def name(self) -> str:
        """The handler's qualified name, or the name given."""
        return self.mailbox.name

    @property
    def owner(self) -> str:
        """Who subscribed."""
        return self.mailbox.owner

    @property
    def topic(self) -> str:
        """The topic or pattern, or ``payload`` and a type's name."""
        return self.mailbox.topic

    @property
    def is_closed(self) -> bool:
        """Tell whether it takes no more events."""
        return self._closed

    def enter(self) -> None:
        """Begin to receive; a closed one does nothing."""
        if not self._closed:
            self._enter(self)

    def leave(self) -> None:
        """Receive nothing more; what waits is still handled."""
        self._leave()
        self.mailbox.seal()

    @property
    def is_idle(self) -> bool:
        """Tell whether no event is in hand, here or elsewhere; others may wait."""
        return all(worker.is_idle for worker in self.workers)

    def take_over(self, old: Subscription) -> int:
        """Take what waits for another subscription, which has left; return how many events that is.

        Where one is handled at a time, the first begins when the other's handler has ended.
        """
        if len(self.workers) == 1 and not old.is_idle:
            self.hold()
            old._heir = self
        return self.mailbox.take_over(old.mailbox)

    def hold(self) -> Hold:
        """Let handlers begin nothing more until ``let_go`` was called as often as this."""
        return self.mailbox.start_hold(worker for worker in self.workers if worker.subscription is not None)

    def give_way(self) -> None:
        """Let whoever took over begin, whether the last handler here has ended or goes on for ever."""
        heir, self._heir = self._heir, None
        if heir is not None:
            heir.let_go()

    def let_go(self) -> None:
        """Undo one ``hold``."""
        self.mailbox.end_hold()

    def note_end(self) -> None:
        """One of the workers has ended; called by the bus."""
        self._ended += 1
        if self._ended == len(self.workers):
            self.give_way()
            for end in self._ends:
                if not end.done():
                    end.set_result(None)

    def close(self) -> int:
        """End at once: no event is handed over after this returns; return how many were waiting and are dropped.

        A handler that is running now runs to its end.
        """
        self._leave()
        return self.mailbox.close()

    async def aclose(self, *, grace: float = 5.0) -> int:
        """Take no more events, handle what waits, and return when the last handler ended.

        After ``grace`` seconds what still waits is dropped, what still runs is cancelled, and both are counted in the
        result. From inside its own handler this cannot wait: it returns at once and the rest happens afterwards.
        """
        self.leave()
        if self._ended == len(self.workers):
            return 0
        cell = current_cell()
        if cell is not None and cell.mailbox is self.mailbox:
            return 0
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends += (end,)
        try:
            with anyio.move_on_after(grace):
                await end
                return 0
        except BaseException:  # whoever closes was cancelled; the subscription ends all the same
            self.cancel()
            raise
        return self.cancel()

    def cancel(self) -> int:
        """Drop what waits and cancel what runs; return how many events that concerned."""
        concerned = self.close()
        for worker in self.workers:
            task = worker.cell.task
            if worker.cell.event is not None and task is not None and not task.done():
                concerned += 1
                task.cancel(f"{self.name} was closed")
        return concerned

    def stats(self) -> SubscriptionStats:
        """Return a snapshot; counts are brought up to date whenever the worker pauses."""
        mailbox, latency = self.mailbox, self.latency()
        failed = sum(worker.failed for worker in self.workers)
        calls = sum(worker.handled for worker in self.workers)
        skipped = mailbox.replaced + sum(worker.skipped for worker in self.workers)
        p50, p99 = latency.quantile(0.5), latency.quantile(0.99)
        return SubscriptionStats(
            name=mailbox.name,
            owner=mailbox.owner,
            topic=self.topic,
            capacity=mailbox.capacity,
            depth=mailbox.depth,
            received=calls + skipped + mailbox.depth + sum(worker.cell.event is not None for worker in self.workers),
            handled=calls - failed,
            failed=failed,
            timed_out=sum(worker.timed_out for worker in self.workers),
            dropped=mailbox.dropped,
            skipped=skipped,
            busy_ns=latency.total_ns,
            p50_us=None if p50 is None else p50 / 1000,
            p99_us=None if p99 is None else p99 / 1000,
        )

    def latency(self) -> Latency:
        """Return the histogram over all workers."""
        merged = Latency()
        for worker in self.workers:
            merged.merge(worker.latency)
        return merged

    def _leave(self) -> None:
        if not self._closed:
            self._closed = True
            self._remove(self)
