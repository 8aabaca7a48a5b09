"""The worker of a subscription that wants its events debounced, throttled or in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import Any

from gridbus.bus.delivery import Supervision, Worker
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.pace import Batch, Debounce, Pace, Throttle
from gridbus.clock import Clock


class PacedWorker(Worker):
    """Gathers events as a pace says and calls the handler with the newest, or with the list.

    Events that it holds count as work: draining and closing wait for them, and sealing the mailbox ends the waiting,
    so that nothing that was held is lost.
    """

    __slots__ = ("_clock", "_held", "_pace")

    def __init__(
        self,
        mailbox: Mailbox,
        handler: Callable[[Any], Awaitable[object]],
        supervision: Supervision,
        *,
        pace: Pace,
        clock: Clock,
    ) -> None:
        super().__init__(mailbox, handler, supervision)
        self._pace, self._clock = pace, clock
        self._held: list[Any] = []  #: taken from the mailbox, and neither handled nor skipped

    @property
    def is_idle(self) -> bool:
        """Tell whether it has nothing in hand, and has gathered nothing."""
        return self.cell.event is None and not self._held

    async def run(self) -> None:
        """Gather and handle events until the mailbox is sealed and empty, or this task is cancelled."""
        self.begin()
        mailbox = self.mailbox
        while True:
            if mailbox.hold is not None:
                await mailbox.hold.park(self)
                continue
            if not mailbox.items:
                if mailbox.sealed:
                    return
                sleeper = self.doze()
                try:
                    await sleeper
                except BaseException:
                    self.rouse(sleeper)
                    raise
                continue
            match self._pace:
                case Debounce(quiet, longest):
                    await self._call(await self._newest_after_quiet(quiet, longest))
                case Throttle(interval):
                    await self._call(self._take(None))
                    await self._pause(interval)
                case Batch(size, within):
                    await self._call(await self._batch(size, within))

    async def _newest_after_quiet(self, quiet: float, longest: float | None) -> list[Any]:
        end = None if longest is None else self._clock.monotonic() + longest
        events = self._take(None)
        while True:
            wait = quiet if end is None else min(quiet, end - self._clock.monotonic())
            if wait <= 0 or not await self._arrival(wait):
                return events
            newer = self._take(None)
            self._skip(events)
            events = newer

    async def _batch(self, size: int, within: float) -> list[Any]:
        end = self._clock.monotonic() + within
        events = self._take(size)
        while len(events) < size:
            wait = end - self._clock.monotonic()
            if wait <= 0 or not await self._arrival(wait):
                break
            events += self._take(size - len(events))
        return events

    async def _pause(self, interval: float) -> None:
        end = self._clock.monotonic() + interval
        while (wait := end - self._clock.monotonic()) > 0 and not self._must_end:
            events = self._take(None)  # of the events that come meanwhile only the newest is wanted
            if events:
                self._skip(events[:-1])
                self.mailbox.items.insert(0, self._held.pop())
            await self._arrival(wait)

    def _take(self, limit: int | None) -> list[Any]:
        mailbox = self.mailbox
        events: list[Any] = []
        while mailbox.items and (limit is None or len(events) < limit):
            events.extend(mailbox.take())
        if self.cell.event is None and events:
            self.cell.event = events[-1]
        self._held += events
        return events

    def retire(self) -> None:
        """Count what a cancellation left unhandled, and tell who waits for it."""
        for event in self._held:
            self.mailbox.dropped += 1
            self.mailbox.forget(event)
        self._held.clear()
        super().retire()

    def _skip(self, events: list[Any]) -> None:
        self.skipped += len(events)
        del self._held[: len(events)]  # the oldest are skipped first
        for event in events:
            self.settle(event)

    async def _arrival(self, wait: float) -> bool:
        """Return True when another event came, False after ``wait`` seconds or when the waiting has to end."""
        mailbox = self.mailbox
        if self._must_end:
            return False
        held, self.cell.event = self.cell.event, None  # the watchdog times the handler, not the waiting
        sleeper: asyncio.Future[None] = self._loop.create_future()
        mailbox.sleepers.append(sleeper)

        def give_up() -> None:
            if not sleeper.done():
                sleeper.set_result(None)

        timer = self._clock.call_later(wait, give_up)
        try:
            await sleeper
        finally:
            timer.cancel()
            if sleeper in mailbox.sleepers:
                mailbox.sleepers.remove(sleeper)
            else:
                mailbox.activity.busy -= 1  # waking counted this worker as awake, which it was all along
            self.cell.event = held
        return bool(mailbox.items) and not self._must_end

    @property
    def _must_end(self) -> bool:
        """Tell whether to wait for nothing more: the mailbox is sealed or held."""
        return self.mailbox.sealed or self.mailbox.hold is not None

    async def _call(self, events: list[Any]) -> None:
        if self.mailbox.hold is not None:  # whoever comes after this worker gathers them anew
            self._held.clear()
            self.cell.event = None
            self.mailbox.give_back(events)
            return
        newest = events[-1]
        as_list = isinstance(self._pace, Batch)
        if not as_list:
            self._skip(events[:-1])
        self._held.pop()  # of the newest the failure of the handler tells
        self.cell.event = newest
        if self.timeout is not None:
            self._watchdog.arm()
        began = perf_counter_ns()
        try:
            await self.handler(events if as_list else newest)
        except BaseException as error:
            if not self.has_failed(newest, error):
                raise
        self._held.clear()
        self.handled += 1
        self.latency.add(perf_counter_ns() - began)
        if self.cell.timed_out:
            self.take_back_cancel()
        for event in events if as_list else (newest,):
            self.settle(event)
        self.cell.event = None
