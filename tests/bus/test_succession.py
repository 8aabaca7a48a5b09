"""One scope taking over from another between two events: nothing lost, nothing twice, in order."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gridbus.bus import Batch, Bus, Debounce, Draft, Overflow, Scope
from gridbus.bus.succession import Succession
from gridbus.channels import Channel
from gridbus.errors import AlreadyServed, ChannelTypeError
from gridbus.events import Event
from gridbus.testing import FakeClock
from tests.bus.hearing import ASK, TICK, Hearing, Tick, scopes


async def test_what_is_not_live_hears_nothing(bus: Bus, log: list[tuple[str, int]]) -> None:
    """A subscription of a scope that is not live gets events from its going live on."""
    _, new = scopes(bus)
    new.on(TICK, Hearing("new", log).hear)
    await bus.publish(TICK, Tick(1))
    new.go_live()
    await bus.publish(TICK, Tick(2))
    await bus.drain()
    assert log == [("new", 2)]


async def test_a_swap_loses_nothing_and_keeps_the_order(bus: Bus, log: list[tuple[str, int]]) -> None:
    """What waits goes to the new one, which begins when the old one's handler has ended."""
    old, new = scopes(bus)
    first, second = Hearing("old", log), Hearing("new", log)
    first.gate = anyio.Event()
    old.on(TICK, first.hear)
    new.on(TICK, second.hear)
    for number in range(5):
        await bus.publish(TICK, Tick(number))
    await first.begun.wait()
    assert Succession(old, new).swap() == 4
    await bus.publish(TICK, Tick(5))
    await checkpoint()
    assert log == []  # one at a time: the old one has the first in hand
    first.gate.set()
    await bus.drain()
    assert log == [("old", 0), *(("new", number) for number in range(1, 6))]


async def test_a_stride_of_quick_handlers_ends_at_the_swap(bus: Bus) -> None:
    """The batch that a worker is in the middle of goes on with the new handler."""
    old, new = scopes(bus)
    heard: list[str] = []
    successions: list[Succession] = []

    async def before(event: Event[Tick]) -> None:
        heard.append("old")
        if event.payload.number == 299:
            successions[0].swap()

    async def after(event: Event[Tick]) -> None:
        heard.append("new")

    old.on(TICK, before, capacity=1000)
    new.on(TICK, after, capacity=1000)
    successions.append(Succession(old, new))
    for number in range(600):
        bus.publish_nowait(TICK, Tick(number))
    await bus.drain()
    assert heard == ["old"] * 300 + ["new"] * 300


async def test_settling_gives_up_in_time(clock: FakeClock, bus: Bus, log: list[tuple[str, int]]) -> None:
    """A handler that does not end is left behind; the swap works all the same."""
    old, new = scopes(bus)
    stuck, heir = Hearing("old", log), Hearing("new", log)
    stuck.gate = anyio.Event()
    old.on(TICK, stuck.hear)
    new.on(TICK, heir.hear)
    await bus.publish(TICK, Tick(1))
    await bus.publish(TICK, Tick(2))
    await stuck.begun.wait()
    succession = Succession(old, new)
    outcome: list[bool] = []

    async def settle() -> None:
        outcome.append(await succession.standstill.settle(within=1))

    async with anyio.create_task_group() as group:
        group.start_soon(settle)
        while not outcome:
            await checkpoint()
            await clock.advance(0.05)
    assert outcome == [False]
    assert succession.swap() == 1
    assert await old.hush(grace=0) == 1  # what hangs is cancelled, and counted
    await bus.drain()
    assert log == [("new", 2)]


@pytest.mark.parametrize("pace", [Batch(10, 60), Debounce(60)])
async def test_what_a_pace_has_gathered_is_handed_over(bus: Bus, pace: Any) -> None:
    """A worker that gathers gives back what it has, and the new one gathers it anew."""
    old, new = scopes(bus)
    heard: list[int] = []

    async def never(events: Any) -> None:
        raise AssertionError("the old one handles nothing")

    async def hear(event: Event[Tick]) -> None:
        heard.append(event.payload.number)

    old.on(TICK, never, pace=pace)
    new.on(TICK, hear)
    await bus.publish(TICK, Tick(1))
    await checkpoint()
    await bus.publish(TICK, Tick(2))
    await checkpoint()
    succession = Succession(old, new)
    assert await succession.standstill.settle(within=1)
    waiting = succession.swap()
    await bus.drain()
    assert heard == ([1, 2] if isinstance(pace, Batch) else [2])
    assert waiting == len(heard)
    assert await old.hush() == 0


