"""Calls between two ends, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from gridbus.errors import (
    IsolationError,
    MailboxFull,
    PayloadTooLarge,
    PeerGone,
    PluginStateError,
    RemoteError,
)
from gridbus.isolation.wire import MAX_FRAME, Kind
from tests.isolation.wire.conftest import Conversation, Question, error_of, read_into, until


async def test_calls_go_both_ways_at_once(talk: Conversation) -> None:
    """Each reply finds its call, whatever the order."""
    gate = asyncio.Event()

    async def say(question: Question, info: Any) -> str:
        if question.number == 0:
            await gate.wait()
        gate.set()
        return f"{question.text} {question.number} {info.method}"

    for end in (talk.application, talk.child):
        end.peer.handlers["say"] = say
        end.peer.handlers["count"] = lambda number, info: number + 1
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(talk.application.peer.call("say", Question("a", number))) for number in (0, 1)]
        told = [group.create_task(talk.child.peer.call("count", number)) for number in range(100)]
    assert [task.result() for task in asked] == ["a 0 say", "a 1 say"]
    assert [task.result() for task in told] == list(range(1, 101))
    assert talk.application.peer.pending == 0


async def test_a_plain_handler_costs_no_job(talk: Conversation) -> None:
    """It is answered where it is read."""
    talk.child.peer.handlers["count"] = lambda number, info: number
    assert await talk.application.peer.call("count", 5) == 5
    assert talk.child.tasks == set()


async def test_notes_and_other_frames_arrive_in_order(talk: Conversation) -> None:
    """Those sent in one turn go out in one write."""
    writes: list[int] = []
    write = talk.child.transport.write

    def counted(data: Any) -> None:
        writes.append(len(data))
        write(data)

    talk.child.transport.write = counted
    for number in range(100):
        talk.child.peer.send(Kind.EVENT, number, [number])
    talk.child.peer.note("told", Question("hi"))
    await until(lambda: talk.application.told)
    assert talk.application.frames == [(Kind.EVENT, number, [number]) for number in range(100)]
    assert talk.application.told == [Question("hi")]
    assert len(writes) == 1


async def test_much_that_is_sent_does_not_wait_for_the_end_of_the_turn(talk: Conversation) -> None:
    """64 KB go out at once."""
    sent: list[int] = []
    talk.child.transport.write = lambda data: sent.append(len(data))
    for _ in range(3):
        talk.child.peer.send(Kind.EVENT, 1, b"x" * 30_000)
    assert sent == [90_000 + 3 * (4 + 1 + 1 + 1 + 3)]


@pytest.mark.parametrize("is_async", [True, False])
async def test_errors_come_back(talk: Conversation, is_async: bool) -> None:
    """As what they were where they are known, else as remote ones with their name and traceback."""

    def fail(what: str, info: Any) -> None:
        raise MailboxFull("me", 3) if what == "known" else ZeroDivisionError("oh")

    async def fail_later(what: str, info: Any) -> None:
        fail(what, info)

    talk.child.peer.handlers["fail"] = fail_later if is_async else fail
    with pytest.raises(MailboxFull) as known:
        await talk.application.peer.call("fail", "known")
    assert known.value.depth == 3
    with pytest.raises(RemoteError, match="ZeroDivisionError: oh") as other:
        await talk.application.peer.call("fail", "other")
    assert "in fail" in other.value.traceback_text


async def test_large_errors_are_cut(talk: Conversation) -> None:
    """So that whoever waits is told in any case."""

    def fail(what: str, info: Any) -> None:
        raise ValueError("ü" * 100_000)

    talk.child.peer.handlers["fail"] = fail
    with pytest.raises(ValueError, match="üüü"):
        await talk.application.peer.call("fail", "x")


async def test_what_cannot_be_sent_is_told(talk: Conversation) -> None:
    """Arguments to the caller at once; replies to whoever waits for them."""
    talk.child.peer.handlers["say"] = lambda question, info: "x" * MAX_FRAME
    talk.child.peer.handlers["count"] = lambda number, info: object()
    with pytest.raises(PayloadTooLarge, match="do not fit"):
        await talk.application.peer.call("say", Question("x" * MAX_FRAME))
    with pytest.raises(PayloadTooLarge, match="do not fit"):
        await talk.application.peer.call("say", Question("x"))
    with pytest.raises(TypeError, match="object"):
        await talk.application.peer.call("count", 1)
    assert talk.application.peer.pending == 0


async def test_a_method_without_a_handler_is_told(talk: Conversation) -> None:
    """The caller may try again later."""
    with pytest.raises(PluginStateError, match="before it can be answered"):
        await talk.application.peer.call("say", Question("x"))


async def test_a_call_that_is_cancelled_is_cancelled_there_too(talk: Conversation) -> None:
    """And the late reply of one that does not mind is dropped."""
    begun, ended, gate = asyncio.Event(), [], asyncio.Event()

    async def wait(nothing: None, info: Any) -> None:
        begun.set()
        try:
            await gate.wait()
        finally:
            ended.append(True)

    talk.child.peer.handlers["wait"] = wait
    with anyio.move_on_after(5) as scope:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(talk.application.peer.call("wait", None))
            await begun.wait()
            task.cancel()
    assert not scope.cancelled_caught
    await until(lambda: ended)
    talk.child.peer.handlers["count"] = lambda number, info: number
    assert await talk.application.peer.call("count", 1) == 1
    assert talk.application.peer.pending == 0
    await until(lambda: all(task.done() for task in talk.child.tasks))


async def test_work_that_is_cancelled_by_its_owner_is_told(talk: Conversation) -> None:
    """Whoever waits for it does not wait for ever."""
    begun = asyncio.Event()

    async def wait(nothing: None, info: Any) -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    async def awaits_cancelled(number: int, info: Any) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.cancel()
        return await future

    talk.child.peer.handlers |= {"wait": wait, "count": awaits_cancelled}
    async with asyncio.TaskGroup() as group:
        task = group.create_task(error_of(talk.application.peer.call("wait", None)))
        await begun.wait()
        for running in talk.child.tasks:
            running.cancel()
    assert isinstance(task.result(), IsolationError)
    assert "was cancelled before it was done" in str(task.result())
    with pytest.raises(IsolationError, match="it awaited what was cancelled"):
        await talk.application.peer.call("count", 1)


async def test_a_call_that_is_cancelled_before_it_begins_never_begins(talk: Conversation) -> None:
    """Both frames may come in one read."""
    ran = []

    async def wait(nothing: None, info: Any) -> None:
        ran.append(True)

    talk.child.peer.handlers["wait"] = wait
    talk.application.peer.send(Kind.CALL, 7, ["wait", None])
    talk.application.peer.send(Kind.CANCEL, 7, None)
    talk.application.peer.send(Kind.CANCEL, 7, None)
    talk.application.peer.send(Kind.CANCEL, 99, None)
    talk.application.peer.send(Kind.EVENT, 1, None)
    await until(lambda: talk.child.frames)
    await until(lambda: all(task.done() for task in talk.child.tasks))
    assert ran == []


async def test_all_that_waits_fails_when_the_other_end_goes(talk: Conversation) -> None:
    """Calls, streams and those who wait for room; what was asked for is cancelled."""
    ended: list[str] = []

    async def wait(nothing: None, info: Any) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("there")

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.get_running_loop().create_future()

    items: list[bytes] = []
    talk.child.peer.handlers |= {"wait": wait, "many": many}
    async with asyncio.TaskGroup() as group:
        call = group.create_task(error_of(talk.application.peer.call("wait", None)))
        stream = group.create_task(error_of(read_into(items, talk, 1)))
        await until(lambda: items)
        talk.application.peer.pause()
        room = group.create_task(talk.application.peer.room())
        late = group.create_task(error_of(talk.application.peer.call("wait", None)))
        await asyncio.sleep(0)
        talk.child.transport.close()
    assert room.result() is None
    for task in (call, stream, late):
        assert isinstance(task.result(), PeerGone)
    assert "there" in ended
    assert talk.application.lost == [None]
    assert talk.child.lost == [None]
    with pytest.raises(PeerGone):
        await talk.application.peer.call("wait", None)
    with pytest.raises(PeerGone):
        async with talk.application.peer.stream("many", 1):
            pass
    talk.application.peer.note("told", Question("x"))
    for _ in range(10):
        talk.application.peer.send(Kind.EVENT, 1, b"x" * 60_000)
    assert talk.application.peer.pending == 0
