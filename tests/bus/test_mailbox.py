"""G3: bounded mailboxes and their overflow policies."""

import anyio
import pytest

from gridbus.bus import Bus, Overflow
from gridbus.errors import MailboxFull, SubscriptionError
from gridbus.events import Event, Topic
from gridbus.events.system import BUS_SLOW_SUBSCRIBER
from gridbus.testing import FakeClock, Recorder, settle

PING: Topic[int] = Topic("ping:sent", int)


class Stuck:
    """A handler that waits until it is freed."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.freed = anyio.Event()

    async def __call__(self, event: Event[int]) -> None:
        """Note the event and wait."""
        self.seen.append(event.payload)
        await self.freed.wait()


async def fill(bus: Bus, count: int) -> None:
    """Publish 0, let it reach the handler, publish the others."""
    await bus.publish(PING, 0)
    await settle()
    for number in range(1, count):
        await bus.publish(PING, number)


async def test_g3_drop_oldest_keeps_the_newest_event(bus: Bus) -> None:
    """Overflow loses the oldest event that waits and counts the loss."""
    stuck = Stuck()
    sub = bus.on(PING, stuck, capacity=2, overflow=Overflow.DROP_OLDEST)
    await fill(bus, 6)
    assert (sub.stats().depth, sub.stats().dropped) == (2, 3)
    stuck.freed.set()
    await bus.drain()
    assert stuck.seen == [0, 4, 5]
    assert sub.stats().handled == 3


async def test_g3_drop_oldest_drops_from_a_batch_that_is_being_handled(bus: Bus) -> None:
    """What the worker has taken and not handled still counts as waiting, and is the oldest."""
    stuck = Stuck()
    sub = bus.on(PING, stuck, capacity=3, overflow=Overflow.DROP_OLDEST)
    for number in range(3):  # taken as one batch
        await bus.publish(PING, number)
    await settle()
    for number in range(3, 6):
        await bus.publish(PING, number)
    assert sub.stats().depth == 3
    stuck.freed.set()
    await bus.drain()
    assert stuck.seen == [0, 3, 4, 5]
    assert (sub.stats().handled, sub.stats().dropped) == (4, 2)


async def test_g3_drop_newest_keeps_what_waits(bus: Bus) -> None:
    """Overflow loses the event that came last."""
    stuck = Stuck()
    sub = bus.on(PING, stuck, capacity=2, overflow=Overflow.DROP_NEWEST)
    await fill(bus, 6)
    stuck.freed.set()
    await bus.drain()
    assert stuck.seen == [0, 1, 2]
    assert sub.stats().dropped == 3


async def test_g3_fail_refuses_the_event_for_everybody(bus: Bus) -> None:
    """The publisher gets MailboxFull; no mailbox has the event, no number is taken."""
    stuck, seen = Stuck(), []
    bus.on(PING, lambda event: seen.append(event.payload))
    bus.on(PING, stuck, capacity=1, overflow=Overflow.FAIL, owner="strict")
    await fill(bus, 2)
    with pytest.raises(MailboxFull, match="'strict' is full"):
        await bus.publish(PING, 2)
    stuck.freed.set()
    await bus.drain()
    event = await bus.publish(PING, 3)
    await bus.drain()
    assert (seen, stuck.seen, event.seq) == ([0, 1, 3], [0, 1, 3], 3)


async def test_g3_coalesce_keeps_the_newest_event_of_each_key(bus: Bus) -> None:
    """A new event takes the place of the one that waits with the same key."""
    stuck = Stuck()
    sub = bus.on(PING, stuck, overflow=Overflow.COALESCE, key=lambda event: event.payload % 10)
    await fill(bus, 1)
    for number in (1, 2, 11, 3, 12, 21):
        await bus.publish(PING, number)
    assert sub.stats().depth == 3
    stuck.freed.set()
    await bus.drain()
    assert stuck.seen == [0, 21, 12, 3]
    assert (sub.stats().skipped, sub.stats().dropped) == (3, 0)


async def test_g3_block_waits_until_there_is_room(bus: Bus) -> None:
    """The publisher goes on when the handler has taken the next event."""
    stuck = Stuck()
    sub = bus.on(PING, stuck, capacity=1)
    published: list[int] = []

    async def publish() -> None:
        for number in range(4):
            await bus.publish(PING, number)
            published.append(number)

    async with anyio.create_task_group() as group:
        group.start_soon(publish)
        await settle()
        assert published == [0, 1]
        stuck.freed.set()
    await bus.drain()
    assert stuck.seen == [0, 1, 2, 3]
    assert sub.stats().dropped == 0


async def test_g3_block_has_a_deadline_and_counts_what_it_loses(bus: Bus, clock: FakeClock) -> None:
    """After the deadline the event is lost to that subscriber; while that lasts nobody else waits."""
    stuck, seen = Stuck(), []
    sub = bus.on(PING, stuck, capacity=1, block_timeout=2.0, owner="slow")
    bus.on(PING, lambda event: seen.append(event.payload))
    with Recorder(bus) as events:
        await fill(bus, 2)
        async with anyio.create_task_group() as group:
            group.start_soon(bus.publish, PING, 2)
            await clock.advance(1.9)
            assert sub.stats().dropped == 0
            await clock.advance(0.2)
            assert sub.stats().dropped == 1
        await bus.publish(PING, 3)  # at once: it is known to be stuck
        assert sub.stats().dropped == 2
        stuck.freed.set()
        await bus.drain()
        await bus.publish(PING, 4)
        await bus.drain()
    assert stuck.seen == [0, 1, 4]
    assert seen == [0, 1, 2, 3, 4]
    [report] = events.payloads(BUS_SLOW_SUBSCRIBER)
    assert (report.owner, report.dropped, report.topic) == ("slow", 1, "ping:sent")


async def test_g3_a_slow_subscriber_is_reported_once_per_episode(bus: Bus) -> None:
    """A second report comes only after the mailbox had room again."""
    stuck = Stuck()
    bus.on(PING, stuck, capacity=1, overflow=Overflow.DROP_NEWEST)
    with Recorder(bus) as events:
        await fill(bus, 10)
        await settle()
        assert len(events.of(BUS_SLOW_SUBSCRIBER)) == 1
        stuck.freed.set()
        await bus.drain()
        stuck.freed = anyio.Event()
        await fill(bus, 10)
        await settle()
        assert len(events.of(BUS_SLOW_SUBSCRIBER)) == 2
        stuck.freed.set()


async def test_g3_a_report_about_itself_does_not_feed_on_itself(bus: Bus) -> None:
    """A slow subscriber that hears its own reports loses them without new ones."""
    stuck = Stuck()
    sub = bus.on("*", stuck, capacity=1, overflow=Overflow.DROP_NEWEST)
    with Recorder(bus) as events:
        await fill(bus, 5)
        await settle()
    assert len(events.of(BUS_SLOW_SUBSCRIBER)) == 1
    assert sub.stats().dropped == 4
    stuck.freed.set()


@pytest.mark.parametrize("overflow", [Overflow.BLOCK, Overflow.DROP_OLDEST, Overflow.DROP_NEWEST])
async def test_g3_depth_never_passes_the_capacity(bus: Bus, overflow: Overflow) -> None:
    """Events taken as a batch count until they are handled."""
    depths: list[int] = []

    async def handler(event: Event[int]) -> None:
        depths.append(sub.stats().depth)
        if event.payload % 5 == 0:
            await anyio.lowlevel.checkpoint()

    sub = bus.on(PING, handler, capacity=4, overflow=overflow)
    for number in range(100):
        await bus.publish(PING, number)
        depths.append(sub.stats().depth)
        if number % 7 == 0:
            await anyio.lowlevel.checkpoint()
    await bus.drain()
    assert max(depths) <= 4
    stats = sub.stats()
    assert stats.handled + stats.dropped == 100


async def test_a_predicate_keeps_events_out_of_the_mailbox(bus: Bus) -> None:
    """What it refuses never counts; one that raises is reported and its event counted as dropped."""
    stuck = Stuck()
    sub = bus.on(PING, stuck, capacity=1, where=lambda event: 10 / event.payload > 2, overflow=Overflow.FAIL)
    for number in (5, 7, 9, 4):
        await bus.publish(PING, number)
    assert sub.stats().depth == 1
    assert sub.stats().dropped == 0
    with Recorder(bus) as events:
        await bus.publish(PING, 0)
        await settle()
    assert events.topics == ["ping:sent", "bus:handler_failed"]
    assert sub.stats().dropped == 1
    stuck.freed.set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 0}, "capacity is a whole number of at least 1"),
        ({"capacity": 1.5}, "capacity"),
        ({"concurrency": 0}, "concurrency"),
        ({"timeout": 0}, "timeout"),
        ({"block_timeout": -1}, "block_timeout"),
        ({"overflow": "block"}, "Overflow.BLOCK"),
        ({"key": str}, "key is for Overflow.COALESCE"),
    ],
)
async def test_options_that_cannot_work_are_refused(bus: Bus, options: dict[str, object], message: str) -> None:
    """The error names the option and its range."""

    async def handler(event: Event[int]) -> None: ...

    with pytest.raises(SubscriptionError, match=message):
        bus.on(PING, handler, **options)  # type: ignore[call-overload]
    assert not bus.stats().subscriptions
