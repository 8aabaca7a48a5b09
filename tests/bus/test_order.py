"""G1, G2: order, and what publishing waits for."""

import asyncio

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbus.bus import Bus, Overflow
from gridbus.errors import BusClosed, EventDropped, HandlerError, MailboxFull
from gridbus.events import Event, Topic
from gridbus.testing import settle

PING: Topic[int] = Topic("ping:sent", int)


class Gate:
    """A handler that stops at each event until it is let go on."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.tickets = anyio.Semaphore(0)

    async def __call__(self, event: Event[int]) -> None:
        """Note the event, then wait for a ticket."""
        self.seen.append(event.payload)
        await self.tickets.acquire()

    async def let(self, count: int) -> None:
        """Let the handler end ``count`` times."""
        for _ in range(count):
            self.tickets.release()
        await settle()


async def test_g1_events_come_in_publish_order_one_at_a_time(bus: Bus) -> None:
    """A handler that gives way is not called again before it has ended."""
    running, seen = 0, []

    async def handler(event: Event[int]) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        seen.append(event.payload)
        running -= 1

    bus.on(PING, handler)
    for number in range(300):
        await bus.publish(PING, number)
    await bus.drain()
    assert seen == list(range(300))


async def test_g1_concurrency_runs_that_many_handlers(bus: Bus) -> None:
    """With concurrency=3 three events are in hand, the fourth waits."""
    gate = Gate()
    sub = bus.on(PING, gate, concurrency=3)
    for number in range(5):
        await bus.publish(PING, number)
    await settle()
    assert gate.seen == [0, 1, 2]
    assert sub.stats().depth == 2
    await gate.let(5)
    await bus.drain()
    assert gate.seen == [0, 1, 2, 3, 4]


async def test_g1_order_holds_past_blocked_publishers(bus: Bus) -> None:
    """A publisher that finds room does not overtake those who wait for it."""
    gate = Gate()
    bus.on(PING, gate, capacity=2, block_timeout=60)
    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(bus.publish, PING, number)
        await settle()
        assert gate.seen == [0]
        for _ in range(8):
            await gate.let(1)
    await gate.let(1)
    await bus.drain()
    assert gate.seen == list(range(8))


@settings(max_examples=40, deadline=None)
@given(
    capacity=st.integers(1, 5),
    bursts=st.lists(st.integers(0, 7), max_size=12),
    concurrency=st.just(1),
)
def test_g1_order_holds_for_any_capacity_and_rhythm(capacity: int, bursts: list[int], concurrency: int) -> None:
    """Whatever the capacity and the bursts, nothing is lost, doubled or overtaken."""

    async def main() -> None:
        async with Bus() as bus:
            seen: list[int] = []

            async def handler(event: Event[int]) -> None:
                if event.payload % 3 == 0:
                    await asyncio.sleep(0)
                seen.append(event.payload)

            sub = bus.on(PING, handler, capacity=capacity, concurrency=concurrency)
            sent = 0
            for burst in bursts:
                async with anyio.create_task_group() as group:
                    for _ in range(burst):
                        group.start_soon(bus.publish, PING, sent)
                        sent += 1
                assert sub.stats().depth <= capacity
            await bus.drain()
            assert seen == list(range(sent))

    asyncio.run(main())


async def test_g2_publish_does_not_wait_for_handlers(bus: Bus) -> None:
    """Publishing returns while the handler is stuck, and starts no task."""
    gate = Gate()
    bus.on(PING, gate)
    tasks = len(asyncio.all_tasks())
    event = await bus.publish(PING, 1)
    assert (event.seq, event.id, event.source) == (1, "bus-1", "app")
    await settle()
    await bus.publish(PING, 2)
    assert gate.seen == [1]
    assert len(asyncio.all_tasks()) == tasks
    await gate.let(2)


async def test_g2_publish_does_not_give_way_while_there_is_room(bus: Bus) -> None:
    """Ten thousand publishes in a row run without one turn of the loop, as long as mailboxes have room."""
    bus.on(PING, lambda event: None, capacity=10_000)
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1

    asyncio.get_running_loop().call_soon(turn)
    for number in range(10_000):
        await bus.publish(PING, number)
    assert turns == 0
    await bus.drain()


async def test_g2_publish_and_wait_waits_for_each_handler(bus: Bus) -> None:
    """It returns after the slowest handler, and only that event's."""
    gate = Gate()
    done: list[int] = []
    bus.on(PING, gate)
    async with anyio.create_task_group() as group:

        async def publish() -> None:
            await bus.publish_and_wait(PING, 1)
            done.append(1)

        group.start_soon(publish)
        await settle()
        await bus.publish(PING, 2)
        assert done == []
        await gate.let(1)
        assert done == [1]
        assert gate.seen == [1, 2]
        await gate.let(1)


