"""Events in and out of a plugin, alike in both hosts."""

from __future__ import annotations

from typing import Any

import pytest

from gridbus.errors import EventDropped, HandlerError, InterceptorError, Vetoed
from gridbus.events import BUS_HANDLER_FAILED, BUS_SLOW_SUBSCRIBER, Topic

NUMBER: Topic[int] = Topic("numbers:new", int)
PROBED: Topic[dict[str, Any]] = Topic("probed:it", dict)


async def test_g16_where_it_runs(hosted: Any) -> None:
    """The two hosts are two: inline is this process, the other is not."""
    import os

    process = (await hosted.do("describe"))["process"]
    assert (process == os.getpid()) is (hosted.host == "inline")


async def test_g16_a_declared_handler_hears_events_as_they_were_published(hosted: Any) -> None:
    """An event has the same type, number, id, source and chain in the plugin."""
    row = await hosted.app.grid.create({"id": "ada", "name": "Ada", "age": 36})
    await hosted.bus.drain()
    [event] = hosted.events("row:create")
    heard = await hosted.do("heard")
    assert heard == [["row:create", "RowCreated", event.seq, event.id, "app", event.id, None, 0]]
    assert row.id == event.payload.id


@pytest.mark.parametrize("subject", ["numbers:new", "numbers:*", "*:new"])
async def test_g16_on_hears_topics_and_patterns(hosted: Any, subject: str) -> None:
    """A subscription is live when ``ctx.on`` has returned, and sees events in order."""
    await hosted.do("on", name="a", subject=subject)
    for number in range(20):
        await hosted.bus.publish(NUMBER, number)
    await hosted.bus.drain()
    notes = await hosted.do("notes")
    assert [note[2] for note in notes if note[1] == "begin"] == list(range(20))


async def test_g16_on_hears_a_payload_type(hosted: Any) -> None:
    """A subscription by type hears that type and nothing else."""
    await hosted.do("on", name="a", subject="type")
    await hosted.bus.publish(NUMBER, 1)
    await hosted.app.grid.create({"id": "ada", "name": "Ada"})
    await hosted.bus.drain()
    notes = await hosted.do("notes")
    assert len([note for note in notes if note[1] == "begin"]) == 1


async def test_g16_a_closed_subscription_hears_nothing_more(hosted: Any) -> None:
    """Closing says how many events that dropped."""
    await hosted.do("on", name="a", subject="numbers:new")
    await hosted.bus.publish(NUMBER, 1)
    await hosted.bus.drain()
    assert await hosted.do("close", name="a") == 0
    await hosted.bus.publish(NUMBER, 2)
    await hosted.bus.drain()
    assert [note[2] for note in await hosted.do("notes") if note[1] == "begin"] == [1]


async def test_g16_a_predicate_keeps_events_out(hosted: Any) -> None:
    """``where`` is the plugin's own function, wherever it runs."""
    await hosted.do("on", name="a", subject="numbers:new", only=3)
    for number in range(5):
        await hosted.bus.publish(NUMBER, number)
    await hosted.bus.drain()
    assert await hosted.do("notes") == [["a", "begin", 3], ["a", "end"]]


async def test_g16_drop_oldest_keeps_the_newest(hosted: Any) -> None:
    """A full mailbox loses the oldest, counts it, and says so once."""
    await hosted.do("on", name="a", subject="numbers:new", capacity=2, overflow="drop_oldest", gated=True)
    await hosted.bus.publish(NUMBER, 0)
    await hosted.note()
    for number in range(1, 6):
        await hosted.bus.publish(NUMBER, number)
    await hosted.do("open", name="a")
    await hosted.bus.drain()
    begun = [note[2] for note in await hosted.do("notes") if note[1] == "begin"]
    assert begun == [4, 5]
    slow = [event.payload for event in hosted.events(BUS_SLOW_SUBSCRIBER)]
    assert [fact.owner for fact in slow] == ["probe"]


