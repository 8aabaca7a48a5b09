"""Two ends of a conversation, over a real pair of sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import msgspec
import pytest

from gridbus.clock import SystemClock
from gridbus.isolation.wire import ChildConnection, Frame, Kind, Link, Peer


class Question(msgspec.Struct, array_like=True):
    """Arguments of a call."""

    text: str
    number: int = 0


CALLS: dict[str, tuple[Any, Any]] = {
    "say": (Question, str),
    "count": (int, int),
    "wait": (None, None),
    "many": (int, None),
    "fail": (str, None),
}
NOTES: dict[str, Any] = {"told": Question, "odd": None}


class Running:
    """A task, as the bus runs jobs."""

    def __init__(self, fn: Callable[[], Awaitable[object]], tasks: set[Any]) -> None:
        async def run() -> None:
            await fn()

        self.task = asyncio.get_running_loop().create_task(run())
        tasks.add(self.task)

    def cancel(self) -> None:
        """End it."""
        self.task.cancel()


@attrs.define(eq=False)
class End:
    """One end, with what it was told."""

    peer: Peer
    frames: list[tuple[Kind, int, Any]] = attrs.field(factory=list)
    told: list[Any] = attrs.field(factory=list)
    lost: list[Exception | None] = attrs.field(factory=list)
    tasks: set[Any] = attrs.field(factory=set)
    throttled: list[bool] = attrs.field(factory=list)
    sock: Any = None
    transport: Any = None  #: Link or ChildConnection

    def take(self, frame: Frame) -> None:
        """Keep a frame."""
        self.frames.append((frame.kind, frame.id, msgspec.msgpack.decode(frame.payload)))


def new_end(**handlers: Callable[..., Any]) -> End:
    """Return an end that is not connected."""
    tasks: set[Any] = set()
    peer = Peer(
        calls_out=CALLS,
        calls_in=CALLS,
        notes_in=NOTES,
        start=lambda fn: Running(fn, tasks),
        handlers=handlers,
    )
    end = End(peer, tasks=tasks)
    peer.on_frame = end.take
    peer.notes["told"] = end.told.append
    return end


async def until(condition: Callable[[], Any]) -> Any:
    """Turn the loop until something holds."""
    with anyio.fail_after(5):
        while not (value := condition()):
            await anyio.lowlevel.checkpoint()
    return value


@attrs.define(eq=False)
class Conversation:
    """Both ends."""

    application: End
    child: End


@pytest.fixture
async def talk() -> AsyncIterator[Conversation]:
    """An application's end and a child's, connected."""
    application, child = new_end(), new_end()
    ours, theirs = socket.socketpair()
    await connect(application, ours)
    child.sock = theirs
    child.transport = ChildConnection(theirs, child.peer, on_lost=child.lost.append)
    yield Conversation(application, child)
    child.transport.close()
    application.transport.abort()
    await until(lambda: application.lost)
    for end in (application, child):
        for task in end.tasks:
            task.cancel()
        await asyncio.gather(*end.tasks, return_exceptions=True)


async def connect(end: End, sock: socket.socket, *, clock: Any = None, rate: float = 1e9, **options: Any) -> Link:
    """Connect the application's end."""
    link = Link(
        end.peer,
        clock=clock or SystemClock(),
        rate=rate,
        on_lost=end.lost.append,
        on_throttled=lambda: end.throttled.append(True),
        **options,
    )
    end.sock, end.transport = sock, link
    await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=sock)
    return link


async def error_of(awaitable: Awaitable[Any]) -> BaseException | None:
    """Return what an awaitable raises."""
    try:
        await awaitable
    except Exception as error:
        return error
    return None


async def read_into(found: list[bytes], talk: Conversation, number: int) -> None:
    """Read a stream and keep what came, whatever happens then."""
    async with talk.application.peer.stream("many", number) as items:
        async for item in items:
            found += [item]
