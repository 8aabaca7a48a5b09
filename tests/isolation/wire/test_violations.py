"""What the other end may not send, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from gridbus.errors import (
    PeerGone,
    ProtocolViolation,
)
from gridbus.isolation.wire import WINDOW, Frame, Kind
from tests.isolation.wire.conftest import Conversation, new_end, until

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
