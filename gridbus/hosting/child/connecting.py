"""Connections that the application opens for a plugin, which may open none itself."""

from __future__ import annotations

import array
import asyncio
import socket
from collections.abc import Callable

import anyio

from gridbus.bus import Job
from gridbus.errors import PeerGone
from gridbus.hosting.protocol import Connect
from gridbus.isolation.wire import Peer


class Connector:
    """Asks for connections, one at a time, since descriptors come without a name."""

    def __init__(self, peer: Peer, descriptors: socket.socket, start_job: Callable[..., Job], owner: str) -> None:
        self._peer, self._descriptors, self._start_job, self._owner = peer, descriptors, start_job, owner
        self._lock = anyio.Lock()

    async def __call__(self, host: str, port: int, timeout: float) -> socket.socket:
        """Return a connected socket that does not block.

        Raises:
            PluginPermissionError: the permission for this host and port was not granted.
            OSError: there is no connection to be had.
        """
        outcome: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()

        async def exchange() -> None:
            # In a task of its own: whoever waits may be cancelled, and the descriptor that is on its way then has to
            # be fetched all the same, lest the next one gets it.
            try:
                async with self._lock:
                    await self._peer.call("connect", Connect(host, port, timeout))
                    connected = await self._receive()
            except BaseException as error:
                if not outcome.done():
                    outcome.set_exception(error if isinstance(error, Exception) else PeerGone("the plugin ends"))
                    outcome.exception()  # seen, also where nobody waits any more
                return
            if outcome.done():
                connected.close()
            else:
                outcome.set_result(connected)

        self._start_job(exchange, name=f"connect to {host}:{port}", owner=self._owner)
        try:
            return await outcome
        except asyncio.CancelledError:
            if outcome.done() and not outcome.cancelled() and outcome.exception() is None:
                outcome.result().close()
            raise

    async def _receive(self) -> socket.socket:
        descriptor = _read(self._descriptors)
        while descriptor is None:
            await self._arrival()
            descriptor = _read(self._descriptors)
        connected = socket.socket(fileno=descriptor)
        connected.setblocking(False)
        return connected

    async def _arrival(self) -> None:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()

        def note() -> None:
            if not arrived.done():
                arrived.set_result(None)

        loop.add_reader(self._descriptors, note)
        try:
            await arrived
        finally:
            loop.remove_reader(self._descriptors)


def _read(descriptors: socket.socket) -> int | None:
    """Return a descriptor that came in; None where there is none yet.

    Raises:
        PeerGone: none will come.
    """
    descriptor = array.array("i")
    try:
        data, ancillary, _, _ = descriptors.recvmsg(64, socket.CMSG_SPACE(descriptor.itemsize))
    except BlockingIOError:
        return None
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptor.frombytes(content[: descriptor.itemsize])
            return descriptor[0]
    if not data:
        raise PeerGone("the application sends no more connections")
    return None
