"""Calls between two ends, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import msgspec
import pytest

from gridbus.errors import (
    IsolationError,
    MailboxFull,
    PayloadTooLarge,
    PeerGone,
    PluginStateError,
    ProtocolViolation,
    RemoteError,
)
from gridbus.isolation.wire import MAX_FRAME, WINDOW, Frame, Kind
from tests.isolation.wire.conftest import Conversation, Question, new_end, until


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
        task = group.create_task(_error_of(talk.application.peer.call("wait", None)))
        await begun.wait()
        for running in talk.child.tasks:
            running.cancel()
    assert isinstance(task.result(), IsolationError)
    assert "was cancelled before it was done" in str(task.result())
    with pytest.raises(IsolationError, match="it awaited what was cancelled"):
        await talk.application.peer.call("count", 1)


async def _error_of(awaitable: Any) -> BaseException | None:
    try:
        await awaitable
    except Exception as error:
        return error
    return None


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


# --- streams -----------------------------------------------------------------------------------------------------


async def test_a_stream_is_read_to_its_end(talk: Conversation) -> None:
    """However long it is; the sender never runs more than a window ahead."""
    ahead: list[int] = []
    taken = 0

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        for index in range(number):
            ahead.append(index - taken)
            yield str(index).encode()

    talk.child.peer.handlers["many"] = many
    found = []
    async with talk.application.peer.stream("many", 200) as items:
        async for item in items:
            taken += 1
            found.append(item)
            await asyncio.sleep(0)
    assert found == [str(index).encode() for index in range(200)]
    assert WINDOW // 2 <= max(ahead) <= 2 * WINDOW
    assert talk.application.peer.pending == 0


async def test_a_stream_that_nobody_reads_stops_at_the_window(talk: Conversation) -> None:
    """And goes on when somebody does."""
    made: list[int] = []

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        for index in range(number):
            made.append(index)
            yield b"x"

    talk.child.peer.handlers["many"] = many
    async with talk.application.peer.stream("many", 1000) as items:
        await until(lambda: len(made) == WINDOW + 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(made) == WINDOW + 1
        assert [item async for item in items] == [b"x"] * 1000


async def test_a_stream_that_is_left_early_ends_there(talk: Conversation) -> None:
    """The generator is closed."""
    closed: list[bool] = []

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    talk.child.peer.handlers["many"] = many
    async with talk.application.peer.stream("many", 1) as items:
        assert await anext(items) == b"x"
    await until(lambda: closed)
    await until(lambda: all(task.done() for task in talk.child.tasks))
    assert talk.application.peer.pending == 0


async def test_a_stream_that_fails_raises_behind_its_items(talk: Conversation) -> None:
    """The error of the generator, or that it cannot be sent."""

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        yield b"1"
        if number == 1:
            raise MailboxFull("me", 1)
        yield b"x" * MAX_FRAME

    talk.child.peer.handlers["many"] = many
    for number, kind in ((1, MailboxFull), (2, PayloadTooLarge)):
        found: list[bytes] = []
        assert isinstance(await _error_of(_read(talk, number, found)), kind)
        assert found == [b"1"]


async def _read(talk: Conversation, number: int, found: list[bytes]) -> None:
    async with talk.application.peer.stream("many", number) as items:
        async for item in items:
            found += [item]


# --- the end -----------------------------------------------------------------------------------------------------


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
        call = group.create_task(_error_of(talk.application.peer.call("wait", None)))
        stream = group.create_task(_error_of(_read(talk, 1, items)))
        await until(lambda: items)
        talk.application.peer.pause()
        room = group.create_task(talk.application.peer.room())
        late = group.create_task(_error_of(talk.application.peer.call("wait", None)))
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


# --- what may not be ---------------------------------------------------------------------------------------------


BAD_FRAMES = {
    "no method": (Kind.CALL, ["nothing", None]),
    "no arguments": (Kind.CALL, ["say"]),
    "other arguments": (Kind.CALL, ["say", "text"]),
    "one too many": (Kind.CALL, ["count", 1, 2]),
    "no call": (Kind.CALL, None),
    "no note": (Kind.NOTE, ["say", ["x", 1]]),
    "nobody takes it": (Kind.NOTE, ["odd", None]),
    "other note": (Kind.NOTE, ["told", 1]),
    "hello": (Kind.HELLO, None),
    "no error": (Kind.ERROR, [1, 2]),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_frames_that_may_not_be_sent_break_the_protocol(talk: Conversation, name: str) -> None:
    """The connection is given up, and said why."""
    kind, payload = BAD_FRAMES[name]
    talk.child.peer.send(kind, 1, payload)
    await until(lambda: talk.application.lost)
    assert isinstance(talk.application.lost[0], ProtocolViolation)


async def test_a_reply_of_another_type_breaks_the_protocol(talk: Conversation) -> None:
    """Whoever waits is told, and the connection is given up."""
    talk.child.peer.handlers["count"] = lambda number, info: "text"
    with pytest.raises(ProtocolViolation, match="came for count"):
        await talk.application.peer.call("count", 1)
    await until(lambda: talk.application.lost)
    assert isinstance(talk.application.lost[0], ProtocolViolation)


async def test_items_that_run_too_far_ahead_break_the_protocol(talk: Conversation) -> None:
    """The window is not the sender's to choose; credit neither."""
    begun = asyncio.Event()

    async def many(number: int, info: Any) -> AsyncIterator[bytes]:
        begun.set()
        await asyncio.get_running_loop().create_future()
        yield b""

    talk.child.peer.handlers["many"] = many

    async def read() -> None:
        async with talk.application.peer.stream("many", 1) as items:
            await begun.wait()
            for _ in range(2 * WINDOW + 1):
                talk.child.peer.send(Kind.ITEM, 1, b"x")
            await until(lambda: talk.application.lost)
            async for _ in items:
                pass

    with pytest.raises(PeerGone):
        await read()
    assert "runs more than 16 items ahead" in str(talk.application.lost[0])


