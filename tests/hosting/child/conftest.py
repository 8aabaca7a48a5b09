"""A plugin's end of the conversation, and an application that a test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import msgspec
import pytest

from gridbus.hosting.child.bus import ChildBus
from gridbus.hosting.child.conversation import conversation
from gridbus.hosting.protocol import IN_APPLICATION, IN_PLUGIN, NOTES, Done, Occurrence, Published, Subscribe, Trace
from gridbus.isolation.wire import Frame, FrameReader, Kind, Peer, pack, type_path
from gridbus.testing import FakeClock


class Wire:
    """One end's way to the other: bytes arrive in the next turn of the loop, or at once for whoever blocks."""

    def __init__(self) -> None:
        self.peer: Peer | None = None  #: the one at the other end
        self.back: Wire | None = None
        self._waiting = bytearray()
        self._reader = FrameReader()

    def write(self, data: bytes | bytearray, /) -> None:
        self._waiting += data
        asyncio.get_running_loop().call_soon(self.deliver)

    def fail(self, error: Exception, /) -> None:
        raise error

    def read_now(self) -> None:
        assert self.peer is not None
        assert self.back is not None
        self.deliver()
        self.peer.flush()
        assert self.back._waiting, "whoever blocks here would block for ever"
        self.back.deliver()

    def deliver(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        for frame in self._reader.feed(data) if data else ():
            assert self.peer is not None
            self.peer.receive(frame)


@attrs.define(eq=False)
class Application:
    """What the test plays: it keeps what it is told, and sends what the test wants."""

    peer: Peer
    child: Peer
    bus: ChildBus
    clock: FakeClock
    calls: list[tuple[str, Any]] = attrs.field(factory=list)
    told: list[tuple[str, Any]] = attrs.field(factory=list)
    dones: list[tuple[int, Done]] = attrs.field(factory=list)
    answers: dict[str, Callable[[Any], Any]] = attrs.field(factory=dict)
    seqs: Any = attrs.field(factory=lambda: count(1))

    @property
    def subscribed(self) -> dict[str, Subscribe]:
        """What was subscribed, by the name of the handler."""
        return {wanted.name: wanted for method, wanted in self.calls if method == "subscribe"}

    def calls_of(self, method: str) -> list[Any]:
        return [arguments for name, arguments in self.calls if name == method]

    def notes_of(self, method: str) -> list[Any]:
        return [arguments for name, arguments in self.told if name == method]

    def send(self, number: int, topic: str, *payloads: Any, path: str | None = "", trace: Trace | None = None) -> None:
        """Send events."""
        for payload in payloads:
            kind = type_path(type(payload)) if path == "" else path
            came = Occurrence(next(self.seqs), 1_000, "bus-1", "app", topic, msgspec.Raw(pack(payload)), kind, trace)
            self.peer.send(Kind.EVENT, number, came)

    def done(self, number: int) -> int:
        """How many events the process said that it is done with."""
        return sum(done.count for of, done in self.dones if of == number)

    def failures(self, number: int) -> list[Any]:
        return [failure for of, done in self.dones if of == number for failure in done.failures]

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Turn the loop until something holds."""
        with anyio.fail_after(5):
            while not (value := condition()):
                await anyio.lowlevel.checkpoint()
        return value

    async def settle(self) -> None:
        """Turn the loop until nothing more can be on its way."""
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    """The application's end, with an open bus at the plugin's."""
    clock = FakeClock()
    child, bus = conversation("probe", clock=clock)
    child.handlers["serve"] = lambda wanted, info: bus.servers.answer(wanted)
    child.handlers["intercept"] = lambda wanted, info: bus.guards.look(wanted)
    tasks: set[asyncio.Task[Any]] = set()

    class Running:
        def __init__(self, task: asyncio.Task[Any]) -> None:
            self.task = task
            tasks.add(task)

        def cancel(self) -> None:
            self.task.cancel()

    def answer(method: str) -> Callable[[Any, Any], Any]:
        def call(arguments: Any, info: Any) -> Any:
            played.calls.append((method, arguments))
            chosen = played.answers.get(method)
            return None if chosen is None else chosen(arguments)

        return call

    peer = Peer(
        calls_out=IN_PLUGIN,
        calls_in=IN_APPLICATION,
        notes_in=NOTES,
        start=lambda fn: Running(asyncio.get_running_loop().create_task(fn())),
        handlers={method: answer(method) for method in IN_APPLICATION},
        notes={method: lambda told, method=method: played.told.append((method, told)) for method in NOTES},
        on_frame=lambda frame: played.dones.append((frame.id, _read_done(frame))),
    )
    played = Application(peer, child, bus, clock)
    played.answers["unsubscribe"] = lambda number: 0
    published = count(1)
    played.answers["publish"] = played.answers["publish_nowait"] = lambda publish: Published(
        next(published), 7, "bus-1", None if publish.cause is None else publish.cause.trace
    )
    there, here = Wire(), Wire()
    there.peer, there.back = child, here
    here.peer, here.back = peer, there
    peer.transport, child.transport = there, here
    async with bus:
        yield played
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _read_done(frame: Frame) -> Done:
    assert frame.kind == Kind.DONE
    return msgspec.msgpack.decode(frame.payload, type=Done)
