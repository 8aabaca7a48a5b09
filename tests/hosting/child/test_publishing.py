"""What a plugin publishes, asks, serves and intercepts from its own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from gridbus.bus import Draft
from gridbus.channels import Channel
from gridbus.errors import (
    AlreadyServed,
    AskTimeout,
    BusError,
    ChannelTypeError,
    NoServer,
    RemoteError,
    TopicError,
    Veto,
)
from gridbus.events import Event, Topic
from gridbus.hosting.protocol import Cause, Intercept, Serve, Trace
from gridbus.isolation.wire import pack, type_path, unpack


@attrs.frozen
class Said:
    """A payload."""

    text: str


SAID: Topic[Said] = Topic("probe:said", Said)
NUMBER: Topic[int] = Topic("probe:number", int)
DOUBLE: Channel[int, int] = Channel("probe:double", int, int)
COUNT: Channel[int, int] = Channel("probe:count", int, int)


def serve(application: Any, number: int, message: Any, **more: Any) -> Serve:
    """A request as it comes in."""
    return Serve(number, more.pop("request", 1), pack(message), "bus-1", "app", more.pop("trace", None), **more)


async def test_what_is_published_comes_back_as_the_event_that_it_became(application: Any) -> None:
    """Number and time are the application's."""
    event = await application.bus.publish(SAID, Said("hi"), source="probe")
    [publish] = application.calls_of("publish")
    assert (publish.topic, publish.type, publish.cause) == ("probe:said", type_path(Said), None)
    assert unpack(publish.payload, Said) == Said("hi")
    assert (event.id, event.at_ns, event.source, event.payload) == ("bus-1-1", 7, "probe", Said("hi"))
    assert application.bus.publish_nowait(SAID, Said("ho"), source="probe").id == "bus-1-2"


async def test_a_name_that_is_no_topic_is_refused_here(application: Any) -> None:
    """Nothing is sent."""
    with pytest.raises(TopicError):
        await application.bus.publish("no topic", 1)
    assert application.calls == []


async def test_a_publication_names_the_event_in_hand_as_its_cause(application: Any) -> None:
    """By the number of the subscription and that of the event, with the trace that follows from it."""
    application.bus.on(NUMBER, lambda event: application.bus.publish(SAID, Said("because")), name="hear")
    number = application.subscribed["hear"].number
    application.send(number, "probe:number", 1)
    await application.until(lambda: application.done(number))
    [publish] = application.calls_of("publish")
    assert publish.cause == Cause(number, 1, Trace("bus-1-1", "bus-1-1", 1))


async def test_a_task_carries_the_cause_of_whoever_started_it_and_holds_up_nobody(application: Any) -> None:
    """So its cause names no subscription that would wait for it."""

    async def later() -> None:
        await application.bus.publish(SAID, Said("later"))

    application.bus.on(NUMBER, lambda event: application.bus.start_job(later) and None, name="hear")
    application.send(application.subscribed["hear"].number, "probe:number", 1)
    await application.until(lambda: application.calls_of("publish"))
    assert application.calls_of("publish")[0].cause == Cause(None, 1, Trace("bus-1-1", "bus-1-1", 1))


async def test_a_reply_comes_back_as_the_channel_says(application: Any) -> None:
    """Message and reply are checked by their types on this side as well."""
    application.answers["ask"] = lambda ask: pack(unpack(ask.message, int) * 2)
    assert await application.bus.ask(DOUBLE, 21, to="other", timeout=3.0) == 42
    [ask] = application.calls_of("ask")
    assert (ask.channel, ask.to, ask.timeout) == ("probe:double", "other", 3.0)
    with pytest.raises(ChannelTypeError, match="takes int"):
        await application.bus.ask(DOUBLE, "21")
    application.answers["ask"] = lambda ask: pack("text")
    with pytest.raises(TypeError):
        await application.bus.ask(DOUBLE, 21)


async def test_errors_of_asking_are_those_of_the_bus(application: Any) -> None:
    """Their class and what they tell survive the way."""

    def nobody(ask: Any) -> bytes:
        raise NoServer("nobody serves probe:double")

    application.answers["ask"] = nobody
    with pytest.raises(NoServer, match="nobody serves"):
        await application.bus.ask(DOUBLE, 1)

    def failing(ask: Any) -> bytes:
        raise RemoteError("probe:double", "other", "LookupError", "not here", "Traceback ...")

    application.answers["ask"] = failing
    with pytest.raises(RemoteError) as caught:
        await application.bus.ask(DOUBLE, 1)
    assert (caught.value.type_name, caught.value.server) == ("LookupError", "other")