async def test_g16_coalescing_keeps_the_newest_of_a_key(hosted: Any) -> None:
    """Events of one key replace each other while they wait."""
    await hosted.do("on", name="a", subject="numbers:new", overflow="coalesce", keyed=True, gated=True)
    await hosted.bus.publish(NUMBER, 0)
    await hosted.note()
    for number in (1, 2, 11, 12, 21):
        await hosted.bus.publish(NUMBER, number)
    await hosted.do("open", name="a")
    await hosted.bus.drain()
    assert [note[2] for note in await hosted.do("notes") if note[1] == "begin"] == [21, 12]


async def test_g16_concurrency_and_batches(hosted: Any) -> None:
    """Several handlers run side by side; a batch is a list."""
    await hosted.do("on", name="a", subject="numbers:new", concurrency=3, gated=True)
    for number in range(3):
        await hosted.bus.publish(NUMBER, number)
    assert sorted(note[2] for note in await hosted.note(3)) == [0, 1, 2]
    await hosted.do("open", name="a")
    await hosted.do("on", name="b", subject="other:new", batch=3)
    for number in range(3):
        await hosted.bus.publish(Topic("other:new", int), number)
    await hosted.bus.drain()
    assert ["b", "begin", [0, 1, 2]] in await hosted.do("notes")


async def test_g16_a_debounced_handler_sees_the_last(hosted: Any) -> None:
    """What newer events stood in for is skipped."""
    await hosted.do("on", name="a", subject="numbers:new", debounced=True)
    for number in range(4):
        await hosted.bus.publish(NUMBER, number)
    notes = await hosted.note(2)
    assert notes == [["a", "begin", 3], ["a", "end"]]


async def test_g16_a_failing_handler_is_published(hosted: Any) -> None:
    """The report names event, subscription, owner, error and the line."""
    await hosted.do("on", name="a", subject="numbers:new", raises="no good")
    event = await hosted.bus.publish(NUMBER, 1)
    await hosted.bus.drain()
    [report] = await hosted.until(lambda: hosted.events(BUS_HANDLER_FAILED))
    fact = report.payload
    assert (fact.event.id, fact.subscription, fact.owner, fact.error, fact.message) == (
        event.id, "a", "probe", "ValueError", "no good",
    )  # fmt: skip
    assert "plugin.py" in fact.traceback
    health = await hosted.manager.check_plugin_health("probe")
    assert health.status == "warning"
    assert "no good" in health.message


async def test_g16_publish_and_wait_waits_for_the_plugin(hosted: Any) -> None:
    """Whoever waits hears what failed there."""
    await hosted.do("on", name="a", subject="numbers:new")
    await hosted.bus.publish_and_wait(NUMBER, 1)
    assert await hosted.do("notes") == [["a", "begin", 1], ["a", "end"]]
    await hosted.do("on", name="b", subject="numbers:new", raises="no good")
    with pytest.raises(ExceptionGroup) as caught:
        await hosted.bus.publish_and_wait(NUMBER, 2)
    [error] = caught.value.exceptions
    assert isinstance(error, HandlerError | EventDropped)
    assert "no good" in str(error)


async def test_g16_a_handler_that_takes_too_long_is_cancelled(hosted: Any) -> None:
    """The time-out of a subscription holds, and is reported as one."""
    await hosted.do("on", name="a", subject="numbers:new", timeout=0.05, gated=True)
    await hosted.bus.publish(NUMBER, 1)
    [report] = await hosted.until(lambda: hosted.events(BUS_HANDLER_FAILED))
    assert report.payload.error == "HandlerTimeout"


async def test_g16_streams_and_wait_for(hosted: Any) -> None:
    """A stream collects from its entering on; ``wait_for`` returns the first that matches, or times out."""
    await hosted.do("stream", subject="numbers:new", count=3)
    await hosted.note()
    for number in range(5):
        await hosted.bus.publish(NUMBER, number)
    assert await hosted.note() == [[0, 1, 2]]
    await hosted.do("wait_for", subject="numbers:new", above=10)
    await hosted.do("describe")
    for number in (5, 11, 12):
        await hosted.bus.publish(NUMBER, number)
    assert await hosted.note() == [11]
    await hosted.do("wait_for", subject="numbers:new", above=10, timeout=0.02)
    assert await hosted.note() == ["no numbers:new came within 0.02 s"]


