"""G9: who caused what."""

import asyncio
from datetime import UTC, datetime

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.errors import HopLimitExceeded
from gridbus.events import Event, Topic
from gridbus.events.system import BUS_HANDLER_FAILED, BUS_TASK_FAILED
from gridbus.testing import FakeClock, Recorder

PING: Topic[int] = Topic("ping:sent", int)
PONG: Topic[int] = Topic("pong:sent", int)
RELAY: Channel[int, int] = Channel("relay:ask", int, int)


async def test_g9_what_a_handler_publishes_carries_cause_and_correlation(bus: Bus) -> None:
    """Three events in a chain: each has the one before as its cause and the first as its correlation."""

    async def relay(event: Event[int]) -> None:
        await asyncio.sleep(0)
        if event.payload < 2:
            await bus.publish(PING, event.payload + 1)

    bus.on(PING, relay)
    with Recorder(bus) as events:
        await bus.publish(PING, 0)
        await bus.drain()
    first, second, third = events.events
    assert (first.causation_id, first.correlation_id, first.hops) == (None, first.id, 0)
    assert (second.causation_id, second.correlation_id, second.hops) == (first.id, first.id, 1)
    assert (third.causation_id, third.correlation_id, third.hops) == (second.id, first.id, 2)


async def test_g9_causes_cross_channels(bus: Bus) -> None:
    """What a server publishes has the event in the asker's hand as its cause."""

    async def serve(number: int) -> int:
        await bus.publish(PONG, number)
        return number

    async def ask(event: Event[int]) -> None:
        await bus.ask(RELAY, event.payload)

    bus.serve(RELAY, serve)
    bus.on(PING, ask)
    with Recorder(bus) as events:
        event = await bus.publish(PING, 1)
        await bus.drain()
    [pong] = events.of(PONG)
    assert pong.causation_id == event.id


async def test_g9_a_scope_s_task_keeps_the_cause_of_its_start(bus: Bus) -> None:
    """It may publish long after the handler has moved on."""
    scope = bus.scope("plugin")
    go = anyio.Event()

    async def later() -> None:
        await go.wait()
        await scope.publish(PONG, 1)

    async def start(event: Event[int]) -> None:
        if event.payload == 1:
            scope.start_soon(later)

    bus.on(PING, start)
    with Recorder(bus) as events:
        cause = await bus.publish(PING, 1)
        await bus.publish(PING, 2)
        await bus.drain()
        go.set()
        await bus.wait_for(PONG, timeout=2)
    [pong] = events.of(PONG)
    assert (pong.causation_id, pong.source) == (cause.id, "plugin")
    await scope.aclose()


async def test_g9_a_task_of_another_kind_has_no_cause_rather_than_a_wrong_one(bus: Bus) -> None:
    """A task group's child inherits the worker's context, but the worker may have moved on."""
    group: anyio.abc.TaskGroup
    go = anyio.Event()

    async def later() -> None:
        await go.wait()
        await bus.publish(PONG, 1)

    async def start(event: Event[int]) -> None:
        group.start_soon(later)

    bus.on(PING, start)
    with Recorder(bus) as events:
        async with anyio.create_task_group() as group:
            await bus.publish(PING, 1)
            await bus.drain()
            go.set()
    [pong] = events.of(PONG)
    assert pong.causation_id is None


async def test_g9_a_hop_limit_stops_event_storms(clock: FakeClock) -> None:
    """Two handlers that answer each other are stopped and reported."""
    async with Bus(clock=clock, hop_limit=10) as bus:

        async def ping(event: Event[int]) -> None:
            await bus.publish(PONG, event.payload + 1)

        async def pong(event: Event[int]) -> None:
            await bus.publish(PING, event.payload + 1)

        bus.on(PING, ping)
        bus.on(PONG, pong)
        with Recorder(bus) as events:
            await bus.publish(PING, 0)
            await bus.drain(timeout=2)
        assert len(events.of(PING)) + len(events.of(PONG)) == 11
        [failure] = events.payloads(BUS_HANDLER_FAILED)
        assert failure.error == HopLimitExceeded.__name__
        assert "hop_limit" in failure.message


async def test_g9_an_event_tells_its_id_time_and_source(bus: Bus, clock: FakeClock) -> None:
    """The envelope is complete without the payload."""
    await clock.advance(1.5)
    event = await bus.publish(PING, 1, source="somebody")
    assert (event.id, event.seq, event.source, event.topic) == ("bus-1", 1, "somebody", "ping:sent")
    assert event.at == datetime.fromtimestamp(1_700_000_001.5, UTC)


async def test_a_task_that_fails_is_published_and_ends_alone(bus: Bus) -> None:
    """The scope's other tasks run on."""
    scope = bus.scope("plugin")

    async def fail() -> None:
        raise ValueError("no")

    with Recorder(bus) as events:
        other = scope.start_soon(anyio.sleep_forever)
        job = scope.start_soon(fail)
        await job.wait()
        await asyncio.sleep(0)
    [fact] = events.payloads(BUS_TASK_FAILED)
    assert (fact.owner, fact.error, fact.message) == ("plugin", "ValueError", "no")
    assert isinstance(job.error, ValueError)
    assert not other.is_done
    assert (await scope.aclose()).is_clean
    assert other.is_done


@pytest.mark.parametrize("limit", [0, 1])
async def test_g9_the_hop_limit_counts_hops(clock: FakeClock, limit: int) -> None:
    """A limit of n lets n events follow from the first."""
    async with Bus(clock=clock, hop_limit=limit) as bus:

        async def again(event: Event[int]) -> None:
            await bus.publish(PING, event.payload + 1)

        bus.on(PING, again)
        with Recorder(bus) as events:
            await bus.publish(PING, 0)
            await bus.drain()
        assert len(events.of(PING)) == limit + 1
