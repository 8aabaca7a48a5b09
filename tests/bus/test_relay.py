"""Subscriptions whose handler runs elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from gridbus import Bus, Overflow, Topic
from gridbus.bus.relay import RelayWorker, RemoteFailure
from gridbus.events import BUS_HANDLER_FAILED
from gridbus.testing import Recorder, settle

NUMBERS: Topic[int] = Topic("n:new", int)


class Far:
    """A carrier that keeps what it carried."""

    def __init__(self) -> None:
        self.is_open = True
        self.events: list[Any] = []

    def carry(self, event: Any) -> None:
        """Keep it."""
        self.events.append(event)

    @property
    def payloads(self) -> list[int]:
        """What was carried so far."""
        return [event.payload for event in self.events]


def relay(bus: Bus, far: Far, **options: Any) -> RelayWorker:
    """Subscribe ``far``."""
    return bus.relay(NUMBERS, far, owner="p", name="handler", **options)[1]


async def test_events_are_carried_in_order_within_the_window() -> None:
    """No more events are in flight than the window allows; the others wait in the mailbox."""
    async with Bus() as bus:
        far = Far()
        worker = relay(bus, far, window=2)
        for number in range(5):
            await bus.publish(NUMBERS, number)
        await settle()
        assert far.payloads == [0, 1]
        assert worker.mailbox.depth == 3
        worker.done(worker.oldest(1), {})
        await settle()
        assert far.payloads == [0, 1, 2]
        worker.done(worker.oldest(2), {})
        await settle()
        assert far.payloads == [0, 1, 2, 3, 4]
        worker.done(worker.oldest(9), {})
        await bus.drain(timeout=1)
        assert worker.handled == 5


async def test_events_wait_while_the_way_is_closed() -> None:
    """A mailbox keeps its events within its bounds while the other end is away, and hands them over afterwards."""
    async with Bus() as bus:
        far = Far()
        far.is_open = False
        worker = relay(bus, far, capacity=3, overflow=Overflow.DROP_OLDEST)
        for number in range(5):
            await bus.publish(NUMBERS, number)
            await settle()
        assert far.payloads == []
        far.is_open = True
        worker.nudge()
        await settle()
        assert far.payloads == [2, 3, 4]
        assert worker.mailbox.dropped == 2
        worker.done(worker.oldest(3), {})


async def test_draining_waits_for_what_is_in_flight() -> None:
    """A bus is not drained before the other end is done."""
    async with Bus() as bus:
        far = Far()
        worker = relay(bus, far)
        await bus.publish(NUMBERS, 1)
        await settle()
        with pytest.raises(TimeoutError):
            await bus.drain(timeout=0.01)
        worker.done(worker.oldest(1), {})
        await bus.drain(timeout=1)


async def test_a_failure_elsewhere_is_published_and_raised_to_who_waits() -> None:
    """What a handler elsewhere raises is told like a local one."""
    async with Bus() as bus:
        far = Far()
        worker = relay(bus, far)
        recorder = Recorder(bus)
        caught: list[BaseException] = []

        async def publish() -> None:
            try:
                await bus.publish_and_wait(NUMBERS, 7)
            except ExceptionGroup as group:
                caught.extend(group.exceptions)

        job = bus.start_job(publish)
        await settle()
        [seq] = worker.flight
        with recorder:
            worker.done([seq], {seq: RemoteFailure("ValueError", "no", "Traceback...")})
            await job.wait()
            await settle()
        assert "ValueError: no" in str(caught[0])
        assert [(fact.error, fact.message) for fact in recorder.payloads(BUS_HANDLER_FAILED)] == [("ValueError", "no")]
        assert worker.failed == 1


async def test_a_flight_that_is_lost_is_counted_and_ends_the_waiting() -> None:
    """Events that the other end took with it are dropped, and whoever waits for them is told."""
    async with Bus() as bus:
        far = Far()
        worker = relay(bus, far)
        errors: list[BaseException] = []

        async def publish() -> None:
            try:
                await bus.publish_and_wait(NUMBERS, 7)
            except ExceptionGroup as group:
                errors.extend(group.exceptions)

        job = bus.start_job(publish)
        await settle()
        assert worker.lose_flight() == 1
        worker.nudge()
        await job.wait()
        assert "lost event" in str(errors[0])
        assert worker.mailbox.dropped == 1
        await bus.drain(timeout=1)


async def test_closing_waits_for_the_flight_and_then_drops_it() -> None:
    """Closing gives the other end its grace, and counts what is not done by then."""
    async with Bus() as bus:
        far = Far()
        subscription, worker = bus.relay(NUMBERS, far, owner="p", name="handler", window=1)
        await bus.publish(NUMBERS, 1)
        await bus.publish(NUMBERS, 2)
        await settle()
        assert await subscription.aclose(grace=0.01) == 2
        await settle()
        assert not worker.flight
        await bus.drain(timeout=1)