async def test_an_application_that_does_not_keep_the_time_is_not_waited_for(
    application: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A little after the time-out that it should have kept, whoever asks goes on."""
    monkeypatch.setattr("gridbus.hosting.child.bus._LATE", 0.01)
    application.answers["ask"] = lambda ask: asyncio.Event().wait()
    with pytest.raises(AskTimeout, match=r"within 0\.01 s"):
        await application.bus.ask(DOUBLE, 1, timeout=0.01)


async def test_replies_are_streamed(application: Any) -> None:
    """Each comes back as the channel says."""

    async def count(ask: Any) -> AsyncIterator[bytes]:
        for number in range(unpack(ask.message, int)):
            yield pack(number)

    application.answers["ask_stream"] = count
    async with application.bus.ask_stream(COUNT, 40) as numbers:
        assert [number async for number in numbers] == list(range(40))


async def test_a_server_answers_with_its_reply(application: Any) -> None:
    """What it publishes meanwhile has the request as its cause."""

    async def double(message: int) -> int:
        await application.bus.publish(SAID, Said("asked"))
        return message * 2

    application.bus.serve(DOUBLE, double, owner="probe")
    [wanted] = application.calls_of("subscribe")
    assert (wanted.kind, wanted.subject, wanted.is_stream) == ("serve", "probe:double", False)
    trace = Trace("bus-1-1", "bus-1-1", 1)
    reply = await application.peer.call("serve", serve(application, wanted.number, 4, request=9, trace=trace))
    assert unpack(reply, int) == 8
    [publish] = application.calls_of("publish")
    assert publish.cause == Cause(wanted.number, 9, trace)


async def test_a_plain_function_serves_and_what_is_told_needs_no_reply(application: Any) -> None:
    """What it returns then is nobody's business."""
    told: list[int] = []
    application.bus.serve(DOUBLE, told.append, owner="probe")
    [wanted] = application.calls_of("subscribe")
    reply = await application.peer.call("serve", serve(application, wanted.number, 4, is_told=True))
    assert (told, reply) == ([4], None)


async def test_failures_of_a_server_reach_whoever_asks(application: Any) -> None:
    """By type name, message and traceback; a reply of a wrong type is such a failure."""

    async def double(message: int) -> Any:
        if message:
            raise LookupError("not here")
        return "text"

    application.bus.serve(DOUBLE, double, owner="probe")
    [wanted] = application.calls_of("subscribe")
    with pytest.raises(RemoteError) as caught:
        await application.peer.call("serve", serve(application, wanted.number, 1))
    assert (caught.value.type_name, caught.value.message) == ("LookupError", "not here")
    assert "in double" in caught.value.traceback_text
    with pytest.raises(ChannelTypeError):
        await application.peer.call("serve", serve(application, wanted.number, 0))


async def test_whoever_asked_and_goes_ends_the_handler_and_the_server_goes_on(application: Any) -> None:
    """The next request is answered."""
    ended: list[int] = []

    async def double(message: int) -> int:
        try:
            if message == 1:
                await asyncio.Event().wait()
        finally:
            ended.append(message)
        return message * 2

    application.bus.serve(DOUBLE, double, owner="probe")
    [wanted] = application.calls_of("subscribe")
    asking = asyncio.ensure_future(application.peer.call("serve", serve(application, wanted.number, 1)))
    await application.settle()
    asking.cancel()
    await application.until(lambda: ended)
    assert unpack(await application.peer.call("serve", serve(application, wanted.number, 2)), int) == 4
    assert ended == [1, 2]


async def test_a_generator_serves_a_stream(application: Any) -> None:
    """It runs a little ahead, fails where it fails, and ends when its reader leaves."""
    ended: list[str] = []

    async def count(message: int) -> AsyncIterator[int]:
        try:
            for number in range(message):
                if number == 5:
                    raise LookupError("too far")
                yield number
        finally:
            ended.append("closed")

    application.bus.serve(COUNT, count, owner="probe")
    [wanted] = application.calls_of("subscribe")
    assert wanted.is_stream
    async with application.peer.stream("serve", serve(application, wanted.number, 3)) as items:
        assert [unpack(item, int) async for item in items] == [0, 1, 2]
    async with application.peer.stream("serve", serve(application, wanted.number, 9)) as items:
        assert [unpack(await anext(items), int) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(RemoteError, match="too far"):
            await anext(items)
    assert ended == ["closed", "closed"]


async def test_leaving_a_stream_closes_the_generator(application: Any) -> None:
    """It does not count on for ever."""
    ended: list[str] = []

    async def count(message: int) -> AsyncIterator[int]:
        try:
            while True:
                yield message
        finally:
            ended.append("closed")

    application.bus.serve(COUNT, count, owner="probe")
    [wanted] = application.calls_of("subscribe")
    async with application.peer.stream("serve", serve(application, wanted.number, 3)) as items:
        await anext(items)
    await application.until(lambda: ended)


async def test_an_owner_serves_a_channel_once(application: Any) -> None:
    """After closing, it may serve it anew, under another number."""
    server = application.bus.serve(DOUBLE, lambda message: message, owner="probe")
    with pytest.raises(AlreadyServed):
        application.bus.serve(DOUBLE, lambda message: message, owner="probe")
    server.close()
    application.bus.serve(DOUBLE, lambda message: message, owner="probe")
    first, second = application.calls_of("subscribe")
    assert application.calls_of("unsubscribe") == [first.number]
    assert second.number > first.number


def draft(number: int, payload: Any, trace: Trace | None = None) -> Intercept:
    """A draft as it comes in."""
    return Intercept(number, "probe:said", pack(payload), type_path(type(payload)), "bus-1", "app", trace)


async def test_an_interceptor_changes_vetoes_or_leaves_a_draft(application: Any) -> None:
    """What it leaves is not sent back."""

    async def look(draft: Draft[Said]) -> Said | None:
        if draft.payload.text == "no":
            raise Veto("not that")
        return Said(draft.payload.text.upper()) if draft.payload.text == "hi" else None

    application.bus.intercept(SAID, look, priority=3, timeout=2.0)
    [wanted] = application.calls_of("subscribe")
    assert (wanted.kind, wanted.subject, wanted.priority, wanted.timeout) == ("intercept", "probe:said", 3, 2.0)
    ask = application.peer.call
    assert unpack(await ask("intercept", draft(wanted.number, Said("hi"))), Said) == Said("HI")
    assert await ask("intercept", draft(wanted.number, Said("leave it"))) is None
    with pytest.raises(Veto, match="not that"):
        await ask("intercept", draft(wanted.number, Said("no")))


async def test_an_interceptor_returns_what_the_topic_carries(application: Any) -> None:
    """Another type is an error that says so."""
    application.bus.intercept(SAID, lambda draft: "text")
    [wanted] = application.calls_of("subscribe")
    with pytest.raises(TypeError, match="it returned str; return a Said"):
        await application.peer.call("intercept", draft(wanted.number, Said("hi")))


async def test_what_an_interceptor_publishes_follows_from_what_led_to_the_draft(application: Any) -> None:
    """Its own trace is that of the draft."""

    async def look(draft: Draft[Said]) -> None:
        await application.bus.publish(NUMBER, 1)

    application.bus.intercept("probe:*", look)
    [wanted] = application.calls_of("subscribe")
    trace = Trace("bus-1-1", "bus-1-4", 2)
    await application.peer.call("intercept", draft(wanted.number, Said("hi"), trace))
    [publish] = application.calls_of("publish")
    assert publish.cause == Cause(None, 0, trace)


async def test_a_task_that_fails_is_told(application: Any) -> None:
    """By its name, with the trace of what it came from."""

    async def broken() -> None:
        raise ValueError("broken")

    application.bus.on(NUMBER, lambda event: application.bus.start_job(broken, name="work") and None, name="hear")
    application.send(application.subscribed["hear"].number, "probe:number", 1)
    await application.until(lambda: application.notes_of("task_failed"))
    [fact] = application.notes_of("task_failed")
    assert (fact.task, fact.failure.error, fact.trace) == ("work", "ValueError", Trace("bus-1-1", "bus-1-1", 1))


async def test_what_only_the_application_can_do_is_refused(application: Any) -> None:
    """It says so."""
    event: Event[int] | None = None
    with pytest.raises(BusError, match="a process of its own"):
        event = await application.bus.publish_and_wait(NUMBER, 1)
    with pytest.raises(BusError, match="a process of its own"):
        application.bus.trace(print)
    assert event is None
