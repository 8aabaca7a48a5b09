"""Events that come into a plugin's process, and what the application hears of them."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from gridbus.bus import Batch, Debounce, Overflow
from gridbus.errors import PluginPermissionError, SubscriptionError
from gridbus.events import Event, Topic
from gridbus.hosting.protocol import Trace


@attrs.frozen
class Said:
    """A payload."""

    text: str
    loud: bool = False


SAID: Topic[Said] = Topic("probe:said", Said)
NUMBER: Topic[int] = Topic("probe:number", int)


async def test_an_event_comes_in_as_the_one_that_the_application_published(application: Any) -> None:
    """Payload, number, time, source and trace are the application's own."""
    heard: list[Event[Said]] = []

    async def hear(event: Event[Said]) -> None:
        heard.append(event)

    application.bus.on(SAID, hear, name="hear")
    wanted = application.subscribed["hear"]
    assert (wanted.kind, wanted.subject, wanted.is_type) == ("on", "probe:said", False)
    application.send(wanted.number, "probe:said", Said("hi", True), trace=Trace("bus-1-1", "bus-1-5", 2))
    await application.until(lambda: application.done(wanted.number))
    [event] = heard
    assert event.payload == Said("hi", True)
    assert (event.id, event.at_ns, event.source, event.topic) == ("bus-1-1", 1_000, "app", SAID)
    assert (event.correlation_id, event.causation_id, event.hops) == ("bus-1-1", "bus-1-5", 2)