async def test_publishers_that_wait_for_room_follow(bus: Bus, log: list[tuple[str, int]]) -> None:
    """A full mailbox's publishers are let in by the new one."""
    old, new = scopes(bus)
    stuck = Hearing("old", log)
    stuck.gate = anyio.Event()
    old.on(TICK, stuck.hear, capacity=1)
    new.on(TICK, Hearing("new", log).hear, capacity=1)
    await bus.publish(TICK, Tick(0))
    await stuck.begun.wait()
    async with anyio.create_task_group() as group:
        for number in (1, 2, 3):
            group.start_soon(bus.publish, TICK, Tick(number))
            await checkpoint()
        Succession(old, new).swap()
        stuck.gate.set()
    await bus.drain()
    assert log == [("old", 0), ("new", 1), ("new", 2), ("new", 3)]


async def test_whoever_waits_for_handlers_hears_of_the_new_ones(bus: Bus, log: list[tuple[str, int]]) -> None:
    """``publish_and_wait`` returns when the new generation has handled the event."""
    old, new = scopes(bus)
    stuck = Hearing("old", log)
    stuck.gate = anyio.Event()
    old.on(TICK, stuck.hear)
    new.on(TICK, Hearing("new", log).hear)
    await bus.publish(TICK, Tick(0))
    await stuck.begun.wait()
    async with anyio.create_task_group() as group:
        group.start_soon(bus.publish_and_wait, TICK, Tick(1))
        await checkpoint()
        Succession(old, new).swap()
        stuck.gate.set()
    assert log == [("old", 0), ("new", 1)]


async def test_requests_follow_where_the_types_are_the_same(bus: Bus) -> None:
    """A request that waits is answered by the new server; one of other types by the old."""
    for new_channel, answers in ((ASK, ["old 1", "new 2"]), (Channel("plugin-a:ask", int, object), ["old 1", "old 2"])):
        old, new = scopes(bus)
        gate, begun = anyio.Event(), anyio.Event()

        async def slow(message: int, gate: anyio.Event = gate, begun: anyio.Event = begun) -> str:
            begun.set()
            await gate.wait()
            return f"old {message}"

        async def quick(message: int) -> str:
            return f"new {message}"

        old.serve(ASK, slow)
        new.serve(new_channel, quick)
        replies: list[str] = []

        async def ask(message: int, replies: list[str] = replies) -> None:
            replies.append(await bus.ask(ASK, message))

        async with anyio.create_task_group() as group:
            group.start_soon(ask, 1)
            group.start_soon(ask, 2)
            await begun.wait()
            Succession(old, new).swap()
            gate.set()
        assert sorted(replies, key=lambda text: text[-1]) == answers
        await old.aclose()
        await new.aclose()


async def test_a_channel_that_another_serves_with_other_types_stops_the_swap(bus: Bus) -> None:
    """Nothing has changed then: the old one goes on."""
    old, new = scopes(bus)

    async def answer(message: int) -> str:
        return "old"

    old.serve(ASK, answer)
    other: Channel[str, str] = Channel("plugin-a:ask", str, str)
    new.serve(other, lambda message: message)
    with pytest.raises(AlreadyServed):
        new.serve(other, lambda message: message)
    bus.serve(ASK, answer, owner="b")
    with pytest.raises(ChannelTypeError):
        Succession(old, new).swap()
    assert await bus.ask(ASK, 1, to="a") == "old"


async def test_the_new_ones_take_the_old_ones_place_in_line(bus: Bus, log: list[tuple[str, int]]) -> None:
    """Among all that hear a topic, and among interceptors, the place stays."""
    old, new = scopes(bus)
    order: list[str] = []
    old.intercept(TICK, lambda draft: order.append("old"))
    bus.intercept(TICK, lambda draft: order.append("other"))

    def guard(draft: Draft[Tick]) -> None:
        order.append("new")

    new.intercept(TICK, guard)
    old.on(TICK, Hearing("old", log).hear, name="hear")
    bus.on(TICK, Hearing("other", log).hear)
    new.on(TICK, Hearing("new", log).hear, name="hear")
    await bus.drain()  # all of them wait for events now, and are woken in their order
    Succession(old, new).swap()
    await bus.publish(TICK, Tick(1))
    await bus.drain()
    assert order == ["new", "other"]
    assert log == [("new", 1), ("other", 1)]


async def test_what_is_no_longer_heard_is_handled_by_the_old_one(bus: Bus, log: list[tuple[str, int]]) -> None:
    """Events that the new code has no handler for are not lost."""
    old, new = scopes(bus)
    old.on(TICK, Hearing("old", log).hear)
    await bus.publish(TICK, Tick(1))
    assert Succession(old, new).swap() == 0
    await bus.publish(TICK, Tick(2))
    assert await old.hush() == 0
    assert log == [("old", 1)]


