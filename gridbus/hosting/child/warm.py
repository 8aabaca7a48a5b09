"""What is done once before processes are forked, so that none of them has to."""

from __future__ import annotations

import asyncio
from datetime import date
from math import inf

import msgspec

from gridbus.channels import Channel
from gridbus.events import Event, Topic
from gridbus.events.grid import ROW_UPDATE, RowUpdated
from gridbus.hosting.child.conversation import conversation
from gridbus.hosting.child.session import Session
from gridbus.hosting.protocol import Occurrence, Published, Serve, Start
from gridbus.isolation.wire import FrameReader, Kind, encode_frame, pack, type_path
from gridbus.manifest import PluginMetadata
from gridbus.plugins import Plugin, on, serves
from gridbus.plugins.connecting import connect
from gridbus.plugins.loader import Loader

_SAID = Topic("warm-up:said", str)
_EVENTS = 300  # enough for the interpreter to have specialized what runs for each event


class _Warm(Plugin[None]):
    """Does a little of what plugins do."""

    metadata = PluginMetadata(id="warm-up", name="Warm-up", version="0.0.0", permissions=["subscribe:*"])

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0

    @on("row:update")
    async def hear(self, event: Event[RowUpdated]) -> None:
        """Count."""
        self.heard += 1

    @serves(Channel("warm-up:say", str, str))
    async def say(self, message: str) -> str:
        """Say it again."""
        return message


class _Application:
    """Stands for the application at the other end: it answers each call alike."""

    def __init__(self) -> None:
        self._reader = FrameReader()
        self.answers: list[bytes] = []

    def write(self, data: bytes | bytearray, /) -> None:
        """Answer what is a call."""
        published = Published(1, 1, "warm", None)
        self.answers += [
            encode_frame(Kind.REPLY, frame.id, published)
            for frame in self._reader.feed(bytes(data))
            if frame.kind is Kind.CALL
        ]

    def fail(self, error: Exception, /) -> None:
        """Say what went wrong."""
        raise error

    def read_now(self) -> None:
        """Have nothing to say: nothing that is done here blocks."""
        raise RuntimeError("a plugin that only warms up makes no call that blocks")


def warm() -> None:
    """Go once through loading, starting, hearing, publishing, serving and ending; nothing of it stays."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_live_briefly())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _live_briefly() -> None:
    peer, bus = conversation("warm-up")
    application = _Application()
    peer.transport = application
    reader = FrameReader()
    async with bus:
        record = await Loader(timeout=inf).load(_Warm)
        session = Session(peer, bus, record, connect)
        ready = await session.start(Start(("subscribe:*",)))
        numbers = {subscription.kind: subscription.number for subscription in ready.subscriptions}
        for seq in range(1, _EVENTS + 1):
            for frame in reader.feed(encode_frame(Kind.EVENT, numbers["on"], _occurrence(seq))):
                peer.receive(frame)
            await asyncio.sleep(0)
        await bus.drain()
        serve = Serve(numbers["serve"], 1, pack("hello"), "warm", "app", None)
        peer.receive(reader.feed(encode_frame(Kind.CALL, 1, ["serve", serve]))[0])
        peer.receive(reader.feed(encode_frame(Kind.CALL, 2, ["health", None]))[0])
        publishing = bus.start_job(bus.publish, _SAID, "hello", name="publish", owner="warm-up")
        while not publishing.is_done:
            await asyncio.sleep(0)
            for answer in application.answers:
                for frame in reader.feed(answer):
                    peer.receive(frame)
            application.answers.clear()
        await session.destroy(None)


def _occurrence(seq: int) -> Occurrence:
    payload = RowUpdated(str(seq), {"name": "before", "on": date(2026, 1, 1)}, {"name": "after", "on": None})
    return Occurrence(seq, seq, "warm", "app", str(ROW_UPDATE), msgspec.Raw(pack(payload)), type_path(RowUpdated), None)
