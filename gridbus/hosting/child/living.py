"""What a plugin's process does once it is confined."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import anyio
import msgspec

from gridbus.hosting.child.connecting import Connector
from gridbus.hosting.child.conversation import conversation
from gridbus.hosting.child.loading import declared_by, load
from gridbus.hosting.child.logs import log_to
from gridbus.hosting.child.session import Session
from gridbus.hosting.coding import receive_code
from gridbus.hosting.protocol import PROTOCOL, Hello, Loaded
from gridbus.isolation.wire import ChildConnection, Kind, wire_failure
from gridbus.plugins import Plugin
from gridbus.plugins.handover import hooks_of


async def live(
    sock: socket.socket,
    descriptors: socket.socket,
    number: int,
    hello: Hello,
    confinement: dict[str, str],
    *,
    on_lost: Callable[[Exception | None], object],
) -> None:
    """Load the plugin, say so, and answer the application until it goes.

    Args:
        sock: connected to the application.
        descriptors: where the application passes connections.
        number: of the first frame.
        hello: what is in it.
        confinement: what was applied, by layer.
        on_lost: called when the connection is gone.
    """
    gone = anyio.Event()

    def lost(error: Exception | None) -> None:
        on_lost(error)
        gone.set()

    descriptors.setblocking(False)
    peer, bus = conversation(hello.plugin_id or hello.code.entry)
    log_to(peer, asyncio.get_running_loop(), hello.log_level)
    connection = ChildConnection(sock, peer, on_lost=lost)
    async with bus:
        try:
            codes = {} if hello.code.folder is None else receive_code(descriptors)
            record = await load(hello, codes)
        except (Exception, SystemExit) as error:
            peer.send(Kind.ERROR, number, wire_failure(error))
            connection.close()
            return
        assert isinstance(record.plugin, Plugin)  # it was loaded just now
        session = Session(peer, bus, record, Connector(peer, descriptors, bus.start_job, owner=record.id))
        peer.handlers.update(session.handlers())
        metadata, hooks = msgspec.to_builtins(record.metadata), hooks_of(record.plugin)
        peer.send(Kind.REPLY, number, Loaded(PROTOCOL, metadata, declared_by(record.plugin), hooks, confinement))
        await gone.wait()
        record.release()