async def test_a_renamed_handler_is_the_heir_all_the_same(bus: Bus, log: list[tuple[str, int]]) -> None:
    """Of those that hear the same the name decides first, and the order after that."""
    old, new = scopes(bus)
    one, two = Hearing("old one", log), Hearing("old two", log)
    old.on(TICK, one.hear, name="one")
    old.on(TICK, two.hear, name="two")
    new.on(TICK, Hearing("new two", log).hear, name="two")
    new.on(TICK, Hearing("renamed", log).hear, name="uno")
    await bus.publish(TICK, Tick(1))
    Succession(old, new).swap()
    await bus.drain()
    assert sorted(log) == [("new two", 1), ("renamed", 1)]


async def test_coalesced_events_stay_coalesced(bus: Bus) -> None:
    """A new mailbox that coalesces keeps the newest of each key out of what waits."""
    old, new = scopes(bus)
    heard: list[int] = []
    old.on(TICK, lambda event: None)
    new.on(
        TICK,
        lambda event: heard.append(event.payload.number),
        overflow=Overflow.COALESCE,
        key=lambda event: event.payload.number % 2,
    )
    for number in range(6):
        bus.publish_nowait(TICK, Tick(number))
    Succession(old, new).swap()
    await bus.drain()
    assert heard == [4, 5]


async def test_a_predicate_of_the_new_one_holds_for_what_waits(bus: Bus, log: list[tuple[str, int]]) -> None:
    """What the new code does not want is skipped, and counted."""
    old, new = scopes(bus)
    old.on(TICK, Hearing("old", log).hear)
    heir = new.on(TICK, Hearing("new", log).hear, where=lambda event: event.payload.number > 1)
    for number in (1, 2):
        bus.publish_nowait(TICK, Tick(number))
    Succession(old, new).swap()
    await bus.drain()
    assert log == [("new", 2)]
    assert heir.stats().skipped == 1


async def test_streams_are_handed_over_to_streams_that_read(bus: Bus) -> None:
    """What waits to be read goes to the new reader; the old one ends."""
    old, new = scopes(bus)
    read: list[tuple[str, int]] = []

    async def follow(scope: Scope, name: str) -> None:
        async with scope.stream(TICK) as events:
            async for event in events:
                read.append((name, event.payload.number))
                if event.payload.number == 3:
                    return

    async with anyio.create_task_group() as group:
        group.start_soon(follow, old, "old")
        group.start_soon(follow, new, "new")
        await checkpoint()
        await bus.publish(TICK, Tick(1))
        await checkpoint()
        await checkpoint()
        bus.publish_nowait(TICK, Tick(2))
        Succession(old, new).swap()
        await bus.publish(TICK, Tick(3))
    assert read == [("old", 1), ("new", 2), ("new", 3)]


async def test_swapping_again_and_again_under_load(bus: Bus) -> None:
    """Fifty generations handle all of ten thousand events once and in order."""
    heard: list[int] = []

    async def hear(event: Event[Tick]) -> None:
        if event.payload.number % 7 == 0:
            await checkpoint()
        heard.append(event.payload.number)

    async def publish() -> None:
        for number in range(10_000):
            await bus.publish(TICK, Tick(number))
            if number % 50 == 0:
                await checkpoint()

    serving = bus.scope("a")
    serving.on(TICK, hear)
    async with anyio.create_task_group() as group:
        group.start_soon(publish)
        for turn in range(50):
            heir = bus.scope("a", live=False)
            heir.on(TICK, hear)
            succession = Succession(serving, heir)
            if turn % 2:
                await succession.standstill.settle(within=1)
            succession.swap()
            assert (await serving.aclose()).is_clean
            serving = heir
    await bus.drain()
    assert heard == list(range(10_000))


async def test_a_handler_that_ignores_its_cancellation_does_not_keep_the_new_one_from_beginning(
    bus: Bus, log: list[tuple[str, int]]
) -> None:
    """It is left behind, and what it goes on to do is its own affair."""
    old, new = scopes(bus)
    begun, go = anyio.Event(), anyio.Event()

    async def stubborn(event: Event[Tick]) -> None:
        begun.set()
        while not go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go.wait()

    old.on(TICK, stubborn)
    new.on(TICK, Hearing("new", log).hear)
    for number in (1, 2):
        await bus.publish(TICK, Tick(number))
    await begun.wait()
    assert Succession(old, new).swap() == 1
    assert await old.hush(grace=0) == 1
    for _ in range(5):
        await checkpoint()
    assert log == [("new", 2)]
    go.set()
    await bus.drain()