async def test_too_many_calls_at_a_time_break_the_protocol(talk: Conversation) -> None:
    """Also where each is cancelled at once but does not end."""
    gate, begun = asyncio.Event(), []

    async def wait(nothing: None, info: Any) -> None:
        begun.append(True)
        while not gate.is_set():
            with suppress(asyncio.CancelledError):
                await gate.wait()

    talk.application.peer.handlers["wait"] = wait
    for number in range(1, 1025):
        talk.child.peer.send(Kind.CALL, number, ["wait", None])
    await until(lambda: len(begun) == 1024)
    for number in range(1, 1025):
        talk.child.peer.send(Kind.CANCEL, number, None)
    talk.child.peer.send(Kind.EVENT, 1, None)
    await until(lambda: talk.application.frames)
    assert talk.application.lost == []
    talk.child.peer.send(Kind.CALL, 2000, ["wait", None])
    await until(lambda: talk.application.lost)
    assert "more than 1,024 calls" in str(talk.application.lost[0])
    gate.set()


async def test_replies_that_nobody_waits_for_are_dropped(talk: Conversation) -> None:
    """And so are credits and items."""
    for kind, payload in ((Kind.REPLY, 1), (Kind.CREDIT, 3), (Kind.ITEM, b"x"), (Kind.END, None), (Kind.EVENT, 1)):
        talk.child.peer.send(kind, 77, payload)
    await until(lambda: talk.application.frames)
    assert talk.application.lost == []


async def test_a_failure_in_what_takes_frames_is_told_to_the_loop_and_the_conversation_goes_on(
    talk: Conversation,
) -> None:
    """Frames behind it are not lost; what it cannot decode is the other end's fault."""
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    take = talk.application.take

    def pick(frame: Frame) -> None:
        if frame.id == 1:
            raise LookupError("a bug")
        if frame.id == 3:
            msgspec.msgpack.decode(frame.payload, type=int)
        take(frame)

    talk.application.peer.on_frame = pick
    for number in (1, 2, 3):
        talk.child.peer.send(Kind.EVENT, number, "x")
    await until(lambda: talk.application.lost)
    assert [type(error) for error in told] == [LookupError]
    assert talk.application.frames == [(Kind.EVENT, 2, "x")]
    assert isinstance(talk.application.lost[0], ProtocolViolation)


async def test_nothing_is_lost_that_is_sent_before_there_is_a_connection() -> None:
    """It waits for one."""
    end = new_end()
    end.peer.send(Kind.EVENT, 1, None)
    await asyncio.sleep(0)
    sent: list[bytes] = []

    class Carrier:
        write = staticmethod(lambda data: sent.append(bytes(data)))
        fail = read_now = staticmethod(lambda *_: None)

    end.peer.transport = Carrier()
    end.peer.flush()
    assert len(sent) == 1
