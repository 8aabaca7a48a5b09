"""What is reached: topics, patterns, payload types; streams, waits, traces, statistics, middleware, scopes."""

import logging

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.bus import Bus, Overflow, logged, only, validated
from gridbus.bus.latency import Latency
from gridbus.bus.registry import Registry
from gridbus.errors import BusClosed, SubscriptionError, TopicError
from gridbus.events import Event, Topic, matches
from gridbus.events.system import BUS_HANDLER_FAILED
from gridbus.testing import FakeClock, Recorder, settle

PING: Topic[int] = Topic("ping:sent", int)
WORDS: Topic[str] = Topic("word:said", str)


@attrs.frozen
class Animal:
    """A payload with a subclass."""


@attrs.frozen
class Cat(Animal):
    """A payload of a subclass."""


ANIMAL: Topic[Animal] = Topic("animal:seen", Animal)


@pytest.mark.parametrize("pattern", ["ping:sent", "ping:*", "*:sent", "*", "*:*"])
async def test_patterns_match_by_noun_and_verb(bus: Bus, pattern: str) -> None:
    """A star stands for one part, or alone for all."""
    seen: list[object] = []
    bus.on(pattern, lambda event: seen.append(event.payload))
    await bus.publish(PING, 1)
    await bus.publish(WORDS, "no") if pattern not in ("*", "*:*") else None
    await bus.drain()
    assert seen == [1]


segments = st.sampled_from(["row", "col", "a.b", "x-y", "create", "*"])


@given(pattern=st.tuples(segments, segments), topic=st.tuples(segments, segments))
def test_the_index_finds_what_matching_says(pattern: tuple[str, str], topic: tuple[str, str]) -> None:
    """Looking up a topic and matching patterns one by one agree."""
    if "*" in topic:
        return

    @attrs.frozen(eq=False)
    class Entry:
        order: int = 0

    registry: Registry[Entry] = Registry()
    text, name = ":".join(pattern), Topic(":".join(topic))
    entry = Entry()
    registry.add(text, entry)
    assert (registry.find(name) == [entry]) == matches(text, name)
    registry.remove(text, entry)
    registry.remove(text, entry)
    assert registry.find(name) == []
    assert len(registry) == 0


@pytest.mark.parametrize("name", ["", "row", "row:", ":create", "row:create:x", "row create", "r*:x", "row:\n", "é:x"])
async def test_names_that_break_the_grammar_are_refused(bus: Bus, name: str) -> None:
    """The error shows the name and the grammar."""
    with pytest.raises(TopicError, match="noun:verb"):
        bus.on(name, lambda event: None)
    with pytest.raises(TopicError, match="noun:verb"):
        Topic(name)
    with pytest.raises(TopicError, match="at most 200"):
        Topic("a:" + "b" * 10_000)


async def test_subscribing_by_payload_type(bus: Bus) -> None:
    """Topics of that type, of its subclasses, and of a base type when the payload is one."""
    cats: list[object] = []
    animals: list[object] = []
    bus.on(Cat, lambda event: cats.append(event.payload))
    bus.on(Animal, lambda event: animals.append(event.payload), where=lambda event: True)
    cat_seen: Topic[Cat] = Topic("cat:seen", Cat)
    await bus.publish(ANIMAL, Animal())
    await bus.publish(ANIMAL, Cat())
    await bus.publish(cat_seen, Cat())
    await bus.publish(PING, 1)
    await bus.publish(Topic("anything:goes"), Cat())
    await bus.drain()
    assert cats == [Cat(), Cat(), Cat()]
    assert animals == [Animal(), Cat(), Cat(), Cat()]


async def test_subscribing_to_something_else_is_refused(bus: Bus) -> None:
    """The error says what can be subscribed to."""
    with pytest.raises(SubscriptionError, match="topic, a pattern or a payload type"):
        bus.on(3, lambda event: None)  # type: ignore[call-overload]


async def test_names_made_up_at_run_time_do_not_grow_the_bus(bus: Bus) -> None:
    """The cache of routes is bounded and goes on working when it is full."""
    seen: list[object] = []
    bus.on("*:made", lambda event: seen.append(event.payload), capacity=10_000)
    for number in range(5000):
        await bus.publish(Topic(f"n{number}:made"), number)
    assert len(bus._cache) <= 4096
    await bus.drain()
    assert seen == list(range(5000))


async def test_a_stream_yields_events_and_ends_with_its_block(bus: Bus) -> None:
    """Leaving normally keeps what had arrived readable, and then ends."""
    got: list[int] = []
    async with bus.stream("ping:*", where=lambda event: event.payload != 3) as events:
        for number in range(5):
            await bus.publish(PING, number)
        async for event in events:
            got.append(event.payload)
            if event.payload == 1:
                break
    await bus.publish(PING, 9)
    assert events.waiting == 2
    assert [event.payload async for event in events] == [2, 4]
    assert got == [0, 1]


