"""Connections that are made for a plugin."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import anyio


async def connect(host: str, port: int, timeout: float) -> socket.socket:
    """Return a connected TCP socket, which does not block.

    Raises:
        OSError: the host cannot be found or reached.
        TimeoutError: not within ``timeout`` seconds.
    """
    failure: OSError | None = None
    try:
        with anyio.fail_after(timeout):
            for place in await _places(host, port):
                try:
                    return await _connected(*place)
                except OSError as error:
                    failure = error
    except TimeoutError:
        raise TimeoutError(f"{host}:{port} did not answer within {timeout:g} s") from None
    raise failure or OSError(f"{host}:{port} has no address")


async def _places(host: str, port: int) -> list[tuple[int, int, int, Any]]:
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise socket.gaierror(error.errno, f"{host}: {error.strerror}") from None
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


async def _connected(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
