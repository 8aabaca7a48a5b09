"""Events into another process as one would write it first, to compare with."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import sys
from time import perf_counter
from typing import Any

from benchmarks.isolated import ROOT


def events_per_second(count: int) -> float:
    """Return how many events go into another process in a second, with a frame per write and a task per event.

    Each task waits until its event is handled, as the bus has to know that too.
    """

    async def run() -> float:
        ours, theirs = socket.socketpair()
        code = f"from benchmarks.naive import read_events; read_events({theirs.fileno()}, {count})"
        child = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop yet
            [sys.executable, "-c", code], cwd=ROOT, pass_fds=[theirs.fileno()]
        )
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        await reader.readexactly(1)  # it is there
        handled: dict[int, asyncio.Future[None]] = {}

        async def send(number: int) -> None:
            done = handled[number] = asyncio.get_running_loop().create_future()
            _write(writer, {"topic": "tick:new", "payload": number, "seq": number})
            await writer.drain()
            await done

        async def hear() -> None:
            for _ in range(count):
                handled.pop((await _read(reader))["seq"]).set_result(None)

        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            group.create_task(hear())
            for number in range(count):
                group.create_task(send(number))
                if not number % 100:
                    await asyncio.sleep(0)
        taken = perf_counter() - began
        writer.close()
        await asyncio.to_thread(child.wait)
        return count / taken

    return asyncio.run(run())


def read_events(descriptor: int, count: int) -> None:
    """Be the other end of that."""

    async def run() -> None:
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
        writer.write(b".")
        seen = []

        async def handle(event: dict[str, Any]) -> None:
            seen.append(event["payload"])
            _write(writer, {"seq": event["seq"]})
            await writer.drain()

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(handle(await _read(reader)))
        await writer.drain()

    asyncio.run(run())


def _write(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    writer.write(struct.pack("<I", len(data)) + data)


async def _read(reader: asyncio.StreamReader) -> Any:
    (size,) = struct.unpack("<I", await reader.readexactly(4))
    return json.loads(await reader.readexactly(size))