async def test_a_stream_left_by_an_exception_drops_what_it_holds(bus: Bus) -> None:
    """Nothing is readable afterwards, and the loss is counted."""
    events = bus.stream(PING)

    async def fail() -> None:
        async with events:
            await bus.publish(PING, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert [event async for event in events] == []
    assert events.dropped == 1


async def test_a_stream_holds_its_publisher_back(bus: Bus) -> None:
    """A full stream blocks, reading one event lets the next one in."""
    published: list[int] = []

    async def publish() -> None:
        for number in range(4):
            await bus.publish(PING, number)
            published.append(number)

    async with anyio.create_task_group() as group, bus.stream(PING, capacity=1) as events:
        group.start_soon(publish)
        await settle()
        assert published == [0]
        for number in range(4):
            assert (await anext(events)).payload == number
            await settle()
    assert published == [0, 1, 2, 3]


async def test_a_stream_is_read_inside_its_block_and_by_one_reader(bus: Bus) -> None:
    """Both mistakes are errors that say so."""
    events = bus.stream(PING)
    with pytest.raises(SubscriptionError, match="async with"):
        await anext(events)
    with pytest.raises(SubscriptionError, match="no handler"):
        bus.stream(PING, concurrency=2)
    async with events, anyio.create_task_group() as group:
        group.start_soon(anext, events)
        await settle()
        with pytest.raises(SubscriptionError, match="one reader"):
            await anext(events)
        await bus.publish(PING, 1)


async def test_drain_does_not_wait_for_readers_of_streams(bus: Bus) -> None:
    """An unread stream belongs to its reader, not to the bus."""
    async with bus.stream(PING):
        await bus.publish(PING, 1)
        await bus.drain(timeout=1)


async def test_wait_for_returns_the_next_matching_event(bus: Bus) -> None:
    """Events that do not match are passed over."""
    found: list[Event[int]] = []

    async def wait() -> None:
        found.append(await bus.wait_for(PING, where=lambda event: event.payload > 1, timeout=1.0))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await settle()
        for number in range(5):
            await bus.publish(PING, number)
    assert [event.payload for event in found] == [2]


async def test_wait_for_times_out_and_passes_on_what_its_predicate_raises(bus: Bus, clock: FakeClock) -> None:
    """Neither harms the publisher."""
    errors: list[Exception] = []

    async def wait(where: object) -> None:
        try:
            await bus.wait_for(PING, where, 1.0)  # type: ignore[call-overload]
        except (TimeoutError, ZeroDivisionError) as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(wait, lambda event: 1 / event.payload)
        group.start_soon(wait, lambda event: False)
        await settle()
        await bus.publish(PING, 0)
        await clock.advance(1)
    assert [type(error) for error in errors] == [ZeroDivisionError, TimeoutError]
    assert "no ping:sent came within 1 s" in str(errors[1])


async def test_trace_sees_events_before_any_mailbox_and_can_be_undone(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    """A trace function that fails is logged and harms nobody."""
    seen: list[int] = []

    def see(event: Event[int]) -> None:
        seen.append(event.payload)
        if event.payload == 2:
            raise ValueError("odd")

    undo = bus.trace(see)
    await bus.publish(PING, 1)
    await bus.publish(PING, 2)
    undo()
    undo()
    await bus.publish(PING, 3)
    assert seen == [1, 2]
    assert "odd" in caplog.text


async def test_statistics_tell_what_a_subscription_did(bus: Bus) -> None:
    """Counts and latencies are per subscription, the bus sums them up."""

    async def handler(event: Event[int]) -> None:
        if event.payload == 3:
            raise ValueError

    sub = bus.on(PING, handler, owner="me", name="special", capacity=7, overflow=Overflow.DROP_NEWEST)
    for number in range(5):
        await bus.publish(PING, number)
    assert sub.stats().depth == 5
    await bus.drain()
    stats = sub.stats()
    assert (stats.name, stats.owner, stats.topic, stats.capacity) == ("special", "me", "ping:sent", 7)
    assert (stats.received, stats.handled, stats.failed, stats.depth) == (5, 4, 1, 0)
    assert stats.p50_us is not None
    assert stats.p99_us is not None
    assert 0 < stats.p50_us <= stats.p99_us
    assert bus.stats().published == 6  # and the report of the failure
    assert bus.stats().subscriptions == (stats,)
    assert "special" in repr(sub)


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_quantiles_are_right_to_a_seventh(durations: list[int], q: float) -> None:
    """The histogram's quantile lies in the bucket of the true one, which is an eighth of it wide on either side."""
    latency = Latency()
    for ns in durations:
        latency.add(ns)
    exact = sorted(durations)[max(0, -(-len(durations) * q // 1).__int__() - 1)]
    found = latency.quantile(q)
    assert found is not None
    assert abs(found - exact) <= exact / 7 + 4


async def test_middleware_goes_around_the_handler_in_order(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    """The first is outermost; filtering, checking and logging are layers."""
    seen: list[int] = []

    async def even(event: Event[int]) -> bool:
        return event.payload % 2 == 0

    def positive(payload: int) -> None:
        if payload < 0:
            raise ValueError("negative")

    caplog.set_level(logging.INFO)
    bus.on(
        PING,
        lambda event: seen.append(event.payload),
        middleware=[logged(level=logging.INFO), only(even), validated(positive)],
    )
    with Recorder(bus) as events:
        for payload in (1, 2, -2, "x"):
            await bus.publish(PING, payload)  # type: ignore[arg-type]
        await bus.drain()
    assert seen == [2]
    assert [fact.message for fact in events.payloads(BUS_HANDLER_FAILED)] == [
        "negative",
        "not all arguments converted during string formatting",
    ]
    assert "ping:sent bus-2 handled in" in caplog.text
    assert "ping:sent bus-3 failed after" in caplog.text


async def test_middleware_of_the_bus_goes_around_each_handler(clock: FakeClock) -> None:
    """It is outside the subscription's own, and checks types when asked to."""
    seen: list[int] = []
    async with Bus(clock=clock, middleware=[validated()]) as bus:
        sub = bus.on(PING, lambda event: seen.append(event.payload))
        await bus.publish(PING, 1)
        await bus.publish(PING, "text")  # type: ignore[arg-type]
        await bus.drain()
    assert seen == [1]
    assert sub.stats().failed == 1


async def test_a_scope_owns_what_is_made_through_it(bus: Bus) -> None:
    """Closing it leaves no subscription, interceptor, stream, task or timer, and runs the clean-ups backwards."""
    order: list[str] = []
    scope = bus.scope("plugin")

    async def last() -> None:
        order.append("async")

    def broken() -> None:
        raise ValueError("broken")

    async def tick() -> None: ...

    sub = scope.on(PING, lambda event: order.append("event"))
    scope.intercept(PING, lambda draft: None)
    stream = scope.stream(PING)
    scope.start_soon(anyio.sleep_forever)
    scope.every(60, tick)
    scope.add_cleanup(last)
    scope.add_cleanup(broken)
    scope.add_cleanup(lambda: order.append("plain"))
    async with stream:
        await scope.publish(PING, 1)
        report = await scope.aclose()
    assert order == ["event", "plain", "async"]
    assert (report.cancelled, [str(error) for error in report.errors]) == (0, ["broken"])
    assert not report.is_clean
    assert sub.is_closed
    assert bus.stats().subscriptions == ()
    assert scope.jobs == ()
    assert bus.publish_nowait(PING, 2).seq == 2  # no interceptor is left
    with pytest.raises(BusClosed, match="scope of 'plugin' is closed"):
        scope.on(PING, lambda event: None)


async def test_a_scope_s_timer_runs_until_it_is_closed(bus: Bus, clock: FakeClock) -> None:
    """The pause is between the calls."""
    scope = bus.scope("plugin")
    calls: list[float] = []

    async def tick() -> None:
        calls.append(clock.monotonic())
        await clock.sleep(0.5)

    scope.every(1.0, tick)
    await clock.advance(5)
    assert calls == [1.0, 2.5, 4.0]
    await scope.aclose()
    await clock.advance(5)
    assert len(calls) == 3
    with pytest.raises(BusClosed):
        scope.every(1.0, tick)


async def test_a_scope_that_is_cancelled_while_closing_still_leaves_nothing(bus: Bus) -> None:
    """Handlers that never end are cancelled with it, clean-ups run."""
    order: list[str] = []
    scope = bus.scope("plugin")

    async def stuck(event: Event[int]) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            order.append("cancelled")

    scope.on(PING, stuck)
    scope.add_cleanup(lambda: order.append("clean"))
    await bus.publish(PING, 1)
    await settle()
    async with anyio.create_task_group() as group:
        group.start_soon(scope.aclose)
        await settle()
        group.cancel_scope.cancel()
    await settle()
    assert sorted(order) == ["cancelled", "clean"]
    assert bus.stats().subscriptions == ()
    await bus.drain(timeout=1)
