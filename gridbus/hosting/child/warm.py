"""What is done once before processes are forked, so that none of them has to."""

from __future__ import annotations

import asyncio
import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from gridbus.bundles import read_bundle
from gridbus.events.grid import ROW_UPDATE, RowUpdated
from gridbus.hosting.child.handshake import read_hello
from gridbus.hosting.child.living import live
from gridbus.hosting.coding import anonymous_file, pack_code
from gridbus.hosting.protocol import PROTOCOL, Code, Hello, Occurrence, Published, Ready, Serve, Start
from gridbus.isolation.sandbox import SandboxSpec, prepare
from gridbus.isolation.wire import FrameReader, Kind, encode_frame, pack, type_path

_SAMPLE = "sample"
_EVENTS = 300  # enough for the interpreter to have specialized what runs for each event


def warm(*, events: int = _EVENTS) -> None:
    """Go once through the life of a plugin's process but for confining it; nothing of it stays."""
    prepare()
    folder = Path(__file__).parent / _SAMPLE
    code = Code("plugin:Sample", str(folder))
    hello = Hello(PROTOCOL, PROTOCOL, _SAMPLE, code, None, None, SandboxSpec(), logging.DEBUG, "")
    ours, theirs = socket.socketpair()
    descriptors, passed = socket.socketpair()
    with ours, theirs, descriptors, passed, anonymous_file(pack_code(read_bundle(folder))) as file, _log_kept():
        socket.send_fds(descriptors, [b"\0"], [file.fileno()])
        ours.sendall(encode_frame(Kind.HELLO, 1, hello))
        number, came = read_hello(theirs)
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(_live_briefly(ours, theirs, passed, number, came, events=events))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


async def _live_briefly(
    ours: socket.socket, theirs: socket.socket, passed: socket.socket, number: int, hello: Hello, *, events: int
) -> None:
    ours.setblocking(False)
    errors: list[Exception | None] = []
    await asyncio.gather(
        live(theirs, passed, number, hello, {}, on_lost=errors.append), _Application(ours).play(events)
    )
    if errors != [None]:
        raise RuntimeError(f"a plugin's process does not work even as it warms up: {errors}")


class _Application:
    """Plays the application for a plugin that only warms up."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._reader = sock, FrameReader()
        self._replies: dict[int, msgspec.Raw] = {}
        self._done = 0

    async def play(self, events: int) -> None:
        """Start the plugin, let it do each thing once, and let go of it; closed in any case."""
        try:
            await self._reply(1)
            await self._ask(2, "start", Start(("subscribe:row:*",)))
            ready = msgspec.msgpack.decode(self._replies[2], type=Ready)
            numbers = {wanted.kind: wanted.number for wanted in ready.subscriptions}
            for begin in range(0, events, 10):
                for seq in range(begin, begin + 10):
                    self._send(Kind.EVENT, numbers["on"], _occurrence(seq + 1))
                while self._done < begin + 10:
                    await self._receive()
            await self._ask(3, "serve", Serve(numbers["serve"], 1, pack("hello"), "warm", "app", None))
            await self._ask(4, "health", None)
            await self._ask(5, "ping", None)
            await self._ask(6, "destroy", None)
        finally:
            self._sock.close()

    async def _ask(self, number: int, method: str, arguments: Any) -> None:
        self._send(Kind.CALL, number, [method, arguments])
        await self._reply(number)

    async def _reply(self, number: int) -> None:
        while number not in self._replies:
            await self._receive()

    async def _receive(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
        if not data:
            raise RuntimeError("a plugin that only warms up ended before its time")
        for frame in self._reader.feed(data):
            if frame.kind is Kind.CALL:  # to publish
                self._send(Kind.REPLY, frame.id, Published(1, 1, "warm", None))
            elif frame.kind is Kind.DONE:
                self._done += 10
            elif frame.kind is Kind.ERROR:
                raise RuntimeError(f"a plugin that only warms up fails: {bytes(frame.payload)!r}")
            elif frame.kind is Kind.REPLY:
                self._replies[frame.id] = frame.payload

    def _send(self, kind: Kind, number: int, payload: Any) -> None:
        self._sock.send(encode_frame(kind, number, payload))  # little enough for the socket to take it


@contextmanager
def _log_kept() -> Iterator[None]:
    """Put back the handlers and filters that are there now."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with warnings.catch_warnings():
        try:
            yield
        finally:
            logging.captureWarnings(False)
            root.handlers[:] = handlers
            root.setLevel(level)


def _occurrence(seq: int) -> Occurrence:
    payload = RowUpdated(str(seq), {"name": "before", "on": date(2026, 1, 1)}, {"name": "after", "on": None})
    return Occurrence(seq, seq, "warm", "app", str(ROW_UPDATE), msgspec.Raw(pack(payload)), type_path(RowUpdated), None)
