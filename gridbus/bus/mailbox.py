"""Bounded queue between the bus and one subscriber."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from operator import length_hint
from typing import Any, Protocol

from gridbus.bus.activity import Activity
from gridbus.bus.cell import Cell
from gridbus.bus.hold import Hold
from gridbus.bus.options import Options, Overflow, default_key
from gridbus.bus.receipt import Receipt
from gridbus.errors import EventDropped

NOTHING: Iterator[Any] = iter(())


class MailboxReporter(Protocol):
    """Whoever makes known what a mailbox cannot do."""

    def slow(self, mailbox: Mailbox, /) -> None:
        """An episode of overflow begins."""

    def predicate_failed(self, event: Any, mailbox: Mailbox, error: Exception, /) -> None:
        """The predicate raised on an event."""


class Putter:
    """A publisher's event that waits for room."""

    __slots__ = ("event", "future", "mailbox")

    def __init__(self, mailbox: Mailbox, event: Any) -> None:
        self.mailbox, self.event = mailbox, event
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def withdraw(self) -> None:
        """Give up waiting; the event is lost to this mailbox and counted."""
        if self in self.mailbox.putters:  # cancelling whoever waits has cancelled the future as well
            self.future.cancel()
            self._leave()

    def expire(self) -> None:
        """End the waiting without room: the event is lost, and whoever comes next while this lasts need not wait."""
        if self in self.mailbox.putters and not self.future.done():
            self.future.set_result(None)
            self.mailbox.stalled = True
            self._leave()

    def _leave(self) -> None:
        self.mailbox.putters.remove(self)
        self.mailbox.lose(self.event)
        self.mailbox.settle()


