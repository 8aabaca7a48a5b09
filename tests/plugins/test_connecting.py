"""A plugin's connections: opened without blocking the loop, where they were granted."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from gridbus.errors import PluginPermissionError
from gridbus.plugins import PluginContext, PluginManager
from gridbus.plugins.connecting import connect


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Something to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def test_a_connected_socket_comes_back(listener: socket.socket) -> None:
    """Open, and not blocking."""
    port = listener.getsockname()[1]
    sock = await connect("localhost", port, 5)
    with sock, listener.accept()[0] as other:
        assert sock.getblocking() is False
        assert sock.getpeername() == other.getsockname()


async def test_a_host_that_cannot_be_reached_is_an_error() -> None:
    """And nothing stays open."""
    with socket.socket() as unused:  # bound, and nobody listens
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            await connect("127.0.0.1", unused.getsockname()[1], 5)
    with pytest.raises(OSError, match="nowhere"):
        await connect("nowhere.invalid", 80, 5)


async def test_it_takes_so_long_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has not connected by then is closed."""
    made: list[socket.socket] = []
    real = socket.socket

    def make(*arguments: Any) -> socket.socket:
        made.append(real(*arguments))
        return made[-1]

    async def hang(*arguments: Any) -> None:
        await anyio.sleep_forever()

    import asyncio

    monkeypatch.setattr("gridbus.plugins.connecting.socket.socket", make)
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", hang, raising=False)
    with pytest.raises(TimeoutError):
        await connect("127.0.0.1", 80, 0.01)
    assert [sock.fileno() for sock in made] == [-1]


async def test_a_plugin_connects_where_it_was_granted(
    listener: socket.socket, manager: PluginManager, make: Any
) -> None:
    """The address is that of the permission, of IPv6 in brackets."""
    port = listener.getsockname()[1]
    opened: list[socket.socket] = []

    async def initialize(self: Any, ctx: PluginContext) -> None:
        opened.append(await ctx.connect("127.0.0.1", port))
        with pytest.raises(PluginPermissionError, match=r"'net:127\.0\.0\.2:1'"):
            await ctx.connect("127.0.0.2", 1)
        with pytest.raises(PluginPermissionError, match=r"'net:\[::1\]:1'"):
            await ctx.connect("::1", 1)

    await manager.register_and_initialize(make(permissions=[f"net:127.0.0.1:{port}"], initialize=initialize))
    [sock] = opened
    with sock:
        assert sock.getpeername()[1] == port
