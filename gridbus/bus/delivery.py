"""The worker that empties a mailbox into a handler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from operator import length_hint
from time import perf_counter_ns
from typing import Any, NamedTuple, Protocol

from gridbus.bus.cell import Cell, enter_cell
from gridbus.bus.latency import Latency
from gridbus.bus.mailbox import NOTHING, Mailbox
from gridbus.bus.watchdog import Watchdog
from gridbus.errors import HandlerError, HandlerTimeout

_STRIDE_NS = 50_000  # a stride is as many calls as took this long before
_LONGEST_STRIDE = 256  # calls, where handlers are fast
_TURN_NS = 5_000_000  # after this long without giving way, let the loop turn once


class FailureSink(Protocol):
    """Whoever makes a handler's failure known."""

    def __call__(self, event: Any, worker: Worker, error: BaseException, /) -> None:
        """Publish what happened; called while the exception is being handled."""


class Ending(Protocol):
    """A subscription, as far as a worker knows it."""

    def note_end(self) -> None:
        """One of the workers has ended."""


class Supervision(NamedTuple):
    """Who keeps an eye on a worker."""

    timeout: float | None  #: seconds that a call may take
    watchdog: Watchdog
    failures: FailureSink


class Worker:
    """Handles the events of one mailbox, one after the other.

    Between two looks at the clock it does nothing per event but call the handler: counting, timing, letting blocked
    publishers in and settling receipts happen once per stride. A stride is one event long until the handler has shown
    to be fast, and whenever somebody waits for a particular event or for room.
    """

    __slots__ = (
        "_failures",
        "_loop",
        "_watchdog",
        "cell",
        "failed",
        "handled",
        "handler",
        "latency",
        "mailbox",
        "skipped",
        "subscription",
        "timed_out",
        "timeout",
    )

    def __init__(self, mailbox: Mailbox, handler: Callable[[Any], Awaitable[object]], supervision: Supervision) -> None:
        self.mailbox, self.handler = mailbox, handler
        self.timeout, self._watchdog, self._failures = supervision
        self.cell = Cell(mailbox)
        mailbox.cells += (self.cell,)
        mailbox.activity.busy += 1  # until it has found its mailbox empty for the first time
        self.subscription: Ending | None = None
        self.latency = Latency()
        self.handled = self.failed = self.timed_out = self.skipped = 0

    async def run(self) -> None:
        """Handle events until the mailbox is sealed and empty, or this task is cancelled."""
        self.begin()
        mailbox, cell, latency = self.mailbox, self.cell, self.latency
        is_single = mailbox.single
        stride = 1
        turned = 0  # when the loop last had its turn, as far as this worker knows
        while True:
            if mailbox.hold is not None:
                await mailbox.hold.park(self)
                continue
            if not mailbox.items:
                if mailbox.sealed:
                    return
                began = ended = turned = 0  # a sleeping worker holds no numbers that it does not need
                sleeper = self.doze()
                try:
                    await sleeper
                except BaseException:
                    self.rouse(sleeper)
                    raise
                continue
            left = 1 if is_single else len(mailbox.items)
            batch = mailbox.take()
            while left:
                if self.timeout is not None and not self._watchdog.is_armed:
                    self._watchdog.arm()
                mailbox.evicted = 0
                handler = self.handler
                if mailbox.receipts:
                    stride = 1  # somebody waits for one of the events, perhaps for the next
                events: Iterator[Any] = batch if left <= stride else islice(batch, stride)
                if mailbox.putters:
                    events = iter((next(batch),))
                    mailbox.settle()  # the event in hand no longer counts as waiting, which makes room for one
                event = None
                began = perf_counter_ns()
                for event in events:
                    cell.event = event
                    try:
                        await handler(event)
                    except BaseException as error:
                        if not self.has_failed(event, error):
                            raise
                ended = perf_counter_ns()
                before, left = left, length_hint(batch)
                calls = before - left - mailbox.evicted
                if calls:
                    self.handled += calls
                    latency.add((ended - began) // calls, calls)
                if cell.timed_out:  # the handler was cancelled and ended as if nothing had happened
                    self.take_back_cancel()
                if mailbox.receipts or mailbox.putters:
                    self.settle(event)
                    stride = 1
                elif ended - began > _STRIDE_NS:
                    stride = 1
                elif calls >= stride:
                    stride = min(stride * _STRIDE_NS // (ended - began + 1) + 1, _LONGEST_STRIDE)
                cell.event = event = None
                if ended - turned > _TURN_NS:
                    if turned and (left or mailbox.items):
                        await asyncio.sleep(0)
                        left = length_hint(batch)  # meanwhile it may have been closed, or have lost its oldest
                    turned = ended
            batch = events = mailbox.batch = NOTHING  # an iterator at its end still holds the list of handled events

    @property
    def is_idle(self) -> bool:
        """Tell whether it has nothing in hand."""
        return self.cell.event is None

    def begin(self) -> None:
        """Note that the worker's task runs."""
        enter_cell(self.cell)
        self._loop = asyncio.get_running_loop()
        if self.timeout is not None:
            self._watchdog.watch(self.cell, self.timeout)

    def retire(self) -> None:
        """Note that the worker's task has ended, whether it ever ran or not."""
        self._watchdog.unwatch(self.cell)
        self.mailbox.cells = tuple(cell for cell in self.mailbox.cells if cell is not self.cell)
        self.mailbox.activity.leave()
        if self.mailbox.hold is not None:
            self.mailbox.hold.forget(self)
        self.cell.leave()
        # no circle: what has ended goes without the collector
        subscription, self.subscription = self.subscription, None
        if subscription is not None:
            subscription.note_end()

    def doze(self) -> asyncio.Future[None]:
        """Go to sleep: return what to await until the mailbox has something, or is sealed."""
        mailbox = self.mailbox
        mailbox.reopen()
        self.cell.let_go()
        sleeper: asyncio.Future[None] = self._loop.create_future()
        mailbox.sleepers.append(sleeper)
        mailbox.activity.leave()
        return sleeper

    def rouse(self, sleeper: asyncio.Future[None]) -> None:
        """Get up because of a cancellation: awake as after being woken."""
        if sleeper in self.mailbox.sleepers:  # nobody woke it, so nobody counted it as awake
            self.mailbox.sleepers.remove(sleeper)
            self.mailbox.activity.busy += 1

    def settle(self, event: Any) -> None:
        """Tell who waits for this event that it is done, and let in publishers that wait for room."""
        mailbox = self.mailbox
        receipt = mailbox.receipt_of(event)
        if receipt is not None:
            receipt.settle()
        mailbox.settle()

    def has_failed(self, event: Any, error: BaseException) -> bool:
        """Make a failure known; return False where it is no failure of the handler, and must be raised again.

        Cancelling counts as the handler's failure when the watchdog asked for it, or when nobody asked this task to
        end: then the handler awaited something that was cancelled.
        """
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            self.mailbox.forget(event)
            return False
        if self.cell.timed_out:
            self.take_back_cancel()
            self.timed_out += 1
            error = HandlerTimeout(f"{self.mailbox.name} took longer than {self.timeout:g} s").with_traceback(
                error.__traceback__
            )
        task = self.cell.task
        if task is not None and task.cancelling():
            self.mailbox.forget(event)
            return False
        self.failed += 1
        mailbox = self.mailbox
        receipt = mailbox.receipt_of(event)
        if receipt is not None:
            failure = HandlerError(mailbox.name, mailbox.owner, event.id, error)
            failure.__cause__ = error
            receipt.settle(failure)
        self._failures(event, self, error)
        return True

    def take_back_cancel(self) -> None:
        """Take back what the watchdog asked of this task."""
        task = self.cell.task
        for _ in range(self.cell.timed_out):
            if task is not None:
                task.uncancel()
        self.cell.timed_out = 0
