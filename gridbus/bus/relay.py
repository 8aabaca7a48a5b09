"""The worker of a subscription whose handler runs elsewhere: it hands events over and hears later what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from operator import length_hint
from typing import Any, NamedTuple, Protocol

from gridbus.bus.delivery import Supervision, Worker
from gridbus.bus.mailbox import NOTHING, Mailbox
from gridbus.errors import HandlerError, RemoteError


class RemoteFailure(NamedTuple):
    """What a handler elsewhere raised, as text."""

    error: str  #: type name
    message: str
    traceback: str
    timed_out: bool = False


class RemoteFailureSink(Protocol):
    """Whoever makes a failure elsewhere known."""

    def __call__(self, event: Any, name: str, owner: str, failure: RemoteFailure, /) -> None:
        """Publish what happened."""


class Carrier(Protocol):
    """The way to where the handler runs."""

    @property
    def is_open(self) -> bool:
        """Tell whether events can be handed over now."""
        ...

    def carry(self, event: Any, /) -> None:
        """Hand an event over; it must not wait."""
        ...


class RelayWorker(Worker):
    """Keeps a window of events in flight; the others wait in the mailbox, also while the way is closed.

    Events in flight count as work in progress: draining and closing wait for them. They are told to be done by
    ``done``, or lost by ``lose_flight`` where the other end is gone.
    """

    __slots__ = ("_carrier", "_relayed", "_sleeper", "flight", "window")

    def __init__(
        self, mailbox: Mailbox, supervision: Supervision, carrier: Carrier, relayed: RemoteFailureSink, *, window: int
    ) -> None:
        super().__init__(mailbox, _never, supervision)
        self._carrier, self._relayed, self.window = carrier, relayed, window
        self._sleeper: asyncio.Future[None] | None = None
        self.flight: dict[int, Any] = {}  #: events handed over, by number, the oldest first

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is in flight."""
        return not self.flight

    async def run(self) -> None:
        """Hand events over until the mailbox is sealed and all is done, or this task is cancelled."""
        self.begin()
        mailbox = self.mailbox
        try:
            while True:
                if mailbox.hold is not None and not self.flight:
                    await mailbox.hold.park(self)
                elif mailbox.items and self._may_carry():
                    for event in mailbox.take():
                        self._carry(event)
                        while length_hint(mailbox.batch) and not self._may_carry():
                            await self._pause()
                    mailbox.batch = NOTHING
                elif mailbox.sealed and not mailbox.items and not self.flight:
                    return
                else:
                    await self._pause()
        finally:
            self.lose_flight()

    def nudge(self) -> None:
        """Look again whether there is something to do."""
        sleeper, mailbox = self._sleeper, self.mailbox
        if sleeper is None or sleeper.done():
            return
        if sleeper in mailbox.sleepers:
            mailbox.sleepers.remove(sleeper)
            mailbox.activity.busy += 1  # as the mailbox does when it wakes a worker
        sleeper.set_result(None)

    def done(
        self, seqs: Iterable[int], failures: dict[int, RemoteFailure], *, skipped: int = 0, busy_ns: int = 0
    ) -> int:
        """Note what became of events in flight; return how many of them there were.

        Args:
            seqs: their numbers.
            failures: by number, of those whose handler failed.
            skipped: how many of them the handler never saw, since newer ones stood in or its predicate refused them.
            busy_ns: time that the handler took for all of them.
        """
        mailbox = self.mailbox
        count = 0
        for seq in seqs:
            event = self.flight.pop(seq, None)
            if event is None:
                continue
            count += 1
            failure = failures.get(seq) if failures else None
            if failure is not None:
                self._fail(event, failure)
            elif mailbox.receipts:
                receipt = mailbox.receipt_of(event)
                if receipt is not None:
                    receipt.settle()
        calls = count - skipped
        self.skipped += skipped
        self.handled += calls
        if calls > 0:
            self.latency.add(busy_ns // calls, calls)
        self._note_oldest()
        if mailbox.depth or not self.flight:
            self.nudge()
        return count

    def oldest(self, count: int) -> list[int]:
        """Return the numbers of the oldest events in flight."""
        seqs = list(self.flight)
        return seqs if count >= len(seqs) else seqs[:count]

    def lose_flight(self) -> int:
        """Count the events in flight as lost: nobody knows what became of them; return how many they were."""
        lost, self.flight = self.flight, {}
        for event in lost.values():
            self.mailbox.dropped += 1
            self.mailbox.forget(event)
        self.cell.event = None
        if self.mailbox.hold is not None:
            self.nudge()
        return len(lost)

    def _may_carry(self) -> bool:
        return len(self.flight) < self.window and self._carrier.is_open and self.mailbox.hold is None

    def _carry(self, event: Any) -> None:
        if self.mailbox.putters:
            self.mailbox.settle()
        if not self.flight:
            self.cell.event = event
        self.flight[event.seq] = event
        self._carrier.carry(event)

    async def _pause(self) -> None:
        """Wait until there may be something to do; without events in hand or in flight that is a sleep."""
        mailbox, activity = self.mailbox, self.mailbox.activity
        sleeper = self._sleeper = self._loop.create_future()
        is_idle = not self.flight and not mailbox.depth
        listens = is_idle or self._may_carry()  # whoever cannot carry need not hear of more events
        if listens:
            mailbox.sleepers.append(sleeper)
        if not mailbox.depth:
            mailbox.reopen()
        if is_idle:
            self.cell.let_go()
            activity.leave()
        try:
            await sleeper
        finally:
            self._sleeper = None
            self.rouse(sleeper)
            if listens and not is_idle:
                activity.busy -= 1  # waking counted this worker as awake, which it was all along

    def _fail(self, event: Any, failure: RemoteFailure) -> None:
        mailbox = self.mailbox
        self.failed += 1
        self.timed_out += failure.timed_out
        receipt = mailbox.receipt_of(event)
        if receipt is not None:
            error = RemoteError(event.topic, mailbox.owner, failure.error, failure.message, failure.traceback)
            receipt.settle(HandlerError(mailbox.name, mailbox.owner, event.id, error))
        self._relayed(event, mailbox.name, mailbox.owner, failure)

    def _note_oldest(self) -> None:
        self.cell.event = next(iter(self.flight.values()), None)


async def _never(event: Any) -> None:
    """Stand for a handler that is elsewhere."""
