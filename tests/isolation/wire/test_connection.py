"""The plugin's end of the socket, and blocking calls over it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.errors import MailboxFull, PeerGone, ProtocolViolation
from gridbus.isolation.wire import ChildConnection, Frame, FrameReader, Kind, encode_frame, wire_failure
from tests.isolation.wire.conftest import Conversation, End, new_end, until


class Script:
    """An application that reads and answers in a thread of its own, as the child blocks."""

    def __init__(self, answer: Callable[[socket.socket, Frame], bool]) -> None:
        self.sock, self.theirs = socket.socketpair()
        self._answer = answer
        self.seen: list[Frame] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        reader = FrameReader()
        while data := self.sock.recv(1 << 16):
            for frame in reader.feed(data):
                self.seen.append(frame)
                if not self._answer(self.sock, frame):
                    self.sock.close()
                    return
        self.sock.close()

    def join(self) -> None:
        """Return when it has ended."""
        self._thread.join(5)
        assert not self._thread.is_alive()


def connected(script: Script) -> End:
    """Return a child's end."""
    end = new_end(count=lambda number, info: number + 1)
    end.transport = ChildConnection(script.theirs, end.peer, on_lost=end.lost.append)
    return end


def reply_behind(*others: bytes) -> Callable[[socket.socket, Frame], bool]:
    """Return what replies to each call, after other frames and before some more."""

    def answer(sock: socket.socket, frame: Frame) -> bool:
        if frame.kind is Kind.CALL:
            sock.sendall(b"".join(others) + encode_frame(Kind.REPLY, frame.id, 42) + events(10, 12))
        return True

    return answer


def events(first: int, end: int) -> bytes:
    """Return frames with the numbers of a range."""
    return b"".join(encode_frame(Kind.EVENT, number, None) for number in range(first, end))


async def test_a_blocking_call_returns_before_anything_else_is_handled() -> None:
    """What came meanwhile is handled afterwards, in order, and before what comes later."""
    script = Script(reply_behind(events(0, 10)))
    end = connected(script)
    assert end.peer.call_now("count", 1) == 42
    assert end.frames == []
    end.peer.receive_all(FrameReader().feed(events(12, 15)))
    assert end.frames == []
    await until(lambda: len(end.frames) == 15)
    assert [number for _, number, _ in end.frames] == list(range(15))
    end.transport.close()
    script.join()


async def test_a_handler_may_block_in_the_middle_of_a_batch() -> None:
    """Frames keep their order: the rest of the batch comes before what came during the call."""
    script = Script(reply_behind())
    end = connected(script)
    taken: list[int] = []

    def take(frame: Frame) -> None:
        taken.append(frame.id)
        if frame.id in (1, 3):
            assert end.peer.call_now("count", 1) == 42

    end.peer.on_frame = take
    end.peer.receive_all(FrameReader().feed(events(0, 5)))
    await until(lambda: len(taken) == 9)
    assert taken == [0, 1, 2, 3, 4, 10, 11, 10, 11]
    end.transport.close()
    script.join()


async def test_a_blocking_call_sends_what_waited_before_it() -> None:
    """And more than the socket takes at once."""
    script = Script(reply_behind())
    end = connected(script)
    for number in range(40):
        end.peer.send(Kind.EVENT, number, b"x" * 60_000)
    assert end.peer.call_now("count", 1) == 42
    assert [frame.id for frame in script.seen if frame.kind is Kind.EVENT] == list(range(40))
    end.transport.close()
    script.join()


async def test_a_blocking_call_raises_what_was_raised_there() -> None:
    """As any other call."""

    def answer(sock: socket.socket, frame: Frame) -> bool:
        sock.sendall(encode_frame(Kind.ERROR, frame.id, wire_failure(MailboxFull("me", 3))))
        return True

    script = Script(answer)
    end = connected(script)
    with pytest.raises(MailboxFull):
        end.peer.call_now("count", 1)
    end.transport.close()
    script.join()


async def test_a_blocking_call_fails_when_the_other_end_goes() -> None:
    """At once; later ones too."""
    script = Script(lambda sock, frame: False)
    end = connected(script)
    for _ in range(2):
        with pytest.raises(PeerGone):
            end.peer.call_now("count", 1)
    assert len(end.lost) == 1
    script.join()


async def test_a_blocking_call_fails_on_noise() -> None:
    """And on a reply of another type."""
    for noise in (b"\xff\xff\xff\xff", encode_frame(Kind.REPLY, 1, "text")):

        def answer(sock: socket.socket, frame: Frame, noise: bytes = noise) -> bool:
            sock.sendall(noise)
            return True

        script = Script(answer)
        end = connected(script)
        with pytest.raises((PeerGone, ProtocolViolation)):
            end.peer.call_now("count", 1)
        assert [type(error) for error in end.lost] == [ProtocolViolation]
        script.join()


async def test_what_the_socket_does_not_take_is_sent_later(talk: Conversation) -> None:
    """The peer is paused meanwhile, and nothing is lost."""
    talk.application.transport.pause()
    sent = 0
    while not talk.child.peer.is_paused:
        talk.child.peer.send(Kind.EVENT, sent, b"x" * 30_000)
        sent += 1
        await asyncio.sleep(0)
    talk.application.transport.resume()
    with anyio.fail_after(5):
        await talk.child.peer.room()
    await until(lambda: len(talk.application.frames) == sent)
    assert [number for _, number, _ in talk.application.frames] == list(range(sent))


async def test_closing_sends_what_waits(talk: Conversation) -> None:
    """Blocking, as the process is about to end."""
    for number in range(3):
        talk.child.peer.send(Kind.EVENT, number, b"x" * 1000)
    talk.child.transport.close()
    await until(lambda: talk.application.lost)
    assert len(talk.application.frames) == 3
    talk.child.transport.close()
    assert talk.child.lost == [None]


async def test_its_descriptor_is_closed_and_not_watched_any_more() -> None:
    """Nothing is left of it."""
    ours, theirs = socket.socketpair()
    end = new_end()
    connection = ChildConnection(theirs, end.peer, on_lost=end.lost.append)
    number = theirs.fileno()
    ours.close()
    await until(lambda: end.lost)
    assert theirs.fileno() == -1
    with pytest.raises(OSError):  # noqa: PT011  # EBADF, by whatever name
        os.fstat(number)
    connection.write(b"x")
    connection.fail(RuntimeError("late"))
    assert end.lost == [None]


async def test_memory_that_runs_out_is_for_the_loop_to_hear_of(talk: Conversation) -> None:
    """The frames behind it are handled all the same."""
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    take = talk.child.take

    def pick(frame: Frame) -> None:
        if frame.id == 1:
            raise MemoryError
        take(frame)

    talk.child.peer.on_frame = pick
    for number in range(3):
        talk.application.peer.send(Kind.EVENT, number, None)
    await until(lambda: len(talk.child.frames) == 2)
    assert isinstance(told[0]["exception"], MemoryError)
    assert "handle" in told[0]
