"""Debounced, throttled and batched subscriptions."""

import anyio
import pytest

from gridbus.bus import Batch, Bus, Debounce, Throttle
from gridbus.errors import EventDropped, SubscriptionError
from gridbus.events import Event, Topic
from gridbus.events.system import BUS_HANDLER_FAILED
from gridbus.testing import FakeClock, Recorder, settle

PING: Topic[int] = Topic("ping:sent", int)


class Log:
    """Notes when it is called with what."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.calls: list[tuple[float, object]] = []

    async def __call__(self, event: Event[int]) -> None:
        """Note one event."""
        self.calls.append((round(self.clock.monotonic(), 3), event.payload))

    async def many(self, events: list[Event[int]]) -> None:
        """Note a list of events."""
        self.calls.append((round(self.clock.monotonic(), 3), [event.payload for event in events]))


async def publish(bus: Bus, clock: FakeClock, *steps: tuple[float, int]) -> None:
    """Publish each payload after a pause."""
    for pause, payload in steps:
        await clock.advance(pause)
        await bus.publish(PING, payload)


async def test_debounce_calls_once_it_is_quiet(bus: Bus, clock: FakeClock) -> None:
    """A burst leads to one call with its newest event."""
    log = Log(clock)
    sub = bus.on(PING, log, pace=Debounce(1.0))
    await publish(bus, clock, (0, 1), (0.5, 2), (0.9, 3), (3, 4))
    await clock.advance(5)
    assert log.calls == [(2.4, 3), (5.4, 4)]
    assert (sub.stats().handled, sub.stats().skipped, sub.stats().dropped) == (2, 2, 0)


async def test_debounce_does_not_wait_longer_than_told(bus: Bus, clock: FakeClock) -> None:
    """Events that never stop are handled every ``longest`` seconds."""
    log = Log(clock)
    bus.on(PING, log, pace=Debounce(1.0, longest=2.0))
    await publish(bus, clock, *((0.5, number) for number in range(8)))
    await clock.advance(5)
    assert log.calls == [(2.5, 3), (4.5, 7)]


async def test_throttle_calls_at_once_then_with_the_newest(bus: Bus, clock: FakeClock) -> None:
    """At most one call per interval."""
    log = Log(clock)
    sub = bus.on(PING, log, pace=Throttle(1.0))
    await publish(bus, clock, *((0.3, number) for number in range(8)))
    await clock.advance(5)
    assert log.calls == [(0.3, 0), (1.3, 3), (2.3, 6), (3.3, 7)]
    assert sub.stats().skipped == 4


async def test_batch_calls_with_a_full_list_or_when_time_is_up(bus: Bus, clock: FakeClock) -> None:
    """Full batches at once, the rest when its first event has waited long enough."""
    log = Log(clock)
    sub = bus.on(PING, log.many, pace=Batch(3, within=1.0))
    await publish(bus, clock, *((0, number) for number in range(7)))
    await clock.advance(5)
    assert log.calls == [(0, [0, 1, 2]), (0, [3, 4, 5]), (1.0, [6])]
    assert sub.stats().handled == 3


@pytest.mark.parametrize("pace", [Debounce(60), Throttle(60), Batch(10, 60)])
async def test_what_is_held_is_handled_on_closing(bus: Bus, clock: FakeClock, pace: object) -> None:
    """Closing ends the waiting: nothing held is lost."""
    log = Log(clock)
    sub = bus.on(PING, log.many if isinstance(pace, Batch) else log, pace=pace)  # type: ignore[call-overload]
    for number in range(3):
        await bus.publish(PING, number)
    await settle()
    assert await sub.aclose() == 0
    last = log.calls[-1][1]
    assert last == ([0, 1, 2] if isinstance(pace, Batch) else 2)
    assert clock.waiting == 0


async def test_publish_and_wait_waits_for_the_pace(bus: Bus, clock: FakeClock) -> None:
    """The publisher of an event that a newer one stood in for is told as well."""
    log = Log(clock)
    bus.on(PING, log, pace=Debounce(1.0))
    async with bus.stream(PING) as seen:
        first = bus.start_job(bus.publish_and_wait, PING, 1)
        second = bus.start_job(bus.publish_and_wait, PING, 2)
        await clock.advance(0.9)
        assert (first.is_done, second.is_done, seen.waiting) == (False, False, 2)
        await clock.advance(0.2)
        assert (first.is_done, second.is_done) == (True, True)
    assert log.calls == [(1.0, 2)]


async def test_a_paced_handler_that_fails_is_called_again(bus: Bus, clock: FakeClock) -> None:
    """Its failure is published; the next batch comes."""
    calls: list[int] = []

    async def handler(events: list[Event[int]]) -> None:
        calls.append(len(events))
        raise ValueError("no")

    bus.on(PING, handler, pace=Batch(2, within=1.0))
    with Recorder(bus) as events:
        await publish(bus, clock, *((0, number) for number in range(4)))
        await clock.advance(2)
    assert calls == [2, 2]
    assert [fact.event.payload for fact in events.payloads(BUS_HANDLER_FAILED)] == [1, 3]


async def test_a_paced_handler_may_time_out_but_not_for_waiting(bus: Bus, clock: FakeClock) -> None:
    """The time-out is for the call; a quiet time longer than it is fine."""
    ended: list[int] = []

    async def handler(event: Event[int]) -> None:
        await clock.sleep(100 if event.payload else 0)
        ended.append(event.payload)

    sub = bus.on(PING, handler, pace=Debounce(10.0), timeout=1.0)
    await bus.publish(PING, 0)
    await clock.advance(12)
    assert (ended, sub.stats().timed_out) == ([0], 0)
    await bus.publish(PING, 1)
    await clock.advance(15)
    assert (ended, sub.stats().timed_out) == ([0], 1)


async def test_what_a_cancelled_worker_held_is_counted_and_told(clock: FakeClock) -> None:
    """A bus that closes without grace drops held events, but not silently, and nobody waits for them for ever."""
    async with anyio.create_task_group() as group, Bus(clock=clock) as bus:
        log = Log(clock)
        sub = bus.on(PING, log.many, pace=Batch(10, within=60))
        errors: list[BaseException] = []

        async def publish() -> None:
            try:
                await bus.publish_and_wait(PING, 1)
            except ExceptionGroup as caught:
                errors.extend(caught.exceptions)

        group.start_soon(publish)
        await settle()
        for worker in sub.workers:
            assert worker.cell.task is not None
            worker.cell.task.cancel()
        with anyio.fail_after(2):
            while not errors:
                await settle()
    assert [type(error) for error in errors] == [EventDropped]
    assert (log.calls, sub.stats().dropped) == ([], 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Debounce(0), "Debounce.quiet"),
        (lambda: Debounce(2, longest=1), "longest"),
        (lambda: Throttle(-1), "Throttle.interval"),
        (lambda: Batch(0, 1), "Batch.size"),
        (lambda: Batch(1, 0), "Batch.within"),
    ],
)
def test_paces_that_cannot_be_are_refused(make: object, message: str) -> None:
    """The error names the field."""
    with pytest.raises(SubscriptionError, match=message):
        make()  # type: ignore[operator]


async def test_a_pace_excludes_concurrency(bus: Bus, clock: FakeClock) -> None:
    """A batch larger than the mailbox, and two workers on one pace, cannot work."""
    with pytest.raises(SubscriptionError, match="concurrency"):
        bus.on(PING, Log(clock), pace=Debounce(1), concurrency=2)
    with pytest.raises(SubscriptionError, match="never fits"):
        bus.on(PING, Log(clock).many, pace=Batch(10, 1), capacity=5)