async def test_a_pattern_hears_each_payload_as_what_it_was_packed_from(application: Any) -> None:
    """The class is found by its path; what cannot be found stays plain data, with one warning."""
    heard: list[Any] = []
    application.bus.on("probe:*", lambda event: heard.append(event.payload), name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:said", Said("hi"))
    application.send(number, "probe:count", 3)
    application.send(number, "probe:other", Said("hi"), Said("ho"), path="no_such_module:Said")
    await application.until(lambda: application.done(number) == 4)
    assert heard == [Said("hi"), 3, {"text": "hi", "loud": False}, {"text": "ho", "loud": False}]


async def test_a_payload_type_is_heard_whatever_the_topic(application: Any) -> None:
    """Events of other types that come are skipped."""
    heard: list[Any] = []
    application.bus.on(Said, lambda event: heard.append(event.payload), name="hear")
    wanted = application.subscribed["hear"]
    assert wanted.is_type
    assert wanted.subject.endswith(":Said")
    application.send(wanted.number, "a:b", Said("one"), 2, Said("three"))
    await application.until(lambda: application.done(wanted.number) == 3)
    assert heard == [Said("one"), Said("three")]
    assert sum(done.skipped for _, done in application.dones) == 1


async def test_a_payload_that_is_not_of_the_declared_type_is_a_failure_and_the_rest_goes_on(application: Any) -> None:
    """The handler sees what it declared or nothing."""
    heard: list[int] = []
    application.bus.on(NUMBER, lambda event: heard.append(event.payload), name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", 1, "two", 3)
    await application.until(lambda: application.done(number) == 3)
    assert heard == [1, 3]
    [failure] = application.failures(number)
    assert (failure.seq, failure.error) == (2, "PackingError")


async def test_events_are_done_one_after_the_other_as_handlers_end(application: Any) -> None:
    """While a handler is at work its event is not done, nor are those behind it."""
    gate = asyncio.Semaphore(0)

    async def hear(event: Event[int]) -> None:
        await gate.acquire()

    application.bus.on(NUMBER, hear, name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", *range(5))
    await application.settle()
    assert application.done(number) == 0
    for done in range(1, 6):
        gate.release()
        await application.settle()
        assert application.done(number) == done
    assert all(done.seqs is None for _, done in application.dones)


async def test_many_events_are_reported_together(application: Any) -> None:
    """What is done within one turn of the loop goes out in one frame."""
    heard: list[int] = []

    async def hear(event: Event[int]) -> None:
        heard.append(event.payload)

    application.bus.on(NUMBER, hear, name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", *range(200))
    await application.until(lambda: application.done(number) == 200)
    assert heard == list(range(200))
    assert len(application.dones) < 10


async def test_a_failure_is_told_with_its_event(application: Any) -> None:
    """Type, message and traceback of what the handler raised go to the application, which publishes them."""

    async def hear(event: Event[int]) -> None:
        if event.payload % 2:
            raise LookupError(f"no {event.payload}")

    application.bus.on(NUMBER, hear, name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", *range(10))
    await application.until(lambda: application.done(number) == 10)
    failures = application.failures(number)
    assert [failure.seq for failure in failures] == [2, 4, 6, 8, 10]
    assert failures[0].error == "LookupError"
    assert failures[0].message == "no 1"
    assert "in hear" in failures[0].traceback
    assert not failures[0].timed_out


async def test_long_tracebacks_are_cut_so_that_they_fit(application: Any) -> None:
    """A hundred failures at once go out in several frames, each with the end of its text."""

    async def hear(event: Event[int]) -> None:
        raise ValueError("€" * 100_000)

    application.bus.on(NUMBER, hear, name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", *range(100))
    await application.until(lambda: application.done(number) == 100)
    failures = application.failures(number)
    assert len(failures) == 100
    assert all(0 < len(failure.message) <= 2048 for failure in failures)


async def test_a_handler_that_calls_exit_has_failed(application: Any) -> None:
    """It ends neither the process nor the subscription."""

    def hear(event: Event[int]) -> None:
        raise SystemExit(event.payload)

    application.bus.on(NUMBER, hear, name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", 3, 4)
    await application.until(lambda: application.done(number) == 2)
    assert [failure.error for failure in application.failures(number)] == ["SystemExit", "SystemExit"]


async def test_running_out_of_memory_is_a_failure_and_told_as_a_limit(application: Any) -> None:
    """The application counts it as ``memory_bytes`` reached."""

    def hear(event: Event[int]) -> None:
        raise MemoryError

    application.bus.on(NUMBER, hear, name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", 3)
    await application.until(lambda: application.done(number))
    assert [refusal.limit for refusal in application.notes_of("refused")] == ["memory_bytes"]


async def test_a_handler_that_takes_too_long_is_cancelled_and_told_so(application: Any) -> None:
    """The time-out is kept here, and told as such."""

    async def hear(event: Event[int]) -> None:
        await asyncio.Event().wait()

    application.bus.on(NUMBER, hear, name="hear", timeout=1.0)
    number = application.subscribed["hear"].number
    assert application.subscribed["hear"].timeout == 1.0
    application.send(number, "probe:number", 1)
    await application.settle()
    for _ in range(8):
        await application.clock.advance(0.5)
        await application.settle()
    assert application.done(number) == 1
    [failure] = application.failures(number)
    assert (failure.error, failure.timed_out) == ("HandlerTimeout", True)


async def test_handlers_side_by_side_tell_which_events_are_done(application: Any) -> None:
    """They end in any order."""
    gates = {number: asyncio.Event() for number in range(4)}

    async def hear(event: Event[int]) -> None:
        await gates[event.payload].wait()

    application.bus.on(NUMBER, hear, name="hear", concurrency=3)
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", *range(4))
    await application.settle()
    for payload in (2, 0, 3, 1):
        gates[payload].set()
        await application.settle()
    assert [done.seqs for _, done in application.dones] == [(3,), (1,), (4,), (2,)]


async def test_what_a_predicate_refuses_is_done_at_once_and_counts_as_skipped(application: Any) -> None:
    """It never reaches the mailbox; a predicate that raises has failed on that event."""
    gate = asyncio.Event()

    async def hear(event: Event[int]) -> None:
        await gate.wait()

    application.bus.on(NUMBER, hear, name="hear", where=lambda event: 6 / event.payload > 2)
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", 1, 5, 0, 2)
    await application.settle()
    assert application.done(number) == 2
    assert [failure.error for failure in application.failures(number)] == ["ZeroDivisionError"]
    gate.set()
    await application.until(lambda: application.done(number) == 4)
    assert sum(done.skipped for _, done in application.dones) == 1


async def test_newer_events_stand_in_for_those_with_the_same_key(application: Any) -> None:
    """The key is known here only, so the application holds back nothing; what was replaced counts as skipped."""
    gate = asyncio.Event()
    heard: list[int] = []

    async def hear(event: Event[int]) -> None:
        await gate.wait()
        heard.append(event.payload)

    application.bus.on(
        NUMBER, hear, name="hear", capacity=8, overflow=Overflow.COALESCE, key=lambda event: event.payload % 10
    )
    wanted = application.subscribed["hear"]
    assert (wanted.overflow, wanted.window) == ("block", 8)
    application.send(wanted.number, "probe:number", 1)
    await application.settle()
    application.send(wanted.number, "probe:number", 2, 12, 22, 3)
    await application.settle()
    assert application.done(wanted.number) == 2
    gate.set()
    await application.until(lambda: application.done(wanted.number) == 5)
    assert heard == [1, 22, 3]
    assert sum(done.skipped for _, done in application.dones) == 2


async def test_a_paced_handler_is_done_with_what_it_skips(application: Any) -> None:
    """Of a burst the newest is handled."""
    heard: list[int] = []

    async def hear(event: Event[int]) -> None:
        heard.append(event.payload)

    application.bus.on(NUMBER, hear, name="hear", pace=Debounce(1.0))
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", 1, 2, 3)
    await application.settle()
    await application.clock.advance(1.1)
    await application.until(lambda: application.done(number) == 3)
    assert heard == [3]


async def test_a_batch_is_done_when_its_handler_is(application: Any) -> None:
    """The window lets a whole batch in, and a failure is told of its last event."""
    heard: list[list[int]] = []

    async def hear(events: list[Event[int]]) -> None:
        heard.append([event.payload for event in events])
        raise ValueError("no")

    application.bus.on(NUMBER, hear, name="hear", pace=Batch(400, 1.0))
    wanted = application.subscribed["hear"]
    assert wanted.window >= 400
    application.send(wanted.number, "probe:number", *range(400))
    await application.until(lambda: application.done(wanted.number) == 400)
    assert heard == [list(range(400))]
    assert [failure.seq for failure in application.failures(wanted.number)] == [400]


async def test_a_refusal_of_the_application_is_raised_where_one_subscribes(application: Any) -> None:
    """Nothing of the subscription remains."""

    def refuse(wanted: Any) -> None:
        raise PluginPermissionError("plugin 'probe' may not", "probe")

    application.answers["subscribe"] = refuse
    with pytest.raises(PluginPermissionError, match="may not"):
        application.bus.on(NUMBER, lambda event: None)
    await application.settle()
    assert not application.bus.stats().subscriptions
    assert application.calls_of("unsubscribe") == []


async def test_options_are_checked_before_anything_is_sent(application: Any) -> None:
    """They raise as on the bus of the application."""
    with pytest.raises(SubscriptionError):
        application.bus.on(NUMBER, lambda event: None, timeout=1.0)
    with pytest.raises(SubscriptionError):
        application.bus.on(NUMBER, lambda event: None, concurrency=0)
    assert application.calls == []


async def test_closing_tells_the_application_once(application: Any) -> None:
    """What comes in afterwards reaches nobody."""
    heard: list[int] = []
    subscription = application.bus.on(NUMBER, lambda event: heard.append(event.payload), name="hear")
    number = application.subscribed["hear"].number
    subscription.close()
    subscription.close()
    application.send(number, "probe:number", 1)
    await application.settle()
    assert heard == []
    assert application.calls_of("unsubscribe") == [number]


async def test_windows_leave_most_of_what_waits_to_the_application(application: Any) -> None:
    """A small mailbox has a small window, so that its overflow happens when it would inline."""
    for capacity, concurrency, window in ((1, 1, 1), (1, 3, 3), (100, 1, 25), (1024, 1, 256), (100_000, 1, 256)):
        application.bus.on(NUMBER, lambda event: None, name=f"{capacity}", capacity=capacity, concurrency=concurrency)
        assert application.subscribed[f"{capacity}"].window == window


async def test_a_stream_reads_what_comes_in_and_tells_how_far(application: Any) -> None:
    """Leaving its block ends the subscription."""
    async with application.bus.stream(NUMBER, where=lambda event: event.payload != 2) as events:
        wanted = application.subscribed["stream"]
        assert wanted.is_stream
        application.send(wanted.number, "probe:number", 1, 2, 3)
        first = await anext(events)
        await application.settle()
        assert (first.payload, application.done(wanted.number)) == (1, 2)
        assert (await anext(events)).payload == 3
        await application.settle()
        assert application.done(wanted.number) == 3
    assert application.calls_of("unsubscribe") == [wanted.number]


async def test_waiting_for_an_event_subscribes_and_ends_with_it(application: Any) -> None:
    """Each event that comes in meanwhile is done with."""
    waiting = asyncio.ensure_future(application.bus.wait_for(NUMBER, lambda event: event.payload > 1))
    await application.until(lambda: application.subscribed)
    [wanted] = application.subscribed.values()
    application.send(wanted.number, "probe:number", 1, 2, 3)
    assert (await waiting).payload == 2
    await application.until(lambda: application.done(wanted.number) == 3)
    assert application.calls_of("unsubscribe") == [wanted.number]


async def test_waiting_in_vain_ends_in_time(application: Any) -> None:
    """It says for what it waited."""
    waiting = asyncio.ensure_future(application.bus.wait_for(NUMBER, timeout=2.0))
    await application.until(lambda: application.subscribed)
    await application.clock.advance(2.1)
    with pytest.raises(TimeoutError, match="no probe:number came within 2 s"):
        await waiting
    assert len(application.calls_of("unsubscribe")) == 1