async def test_g16_an_interceptor_changes_and_vetoes(hosted: Any) -> None:
    """A guard of the plugin sees drafts before the grid commits."""
    await hosted.do("intercept", verdict="change")
    row = await hosted.app.grid.create({"id": "ada", "name": "Ada"})
    assert row["name"] == "Ada!"


@pytest.mark.parametrize(
    ("verdict", "error", "words"), [("veto", Vetoed, "not today"), ("fail", InterceptorError, "broken guard")]
)
async def test_g16_an_interceptor_that_refuses(hosted: Any, verdict: str, error: type[Exception], words: str) -> None:
    """A veto names who and why; a guard that fails is not passed."""
    await hosted.do("intercept", verdict=verdict)
    with pytest.raises(error, match=words) as caught:
        await hosted.app.grid.create({"id": "ada", "name": "Ada"})
    assert "probe" in str(caught.value)
    assert len(hosted.app.grid) == 5


@pytest.mark.parametrize("now", [False, True])
async def test_g16_publish_returns_the_event(hosted: Any, now: bool) -> None:
    """What the plugin gets back is what others hear; the request in hand is its cause."""
    shown = await hosted.do("publish", topic="probed:it", payload={"a": 1}, now=now)
    [event] = hosted.events("probed:it")
    assert shown[:5] == ["probed:it", {"a": 1}, event.seq, event.id, "probe"]
    assert event.source == "probe"
    assert shown[5:] == [event.correlation_id, event.causation_id, event.hops]


async def test_g16_an_effect_carries_its_cause(hosted: Any) -> None:
    """What a handler asks for has the event that it handles as its cause, in both directions."""
    from gridbus import Channel

    started: Topic[int] = Topic("numbers:start", int)
    do: Channel[dict[str, Any], dict[str, Any]] = Channel("probe:do", dict, dict)

    async def handler(event: Any) -> None:
        await hosted.bus.ask(do, {"do": "publish", "topic": "probed:it", "payload": 1})

    hosted.bus.on(started, handler)
    cause = await hosted.bus.publish(started, 1)
    await hosted.bus.drain()
    [effect] = hosted.events("probed:it")
    assert effect.correlation_id == cause.id
    assert effect.hops >= 1


async def test_g16_foreign_topics_are_refused(hosted: Any) -> None:
    """A plugin publishes in its own namespaces and where it was granted, and the refusal says which permission."""
    await hosted.do("publish", topic="other:it", payload=1)
    kind, message = await hosted.fails("publish", topic="foreign:it", payload=1)
    assert kind == "PluginPermissionError"
    assert "publish:foreign:it" in message
    kind, message = await hosted.fails("publish", topic="row:create", payload=1, now=True)
    assert kind == "PluginPermissionError"


async def test_g16_types_of_the_plugins_own_cross_exactly(hosted: Any) -> None:
    """A payload of a class of the plugin comes back to it as that class, dates and sets included."""
    await hosted.do("hear_typed")
    await hosted.do("publish_typed")
    await hosted.bus.drain()
    assert await hosted.note() == [["Typed", True]]


async def test_g16_too_many_handlers_are_refused(hosted: Any) -> None:
    """The limit of handlers holds, and reaching it is published."""
    for number in range(40):
        answer = await hosted.bus.ask(hosted_do(), {"do": "on", "name": f"n{number}", "subject": "numbers:new"})
        if "error" in answer:
            break
    assert answer["error"] == "PluginLimitError"
    assert number < 31
    await hosted.until(lambda: hosted.events("plugin:limit_reached"))


def hosted_do() -> Any:
    """The plugin's channel."""
    from gridbus import Channel

    return Channel("probe:do", dict, dict)
