"""The entry of a plugin's process."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
from typing import Any

from gridbus.hosting.child.handshake import read_hello, refuse
from gridbus.hosting.child.living import live
from gridbus.hosting.child.warm import warm
from gridbus.isolation.sandbox import confine

_PATIENCE = 0.003  # seconds until a process that nobody wants yet begins to warm up
_FEW = 20  # events
_BROKEN, _OUT_OF_MEMORY = 70, 71  # exit codes


def run(sock: socket.socket, descriptors: socket.socket) -> None:
    """Take the first frame, confine the process, load the plugin, and answer calls until the application goes.

    Called in a new process that has one thread and no event loop.
    """
    if not select.select([sock], [], [], _PATIENCE)[0]:
        warm(events=_FEW)  # a spare process: pages that it will write to are its own when it is needed
    try:
        number, hello = read_hello(sock)
    except EOFError:
        return
    try:
        confinement = confine(hello.sandbox, keep=(0, 1, 2, sock.fileno(), descriptors.fileno()))
    except Exception as error:
        refuse(sock, number, error)
        return
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_on_error)
    asyncio.set_event_loop(loop)
    loop.run_until_complete(live(sock, descriptors, number, hello, confinement, on_lost=_end))


def _end(error: Exception | None) -> None:
    """The application is gone, or has let go of this process: end at once, whatever the plugin may want to do."""
    if error is not None and not isinstance(error, OSError):
        sys.stderr.write(f"the conversation with the application broke: {error}\n")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(0 if error is None or isinstance(error, OSError) else _BROKEN)


def _on_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End where there is no memory for what is not the plugin's own work; the rest is logged."""
    if isinstance(context.get("exception"), MemoryError) and "handle" in context:
        os._exit(_OUT_OF_MEMORY)
    loop.default_exception_handler(context)