class Mailbox:
    """The events that one subscription has still to handle, never more than its capacity.

    A publisher takes a short cut that lives in ``Bus._dispatch``: where ``len(items) < room`` it appends and, if the
    mailbox was empty, wakes the worker. ``room`` is therefore never larger than what the capacity leaves, and 0
    wherever something has to be asked first (a predicate, a key, publishers in line, closed): then the bus calls
    ``offer``. A worker takes all that waits as one batch and iterates over it; what is left of the batch still
    counts as waiting.
    """

    __slots__ = (
        "activity", "batch", "block_timeout", "capacity", "cells", "dropped", "evicted", "gated", "hold", "items",
        "key", "name", "overflow", "owner", "putters", "receipts", "replaced", "reporter", "room", "sealed", "single",
        "sleepers", "slots", "slow", "stalled", "topic", "where",
    )  # fmt: skip

    def __init__(
        self, name: str, owner: str, topic: str, options: Options, *, activity: Activity, reporter: MailboxReporter
    ) -> None:
        self.name, self.owner, self.topic = name, owner, topic
        self.capacity, self.overflow, self.where = options.capacity, options.overflow, options.where
        self.block_timeout = options.block_timeout
        self.activity, self.reporter = activity, reporter
        self.key = (options.key or default_key) if options.overflow is Overflow.COALESCE else None
        self.single = (
            options.concurrency > 1 or self.key is not None or options.pace is not None
        )  #: taken one at a time
        self.gated = self.single or self.where is not None
        self.items: list[Any] = []  #: waiting and not taken
        self.batch = NOTHING  #: taken and not handled
        self.room = 0 if self.gated else self.capacity
        self.sleepers: list[asyncio.Future[None]] = []
        self.putters: list[Putter] = []  #: first come first served
        self.cells: tuple[Cell, ...] = ()  #: of the workers
        self.receipts: dict[int, Receipt] | None = None  #: by sequence number, of events somebody waits for
        self.slots: dict[object, int] | None = None if self.key is None else {}  #: by key, index in items
        self.hold: Hold | None = None  #: handles nothing until that is over
        self.sealed = False  #: takes nothing more
        self.slow = False  #: inside an episode of overflow, which has been announced
        self.stalled = False  #: a publisher waited in vain: do not let the next one wait as well
        self.dropped = self.evicted = self.replaced = 0

    @property
    def depth(self) -> int:
        """Events waiting now, the ones in hand not counted."""
        return len(self.items) + length_hint(self.batch)

    @property
    def is_full(self) -> bool:
        """Tell whether the next event would overflow."""
        return self.depth >= self.capacity or bool(self.putters)

    @property
    def must_wait(self) -> bool:
        """Tell whether overflow makes the publisher wait or fail, rather than lose an event."""
        return not self.stalled and self.overflow in (Overflow.BLOCK, Overflow.COALESCE, Overflow.FAIL)

    def wants(self, event: Any) -> bool:
        """Tell whether the subscription takes this event: it is open and its predicate holds."""
        if self.sealed or self.where is None:
            return not self.sealed
        try:
            return bool(self.where(event))
        except Exception as error:  # a predicate must not harm the publisher or the other subscribers
            self.reporter.predicate_failed(event, self, error)
            return False

    def refuses(self, event: Any) -> bool:
        """Tell whether handing this event over would fail or have to wait, without handing it over."""
        if not self.is_full or not self.must_wait or self.sealed:
            return False
        try:
            return self.where is None or bool(self.where(event))
        except Exception:  # it is reported when the event is offered
            return False

    def put(self, event: Any) -> Putter | None:
        """Take an event, by the short cut if it is open; return what its publisher has to wait for."""
        if len(self.items) >= self.room:
            return self.offer(event)
        self.items.append(event)
        if self.sleepers:
            self.wake()
        return None

    def offer(self, event: Any) -> Putter | None:
        """Take an event that the short cut could not; return what its publisher has to wait for."""
        return self.admit(event) if self.wants(event) else None

    def admit(self, event: Any) -> Putter | None:
        """Take an event that is wanted, or overflow as the policy says."""
        left = length_hint(self.batch)
        if len(self.items) + left < self.capacity and not self.putters:
            if not self.gated:
                self.room = self.capacity - left
            self._accept(event)
            return None
        if self.key is not None and self.slots is not None and self.key(event) in self.slots:
            self._accept(event)
            return None
        if self.overflow is Overflow.DROP_OLDEST:
            self._evict()
            self._accept(event)
        elif self.overflow is Overflow.DROP_NEWEST or self.stalled:
            self.lose(event)
        else:  # BLOCK, COALESCE; FAIL is refused by the publisher before anybody gets the event
            self.room = 0
            putter = Putter(self, event)
            self.putters.append(putter)
            return putter
        return None

    def wake(self) -> None:
        """Wake one worker that sleeps."""
        sleeper = self.sleepers.pop()
        if not sleeper.done():
            self.activity.busy += 1
            sleeper.set_result(None)
        elif self.sleepers:  # that one was cancelled
            self.wake()

    def take(self) -> Iterator[Any]:
        """Return the next events to handle; there must be some."""
        items = self.items
        if not self.single:
            taken = self.batch = iter(items)
            self.items = []
            if not self.gated:
                self.room = 0 if self.putters else self.capacity - len(items)
        else:
            taken = iter((items.pop(0),))
            if self.slots is not None:
                self.slots = {key: index - 1 for key, index in self.slots.items() if index}
        if self.slow and self.depth <= self.capacity // 2:
            self.slow = self.stalled = False
        if self.putters:
            self.settle()
        return taken

    def reopen(self) -> None:
        """Note that all is handled: the short cut is open again, and an episode of overflow is over."""
        if not self.gated:
            self.room = self.capacity
        if self.slow:
            self.slow = self.stalled = False

    def settle(self) -> None:
        """Let in the publishers that there is room for now, first come first served."""
        while self.putters and (self.depth < self.capacity or self.sealed):
            putter = self.putters.pop(0)
            self._accept(putter.event)
            if not putter.future.done():
                putter.future.set_result(None)

    def lose(self, event: Any) -> None:
        """Count an event that this subscriber does not get; announce the first of an episode."""
        self.dropped += 1
        self.forget(event)
        if not self.slow:
            self.slow = True
            self.reporter.slow(self)

    def track(self, event: Any, receipt: Receipt) -> None:
        """Settle ``receipt`` when this event is handled or lost."""
        receipt.pending += 1
        if self.receipts is None:
            self.receipts = {}
        self.receipts[event.seq] = receipt

    def receipt_of(self, event: Any) -> Receipt | None:
        """Take out the receipt of an event, if somebody waits for it."""
        return self.receipts.pop(event.seq, None) if self.receipts else None

    def seal(self) -> None:
        """Take nothing more; what waits is still handled."""
        self.sealed = True
        self.room = 0
        self.settle()
        while self.sleepers:
            self.wake()

    def close(self) -> int:
        """Take nothing more and drop what waits; return how many that were."""
        self.seal()
        left = self._empty()
        self.dropped += len(left)
        for event in left:
            self.forget(event)
        return len(left)

    def start_hold(self, workers: Iterable[Any]) -> Hold:
        """Let workers handle nothing more once they are done with what they have in hand."""
        if self.hold is None:
            self.hold = Hold(workers)
            self.give_back(())
            while self.sleepers:
                self.wake()
        self.hold.depth += 1
        return self.hold

    def end_hold(self) -> None:
        """Undo one ``start_hold``; after the last, workers go on."""
        if self.hold is None:
            return
        self.hold.depth -= 1
        if not self.hold.depth:
            hold, self.hold = self.hold, None
            hold.end()

    def give_back(self, events: Iterable[Any]) -> None:
        """Put what was taken and not handled back to the front: ``events``, and what is left of the batch."""
        self.evicted += length_hint(self.batch)
        self.items[:0] = [*events, *self.batch]
        if self.key is not None and self.slots is not None:
            self.slots = {self.key(event): index for index, event in enumerate(self.items)}
        if not self.gated:
            self.room = 0 if self.putters or self.sealed else self.capacity

    def take_over(self, other: Mailbox) -> int:
        """Take what waits in another mailbox, with the publishers that wait for room there; return how many events.

        What the own predicate refuses is skipped. There may be more than the capacity afterwards.
        """
        count = 0
        for event in other._empty():
            receipt = other.receipt_of(event)
            if not self.wants(event):
                self.replaced += 1
                if receipt is not None:
                    receipt.settle()
                continue
            if receipt is not None:
                self.receipts = self.receipts or {}
                self.receipts[event.seq] = receipt
            self._accept(event)
            count += 1
        other.putters, putters = [], other.putters
        for putter in putters:
            putter.mailbox = self
        self.putters += putters
        if self.putters:
            self.room = 0
            self.settle()
        return count

    def _empty(self) -> list[Any]:
        """Take out all that waits."""
        self.evicted += length_hint(self.batch)
        left = [*self.batch, *self.items]  # exhausts the iterator that a worker may be in the middle of
        self.items = []
        if self.slots is not None:
            self.slots.clear()
        return left

    def _accept(self, event: Any) -> None:
        if self.key is not None and self.slots is not None:
            key = self.key(event)
            slot = self.slots.get(key)
            if slot is not None:
                self.replaced += 1
                self.forget(self.items[slot])
                self.items[slot] = event
                return
            self.slots[key] = len(self.items)
        self.items.append(event)
        if self.sleepers:
            self.wake()

    def _evict(self) -> None:
        if length_hint(self.batch):
            self.evicted += 1  # the worker counts what it handled by what is missing from the batch
            self.lose(next(self.batch))
        else:
            self.lose(self.items.pop(0))

    def forget(self, event: Any) -> None:
        """Tell whoever waits for this event that it will not be handled."""
        receipt = self.receipt_of(event)
        if receipt is not None:
            receipt.settle(EventDropped(f"{self.name} of {self.owner!r} lost event {event.id}"))
