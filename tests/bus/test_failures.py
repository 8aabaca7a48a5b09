"""G4: what a failing handler does to others, which is nothing."""

import asyncio
import gc
import weakref

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.events import Event, Topic
from gridbus.events.system import BUS_HANDLER_FAILED
from gridbus.testing import FakeClock, Recorder, settle

PING: Topic[int] = Topic("ping:sent", int)


async def cancel_oneself(event: Event[int]) -> None:
    """Await something that was cancelled."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def leave(event: Event[int]) -> None:
    """Call exit."""
    raise SystemExit(1)


async def break_down(event: Event[int]) -> None:
    """Raise from a nested call."""
    raise ValueError(f"cannot do {event.payload}")


async def group(event: Event[int]) -> None:
    """Raise from a task group."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(break_down, event)


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (break_down, "ValueError"),
        (leave, "SystemExit"),
        (cancel_oneself, "CancelledError"),
        (group, "ExceptionGroup"),
        (lambda event: 1 / 0, "ZeroDivisionError"),
    ],
)
async def test_g4_a_handler_that_raises_harms_nobody(bus: Bus, handler: object, error: str) -> None:
    """The others get each event, the failing one gets the next; each failure is published with its traceback."""
    seen: list[int] = []
    bus.on(PING, lambda event: seen.append(event.payload))
    sub = bus.on(PING, handler, owner="bad")  # type: ignore[call-overload]
    bus.on(PING, lambda event: seen.append(event.payload))
    with Recorder(bus) as events:
        for number in range(3):
            await bus.publish(PING, number)
        await bus.drain()
    assert sorted(seen) == [0, 0, 1, 1, 2, 2]
    failures = events.payloads(BUS_HANDLER_FAILED)
    assert [(fact.event.payload, fact.owner, fact.error) for fact in failures] == [(n, "bad", error) for n in range(3)]
    assert "Traceback" in failures[0].traceback
    assert error in failures[0].traceback
    assert (sub.stats().failed, sub.stats().handled) == (3, 0)


async def test_g4_a_report_is_caused_by_the_event_that_failed(bus: Bus) -> None:
    """The report belongs to the event's chain."""
    bus.on(PING, break_down)
    with Recorder(bus) as events:
        event = await bus.publish(PING, 1)
        await bus.drain()
    [report] = events.of(BUS_HANDLER_FAILED)
    assert (report.causation_id, report.correlation_id, report.source) == (event.id, event.id, "bus")


async def test_g4_failures_of_failure_handlers_are_only_logged(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    """A handler of bus:handler_failed that fails does not set off another report."""

    async def handler(event: Event[object]) -> None:
        raise RuntimeError("worse")

    bus.on(PING, break_down)
    bus.on(BUS_HANDLER_FAILED, handler)
    with Recorder(bus) as events:
        await bus.publish(PING, 1)
        await bus.drain()
    assert events.topics == ["ping:sent", "bus:handler_failed"]
    assert "worse" in caplog.text


async def test_g4_a_handler_that_hangs_is_timed_out(bus: Bus, clock: FakeClock) -> None:
    """It is cancelled not before its time-out and not much later; the worker goes on with the next event."""
    ended: list[int] = []

    async def handler(event: Event[int]) -> None:
        try:
            if event.payload == 0:
                await anyio.sleep_forever()
        finally:
            ended.append(event.payload)

    sub = bus.on(PING, handler, timeout=4.0)
    with Recorder(bus) as events:
        await bus.publish(PING, 0)
        await bus.publish(PING, 1)
        await clock.advance(3.9)
        assert ended == []
        await clock.advance(1.2)
        assert ended == [0, 1]
    [failure] = events.payloads(BUS_HANDLER_FAILED)
    assert failure.error == "HandlerTimeout"
    assert "longer than 4 s" in failure.message
    assert (sub.stats().failed, sub.stats().timed_out, sub.stats().handled) == (1, 1, 1)
    await bus.publish(PING, 2)
    await bus.drain()
    assert ended == [0, 1, 2]


async def test_g4_a_handler_that_ignores_its_time_out_is_cancelled_again(bus: Bus, clock: FakeClock) -> None:
    """Swallowing the first cancellation does not stop the watchdog, nor the worker."""
    cancellations = 0

    async def handler(event: Event[int]) -> None:
        nonlocal cancellations
        while event.payload == 0 and cancellations < 2:
            try:
                await anyio.sleep_forever()
            except asyncio.CancelledError:
                cancellations += 1

    sub = bus.on(PING, handler, timeout=1.0)
    await bus.publish(PING, 0)
    await clock.advance(4)
    assert cancellations == 2
    await bus.publish(PING, 1)
    await bus.drain()
    assert sub.stats().handled == 2  # it came to its end, if late
    assert sub.workers[0].cell.task is not None
    assert sub.workers[0].cell.task.cancelling() == 0


async def test_g4_many_quick_events_never_time_out(bus: Bus, clock: FakeClock) -> None:
    """The time-out is for one call, not for a batch."""

    async def handler(event: Event[int]) -> None:
        await clock.sleep(0.4)

    sub = bus.on(PING, handler, timeout=1.0)
    for number in range(10):
        await bus.publish(PING, number)
    await clock.advance(10)
    assert (sub.stats().handled, sub.stats().failed) == (10, 0)


async def test_the_last_event_is_not_kept_alive(bus: Bus) -> None:
    """Once handled, neither bus nor worker holds the event's payload."""

    class Payload:
        pass

    topic = Topic("thing:made", Payload)
    bus.on(topic, lambda event: None)

    async def fail(event: Event[Payload]) -> None:
        raise ValueError

    async def pass_on(event: Event[Payload]) -> None:
        await bus.publish(PING, 1)

    bus.on("thing:*", fail)
    bus.on(topic, pass_on, timeout=5.0)
    payload = Payload()
    alive = weakref.ref(payload)
    await bus.publish(topic, payload)
    del payload
    await bus.drain()
    await settle()
    gc.collect()
    assert alive() is None
