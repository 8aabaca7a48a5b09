"""Connections that the application opens for a plugin."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gridbus.errors import PeerGone
from gridbus.hosting.child.connecting import Connector


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The pair that descriptors travel on: the application's end, and the plugin's."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with theirs, ours:
        yield theirs, ours


@pytest.fixture
def connector(application: Any, ends: tuple[socket.socket, socket.socket]) -> Connector:
    """The plugin's way to the network."""
    return Connector(application.child, ends[1], application.bus.start_job, "probe")


def passing(ends: tuple[socket.socket, socket.socket], others: list[socket.socket]) -> Any:
    """Return what the application does when it is asked: it passes one end of a connection, and keeps the other."""

    def connect(wanted: Any) -> None:
        one, other = socket.socketpair()
        others.append(other)
        with one:
            socket.send_fds(ends[0], [b"\0"], [one.fileno()])

    return connect


async def test_a_connection_is_passed_as_a_descriptor(application: Any, connector: Connector, ends: Any) -> None:
    """It is connected and does not block."""
    others: list[socket.socket] = []
    application.answers["connect"] = passing(ends, others)
    connected = await connector("localhost", 80, 3.0)
    [wanted] = application.calls_of("connect")
    assert (wanted.host, wanted.port, wanted.timeout) == ("localhost", 80, 3.0)
    with connected, others[0]:
        others[0].send(b"hello")
        assert connected.recv(10) == b"hello"
        assert connected.gettimeout() == 0


async def test_a_refusal_is_raised_and_the_next_one_connects(application: Any, connector: Connector, ends: Any) -> None:
    """No descriptor came with the first."""

    def refuse(wanted: Any) -> None:
        raise ConnectionRefusedError("nobody listens")

    application.answers["connect"] = refuse
    with pytest.raises(ConnectionRefusedError, match="nobody listens"):
        await connector("localhost", 80, 3.0)
    others: list[socket.socket] = []
    application.answers["connect"] = passing(ends, others)
    (await connector("localhost", 80, 3.0)).close()
    others[0].close()


async def test_a_descriptor_that_nobody_waits_for_any_more_goes_to_nobody_else(
    application: Any, connector: Connector, ends: Any
) -> None:
    """Whoever was cancelled leaves it behind; the next one gets its own."""
    gate = asyncio.Event()
    others: list[socket.socket] = []
    pass_one = passing(ends, others)

    async def later(wanted: Any) -> None:
        await gate.wait()
        pass_one(wanted)

    application.answers["connect"] = later
    cancelled = asyncio.ensure_future(connector("localhost", 1, 3.0))
    await application.settle()
    second = asyncio.ensure_future(connector("localhost", 2, 3.0))
    await application.settle()
    cancelled.cancel()
    gate.set()
    connected = await second
    with connected, others[0], others[1]:
        others[1].send(b"second")
        assert connected.recv(10) == b"second"
        others[0].setblocking(False)
        assert others[0].recv(10) == b""  # the first was closed


async def test_an_application_that_is_gone_passes_nothing(application: Any, connector: Connector, ends: Any) -> None:
    """Whoever waits is told."""
    application.answers["connect"] = lambda wanted: ends[0].close()
    with pytest.raises(PeerGone):
        await connector("localhost", 80, 3.0)