async def test_g2_publish_and_wait_raises_one_group_of_handler_errors(bus: Bus) -> None:
    """Each failure is a HandlerError with the handler's own exception as its cause; the others ran."""
    ran: list[int] = []

    async def bad(event: Event[int]) -> None:
        raise KeyError(event.payload)

    def worse(event: Event[int]) -> None:
        raise SystemExit(3)

    bus.on(PING, bad, owner="one")
    bus.on(PING, lambda event: ran.append(event.payload))
    bus.on(PING, worse, owner="two")
    with pytest.raises(ExceptionGroup) as caught:
        await bus.publish_and_wait(PING, 7)
    assert ran == [7]
    errors = caught.value.exceptions
    assert [type(error) for error in errors] == [HandlerError, HandlerError]
    assert {error.owner for error in errors if isinstance(error, HandlerError)} == {"one", "two"}
    assert {type(error.__cause__) for error in errors} == {KeyError, SystemExit}


async def test_g2_publish_and_wait_waits_with_concurrent_and_coalescing_mailboxes(bus: Bus) -> None:
    """Receipts are settled wherever an event is handled, replaced or dropped."""
    gate = Gate()
    bus.on(PING, gate, concurrency=2)
    slow = Gate()
    bus.on(PING, slow, overflow=Overflow.DROP_OLDEST, capacity=1)
    async with anyio.create_task_group() as group:
        errors: list[BaseException] = []

        async def publish(number: int) -> None:
            try:
                await bus.publish_and_wait(PING, number)
            except ExceptionGroup as caught:
                errors.extend(caught.exceptions)

        for number in range(3):
            group.start_soon(publish, number)
        await settle()
        await gate.let(3)
        await slow.let(3)
    assert [type(error) for error in errors] == [EventDropped] * len(errors)
    assert len(errors) == 3 - len(slow.seen)


async def test_g2_publish_and_wait_waits_for_the_others_where_one_mailbox_loses_the_event(bus: Bus) -> None:
    """A loss on the way to the first mailbox is no reason to go on before the last handler has ended."""
    full, gate = Gate(), Gate()
    bus.on(PING, full, capacity=1, overflow=Overflow.DROP_NEWEST)
    for number in range(2):
        await bus.publish(PING, number)
        await settle()
    bus.on(PING, gate)
    job = bus.start_job(bus.publish_and_wait, PING, 2)
    await settle()
    assert (gate.seen, job.is_done) == ([2], False)
    await gate.let(1)
    await job.wait()
    assert isinstance(job.error, ExceptionGroup)
    assert [type(error) for error in job.error.exceptions] == [EventDropped]
    await full.let(2)


async def test_sequence_numbers_have_no_gaps(bus: Bus) -> None:
    """Refused and failed publishes take no number."""
    gate = Gate()
    bus.on(PING, gate, capacity=1)
    numbers = [(await bus.publish(PING, 0)).seq]
    await settle()
    numbers.append(bus.publish_nowait(PING, 1).seq)
    with pytest.raises(MailboxFull, match="await publish"):
        bus.publish_nowait(PING, 2)
    await gate.let(1)
    numbers.append(bus.publish_nowait(PING, 3).seq)
    assert numbers == [1, 2, 3]
    await gate.let(2)


async def test_publish_nowait_is_all_or_nothing(bus: Bus) -> None:
    """Where one mailbox is full nobody gets the event."""
    seen: list[int] = []
    bus.on(PING, lambda event: seen.append(event.payload))
    gate = Gate()
    bus.on(PING, gate, capacity=1)
    bus.publish_nowait(PING, 1)
    with pytest.raises(MailboxFull):
        bus.publish_nowait(PING, 2)
    await settle()
    assert seen == [1]
    await gate.let(1)


async def test_publishing_before_opening_or_after_closing_is_refused() -> None:
    """The error says what to do."""
    bus = Bus()
    with pytest.raises(BusClosed, match="async with Bus"):
        await bus.publish(PING, 1)
    async with bus:
        await bus.publish(PING, 1)
    with pytest.raises(BusClosed, match="closed"):
        await bus.publish(PING, 1)
    with pytest.raises(BusClosed, match="make a new one"):
        async with bus:
            pass
