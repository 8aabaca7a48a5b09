"""The application's end of the socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gridbus.errors import IsolationError, ProtocolViolation
from gridbus.isolation.wire import Frame, Kind, encode_frame
from gridbus.testing import FakeClock
from tests.isolation.wire.conftest import End, connect, new_end, until


@pytest.fixture
async def end() -> AsyncIterator[End]:
    """An application's end; the tests write into the other one's socket."""
    made = new_end()
    yield made
    if made.transport is not None:
        made.transport.abort()
        await until(lambda: made.lost)


@pytest.fixture
async def other(end: End) -> AsyncIterator[socket.socket]:
    """The other end's socket, connected."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    await connect(end, ours)
    with theirs:
        yield theirs


def frames(count: int, first: int = 0) -> bytes:
    """Return so many frames."""
    return b"".join(encode_frame(Kind.EVENT, number, None) for number in range(first, first + count))


async def test_frames_are_read_however_they_are_cut(end: End, other: socket.socket) -> None:
    """A byte at a time, and many at once."""
    for byte in frames(3):
        other.send(bytes([byte]))
        await asyncio.sleep(0)
    other.send(encode_frame(Kind.EVENT, 3, b"x" * 60_000))
    await until(lambda: len(end.frames) == 4)
    assert [number for _, number, _ in end.frames] == [0, 1, 2, 3]


@pytest.mark.parametrize("noise", [b"\xff\xff\xff\xff", b"\x01\x00\x00\x00\xc1", b"GET / HTTP/1.1\r\n\r\n"], ids=repr)
async def test_noise_ends_the_connection(end: End, other: socket.socket, noise: bytes) -> None:
    """Once, with what broke it; nothing is read after it."""
    other.send(frames(2) + encode_frame(Kind.EVENT, 7, None))
    await until(lambda: len(end.frames) == 3)
    other.send(noise + frames(5))
    await until(lambda: end.lost)
    assert [type(error) for error in end.lost] == [ProtocolViolation]
    assert len(end.frames) == 3


async def test_the_end_of_the_other_process_is_told_once(end: End, other: socket.socket) -> None:
    """After all that it had sent."""
    other.send(frames(2000))
    other.close()
    await until(lambda: end.lost)
    assert end.lost == [None]
    assert len(end.frames) == 2000
    end.transport.close()
    end.transport.abort()
    end.transport.fail(IsolationError("late"))
    await asyncio.sleep(0)
    assert end.lost == [None]


async def test_closing_sends_what_waits(end: End, other: socket.socket) -> None:
    """And then ends the connection."""
    end.peer.send(Kind.EVENT, 1, b"x" * 10)
    end.transport.close()
    await until(lambda: end.lost)
    assert other.recv(1000) == encode_frame(Kind.EVENT, 1, b"x" * 10)
    assert other.recv(1000) == b""


async def test_a_flood_does_not_hold_up_the_loop(end: End, other: socket.socket) -> None:
    """Slow frames are handled a few at a time; none is lost, and the order stays."""
    turns = 0

    def slow(frame: Frame) -> None:
        until_then = asyncio.get_running_loop().time() + 0.0004
        while asyncio.get_running_loop().time() < until_then:
            pass
        seen.append((frame.id, turns))

    seen: list[tuple[int, int]] = []
    end.peer.on_frame = slow
    other.send(frames(200))
    while len(seen) < 200:
        await asyncio.sleep(0)
        turns += 1
    assert [number for number, _ in seen] == list(range(200))
    per_turn = max(sum(1 for _, turn in seen if turn == one) for one in {turn for _, turn in seen})
    assert per_turn <= 32


async def test_faster_than_the_rate_is_not_read_and_told_once(end: End) -> None:
    """A second's worth may come at once; what came over that waits for the clock."""
    clock = FakeClock()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    await connect(end, ours, clock=clock, rate=100)
    sent = 0
    with theirs:
        for _ in range(200):
            try:
                sent += theirs.send(frames(100)) // len(frames(1))
            except BlockingIOError:
                break
            await asyncio.sleep(0)
        assert end.throttled == [True]
        got = len(end.frames)
        assert 100 < got < 3_000
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(end.frames) == got  # nothing moves until the clock does
        while len(end.frames) < got + 1:
            await clock.advance(1)
            await asyncio.sleep(0)
        assert end.throttled == [True]
        assert sent > got
    while not end.lost:
        await clock.advance(30)
        await asyncio.sleep(0)
    await clock.advance(100)


async def test_reading_can_be_held(end: End, other: socket.socket) -> None:
    """Nothing is lost meanwhile."""
    end.transport.pause()
    other.send(frames(5))
    for _ in range(10):
        await asyncio.sleep(0)
    assert end.frames == []
    end.transport.resume()
    await until(lambda: len(end.frames) == 5)


async def test_who_sends_is_paused_while_the_other_end_does_not_read(end: End, other: socket.socket) -> None:
    """Calls wait; and all goes on when it reads again."""
    resumed: list[bool] = []
    end.peer.on_resume = lambda: resumed.append(True)
    while not end.peer.is_paused:
        end.peer.send(Kind.EVENT, 1, b"x" * 60_000)
        await asyncio.sleep(0)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(end.peer.room())
        call = group.create_task(end.peer.call("count", 1))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert end.peer.pending == 0
        while not waiting.done():
            _drain(other)
            await asyncio.sleep(0)
        await until(lambda: end.peer.pending)
        assert resumed == [True]
        other.send(encode_frame(Kind.REPLY, 1, 2))
    assert call.result() == 2


def _drain(sock: socket.socket) -> None:
    try:
        while sock.recv(1 << 20):
            pass
    except BlockingIOError:
        return


async def test_the_application_never_blocks(end: End, other: socket.socket) -> None:
    """A blocking call is the child's alone."""
    with pytest.raises(IsolationError, match="does not block"):
        end.peer.call_now("count", 1)


def test_it_holds_on_uvloop_too() -> None:
    """A conversation of calls, a flood, a pause and the end."""
    uvloop = pytest.importorskip("uvloop")

    async def talk() -> None:
        end = new_end(count=lambda number, info: number + 1)
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        await connect(end, ours)
        theirs.send(frames(1000) + encode_frame(Kind.CALL, 1, ["count", 1]))
        await until(lambda: len(end.frames) == 1000)
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(theirs, 1000) == encode_frame(Kind.REPLY, 1, 2)
        end.transport.pause()
        theirs.send(frames(3))
        await asyncio.sleep(0)
        end.transport.resume()
        await until(lambda: len(end.frames) == 1003)
        theirs.send(b"\xff\xff\xff\xff")
        await until(lambda: end.lost)
        assert isinstance(end.lost[0], ProtocolViolation)
        theirs.close()

    run: Callable[[Any], object] = uvloop.run
    run(talk())
