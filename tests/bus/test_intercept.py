"""G11: interceptors run in the publisher's flow and may change or refuse."""

import anyio
import pytest

from gridbus.bus import Bus, Draft, check_payload
from gridbus.errors import InterceptorError, MailboxFull, Veto, Vetoed
from gridbus.events import Event, Topic
from gridbus.testing import Recorder, settle

PING: Topic[int] = Topic("ping:sent", int)


async def test_g11_interceptors_run_by_priority_and_may_change_the_payload(bus: Bus) -> None:
    """Each sees what the one before left; equal priorities run as they registered."""
    order: list[str] = []

    def step(name: str, factor: int) -> object:
        async def run(draft: Draft[int]) -> int:
            order.append(name)
            return draft.payload * factor + 1

        return run

    bus.intercept(PING, step("last", 10), priority=5)  # type: ignore[arg-type]
    bus.intercept("ping:*", step("second", 3))  # type: ignore[arg-type]
    bus.intercept("*", step("third", 2))  # type: ignore[arg-type]
    bus.intercept("*:sent", step("first", 1), priority=-1)  # type: ignore[arg-type]
    event = await bus.publish(PING, 1)
    assert order == ["first", "second", "third", "last"]
    assert event.payload == ((1 * 1 + 1) * 3 + 1) * 2 * 10 + 10 + 1


async def test_g11_a_veto_reaches_the_publisher_and_nobody_else(bus: Bus) -> None:
    """No mailbox has the event, no number is taken, and the error says who refused and why."""
    seen: list[int] = []

    def refuse(draft: Draft[int]) -> None:
        if draft.payload < 0:
            raise Veto("negative")

    handle = bus.intercept(PING, refuse, owner="guard")
    bus.on(PING, lambda event: seen.append(event.payload))
    with pytest.raises(Vetoed, match=r"vetoed by guard/.*refuse: negative") as caught:
        await bus.publish(PING, -1)
    assert (caught.value.reason, caught.value.topic) == ("negative", "ping:sent")
    assert (await bus.publish(PING, 1)).seq == 1
    handle.close()
    await bus.publish(PING, -1)
    await bus.drain()
    assert seen == [1, -1]


async def test_g11_it_runs_before_the_commit(bus: Bus) -> None:
    """A refused draft is never committed; a changed one is committed as changed."""
    committed: list[int] = []

    def commit(payload: int) -> int:
        committed.append(payload)
        return payload + 100

    async def guard(draft: Draft[int]) -> int | None:
        if draft.payload == 0:
            raise Veto("zero")
        return draft.payload * 2 if draft.payload == 1 else None

    bus.intercept(PING, guard)
    with pytest.raises(Vetoed):
        await bus.propose(PING, 0, commit)
    assert (await bus.propose(PING, 1, commit)).payload == 102
    assert (await bus.propose(PING, 2, commit)).payload == 102
    assert committed == [2, 2]


async def test_g11_commits_and_events_have_the_same_order(bus: Bus) -> None:
    """A slow interceptor lets a later change pass; facts follow the commits, not the proposals."""
    committed: list[int] = []
    slow = anyio.Event()

    async def guard(draft: Draft[int]) -> None:
        if draft.payload == 1:
            await slow.wait()

    def commit(payload: int) -> int:
        committed.append(payload)
        return payload

    bus.intercept(PING, guard)
    with Recorder(bus) as events:
        async with anyio.create_task_group() as group:
            group.start_soon(bus.propose, PING, 1, commit)
            group.start_soon(bus.propose, PING, 2, commit)
            await settle()
            slow.set()
    assert committed == [2, 1]
    assert events.payloads(PING) == committed
    assert [event.seq for event in events.events] == [1, 2]


async def test_g11_a_commit_that_raises_publishes_nothing(bus: Bus) -> None:
    """The error comes out as it is."""

    def commit(payload: int) -> int:
        raise LookupError("gone")

    with Recorder(bus) as events, pytest.raises(LookupError, match="gone"):
        await bus.propose(PING, 1, commit)
    assert events.events == []


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(2)])
async def test_g11_a_guard_that_fails_lets_nothing_pass(bus: Bus, error: BaseException) -> None:
    """An interceptor that raises by mistake refuses, and is named."""

    async def guard(draft: Draft[int]) -> None:
        raise error

    bus.intercept(PING, guard, owner="guard")
    with pytest.raises(InterceptorError, match=r"guard/.* of ping:sent failed"):
        await bus.publish(PING, 1)


async def test_g11_a_guard_that_hangs_lets_nothing_pass(bus: Bus) -> None:
    """Its time-out is an error of the publish."""

    async def guard(draft: Draft[int]) -> None:
        await anyio.sleep_forever()

    bus.intercept(PING, guard, timeout=0.01)
    with pytest.raises(InterceptorError, match="TimeoutError"):
        await bus.publish(PING, 1)


async def test_g11_a_changed_payload_keeps_its_type(bus: Bus) -> None:
    """Something else than the topic's type is an error that says what to return."""
    bus.intercept(PING, lambda draft: "text")
    with pytest.raises(InterceptorError, match="returned str; return a int"):
        await bus.publish(PING, 1)


async def test_publish_nowait_does_not_pass_interceptors(bus: Bus) -> None:
    """It cannot wait for them, so it says to use publish."""
    bus.intercept(PING, lambda draft: None)
    with pytest.raises(MailboxFull, match="await publish"):
        bus.publish_nowait(PING, 1)


async def test_payloads_can_be_checked_on_each_publish(bus: Bus) -> None:
    """check_payload as an interceptor refuses wrong types at the source."""
    bus.intercept("*", check_payload)
    await bus.publish(PING, 1)
    with pytest.raises(Vetoed, match="carries str, not int"):
        await bus.publish(PING, "1")  # type: ignore[arg-type]


async def test_a_draft_tells_who_is_about_to_publish(bus: Bus) -> None:
    """Source and correlation are known before the number is."""
    drafts: list[Draft[int]] = []
    bus.intercept(PING, drafts.append)

    async def relay(event: Event[int]) -> None:
        await bus.publish(PING, 2)

    pong: Topic[int] = Topic("pong:sent", int)
    bus.on(pong, relay)
    first = await bus.publish(pong, 1, source="me")
    await bus.drain()
    assert (drafts[0].topic, drafts[0].source, drafts[0].correlation_id) == ("ping:sent", "app", first.id)
