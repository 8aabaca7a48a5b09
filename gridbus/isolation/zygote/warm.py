"""What a zygote does before it forks, so that no child has to: to be named among what it preloads."""

from __future__ import annotations

import asyncio
import socket

import anyio


def event_loop() -> None:
    """Import and initialize all that a child's event loop needs.

    Preload ``gridbus.isolation.zygote.warm:event_loop``. Nothing stays open, and no loop is set.
    """
    ours, theirs = socket.socketpair()
    loop = asyncio.new_event_loop()
    try:
        ours.setblocking(False)
        loop.add_reader(ours.fileno(), lambda: None)
        theirs.send(b"x")
        loop.run_until_complete(_turn())
        loop.remove_reader(ours.fileno())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
        ours.close()
        theirs.close()


def nothing(*ignored: object) -> None:
    """Do nothing: the entry of a process that only tries whether everything can be imported."""


async def _turn() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
    with anyio.fail_after(1):
        await anyio.sleep(0.0001)
