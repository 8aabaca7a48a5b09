"""A plugin's end of the conversation with the application, and the bus on top of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gridbus.bus import Job
from gridbus.clock import Clock
from gridbus.hosting.child.bus import ChildBus
from gridbus.hosting.protocol import IN_APPLICATION, IN_PLUGIN
from gridbus.isolation.wire import Peer


def conversation(owner: str, *, clock: Clock | None = None) -> tuple[Peer, ChildBus]:
    """Return both; the peer has no transport yet, and the bus is not open."""
    buses: list[ChildBus] = []

    def start(fn: Callable[[], Awaitable[object]]) -> Job:
        return buses[0].start_job(fn, name="call", owner=owner)

    peer = Peer(calls_out=IN_APPLICATION, calls_in=IN_PLUGIN, notes_in={}, start=start)
    bus = ChildBus(peer, clock=clock)
    buses.append(bus)
    peer.on_frame = bus.take
    return peer, bus
