"""Connections that are made for a plugin."""

from __future__ import annotations

import asyncio
import socket

import anyio


async def connect(host: str, port: int, timeout: float) -> socket.socket:
    """Return a connected TCP socket, which does not block.

    Raises:
        OSError: the host cannot be reached.
        TimeoutError: not within ``timeout`` seconds.
    """
    failure: OSError | None = None
    with anyio.fail_after(timeout):
        places = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in places:
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, address)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
    raise failure or OSError(f"{host}:{port} has no address")
