"""Random traffic, cancellations and closings, checked against what must always hold."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import anyio
import pytest

from gridbus.bus import Bus, Overflow, Subscription
from gridbus.channels import Channel
from gridbus.errors import BusClosed, ChannelError, EventDropped, HandlerError, MailboxFull, ReentrancyError
from gridbus.events import Event, Topic
from gridbus.testing import Recorder, settle

TOPICS: list[Topic[int]] = [Topic(f"storm:t{number}", int) for number in range(4)]
POLICIES = [Overflow.BLOCK, Overflow.DROP_OLDEST, Overflow.DROP_NEWEST, Overflow.COALESCE]
ECHO: Channel[int, int] = Channel("storm:echo", int, int)


class Listener:
    """A handler that gives way, fails and is slow at random, and notes what it saw."""

    def __init__(self, dice: random.Random, *, concurrency: int, odd_only: bool) -> None:
        self.dice = dice
        self.odd_only = odd_only
        self.concurrency = concurrency
        self.running = 0
        self.seen: list[int] = []
        self.calls = 0

    async def __call__(self, event: Event[int]) -> None:
        """Handle one event."""
        self.calls += 1
        self.running += 1
        try:
            assert self.running <= self.concurrency
            self.seen.append(event.seq)
            for _ in range(self.dice.choice([0, 0, 0, 0, 1, 1, 5])):
                await asyncio.sleep(0)
            if self.dice.random() < 0.05:
                raise ValueError("at random")
        finally:
            self.running -= 1


@pytest.mark.parametrize("seed", range(25))
async def test_nothing_is_lost_doubled_or_overtaken_in_a_storm(seed: int) -> None:
    """Whatever the capacities, policies, cancellations and closings: each event is handled once, or counted as lost."""
    dice = random.Random(seed)
    async with Bus(grace=5.0) as bus, AsyncExitStack() as stack:
        traced = stack.enter_context(Recorder(bus))
        listeners: list[tuple[Subscription, Listener]] = []
        for number in range(12):
            concurrency = dice.choice([1, 1, 1, 3])
            listener = Listener(dice, concurrency=concurrency, odd_only=dice.random() < 0.3)
            overflow = dice.choice([Overflow.BLOCK, *POLICIES])
            sub = bus.on(
                dice.choice([*TOPICS, "storm:*", "*"]),
                listener,
                capacity=dice.choice([1, 2, 5, 1000]),
                overflow=overflow,
                key=(lambda event: event.seq % 3) if overflow is Overflow.COALESCE else None,
                concurrency=concurrency,
                where=(lambda event: event.seq % 2) if listener.odd_only else None,
                name=f"listener {number}",
            )
            listeners.append((sub, listener))

        async def publish() -> None:
            topic = dice.choice(TOPICS)
            verb = dice.choice([bus.publish, bus.publish, bus.publish, bus.publish_and_wait])
            try:
                if dice.random() < 0.2:
                    bus.publish_nowait(topic, 0)
                elif dice.random() < 0.2:
                    with anyio.move_on_after(dice.choice([0, 0.0005])):
                        await verb(topic, 0)
                else:
                    await verb(topic, 0)
            except* (MailboxFull, HandlerError, EventDropped):
                pass  # what the publisher is told of; the counts below say whether it was all

        async with anyio.create_task_group() as group:
            for step in range(300):
                group.start_soon(publish)
                if step == 150:
                    for sub, _ in dice.sample(listeners, 3):
                        group.start_soon(sub.aclose) if dice.random() < 0.5 else sub.close()
                if dice.random() < 0.3:
                    await asyncio.sleep(0)
        await bus.drain(timeout=10)
        await settle()

        for sub, listener in listeners:
            stats = sub.stats()
            assert stats.depth == 0, sub
            assert stats.handled + stats.failed == listener.calls == len(listener.seen), sub
            assert len(set(listener.seen)) == len(listener.seen), f"{sub} saw an event twice"
            if listener.concurrency == 1 and sub.mailbox.key is None:  # a newer one takes the place of the older
                assert listener.seen == sorted(listener.seen), f"{sub} saw events out of order"
            assert not sub.mailbox.putters
            assert not sub.mailbox.receipts
            if not sub.is_closed:
                wanted = [event for event in traced.of(sub.topic) if not listener.odd_only or event.seq % 2]
                counted = len(listener.seen) + stats.dropped + stats.skipped
                assert len(wanted) == counted, f"{sub} lost an event without a word"
        assert bus._activity.busy == 0
        assert [event.seq for event in traced.events] == list(range(1, bus.stats().published + 1))


@pytest.mark.parametrize("seed", range(10))
async def test_each_request_is_answered_or_told_why_not(seed: int) -> None:
    """Askers are cancelled, time out, and lose their server; nobody waits for ever, and the server never stops."""
    dice = random.Random(seed)
    outcomes: Counter[str] = Counter()
    async with Bus() as bus:

        async def serve(number: int) -> int:
            for _ in range(dice.choice([0, 1, 3])):
                await asyncio.sleep(0)
            if number % 7 == 0:
                raise ValueError("seven")
            if number % 11 == 0 and number < 100:
                return await bus.ask(ECHO, number + 1, to=dice.choice(["a", "b"]))
            return number

        servers = [
            bus.serve(ECHO, serve, owner=owner, capacity=dice.choice([1, 3, 100]), concurrency=dice.choice([1, 2]))
            for owner in ("a", "b")
        ]

        async def ask(number: int) -> None:
            try:
                with anyio.move_on_after(dice.choice([0.0005, 5, 5])) as scope:
                    reply = await bus.ask(ECHO, number, to=dice.choice(["a", "b"]), timeout=dice.choice([0.001, 5.0]))
                    outcomes["reply"] += 1
                    assert reply in (number, number + 1)
                if scope.cancelled_caught:
                    outcomes["cancelled"] += 1
            except (ChannelError, ReentrancyError) as error:
                outcomes[type(error).__name__] += 1

        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(ask, number)
                if dice.random() < 0.3:
                    await asyncio.sleep(0)
                if number == 150:
                    servers[0].close()
        assert sum(outcomes.values()) == 200, outcomes
        assert outcomes["reply"] > 0
        await bus.drain(timeout=5)
        assert await bus.ask(ECHO, 1, to="b") == 1


async def test_opening_and_closing_under_traffic_leaves_nothing() -> None:
    """Subscriptions come and go while events flow; in the end no task is left but this one."""
    before = len(asyncio.all_tasks())
    handled = 0

    async def handler(event: Event[int]) -> None:
        nonlocal handled
        handled += 1
        await asyncio.sleep(0)

    async with Bus() as bus:
        stop = False

        async def traffic() -> None:
            while not stop:
                await bus.publish(TOPICS[0], 1)
                await asyncio.sleep(0)

        async def churn() -> None:
            for _ in range(50):
                scope = bus.scope("churn")
                for _ in range(5):
                    scope.on("storm:*", handler)
                scope.start_soon(anyio.sleep_forever)
                await asyncio.sleep(0)
                assert (await scope.aclose(grace=1.0)).errors == ()

        async with anyio.create_task_group() as group:
            group.start_soon(traffic)
            async with anyio.create_task_group() as churning:
                for _ in range(4):
                    churning.start_soon(churn)
            stop = True
        assert bus.stats().subscriptions == ()
    await asyncio.sleep(0)
    assert handled > 100
    assert len(asyncio.all_tasks()) == before
    with pytest.raises(BusClosed):
        await bus.publish(TOPICS[0], 1)
