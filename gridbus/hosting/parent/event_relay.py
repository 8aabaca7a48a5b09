"""Events on their way into a plugin's process."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gridbus.bus import Subscription
from gridbus.bus.relay import RelayWorker, RemoteFailure
from gridbus.errors import ProtocolViolation, WireError
from gridbus.events import Event
from gridbus.hosting.protocol import Done, Occurrence, Subscribe, Trace
from gridbus.isolation.wire import Kind, Peer, pack, type_path


class Way(Protocol):
    """The connection to the plugin's process, as far as relays know it."""

    peer: Peer | None  #: None while there is no process that is ready

    def poke(self) -> None:
        """Note that the process got work after it had none."""

    async def up(self, relay: Numbered) -> Peer:
        """Return the peer as soon as a process has taken up a relay; ``PluginCrashed`` where none ever will."""
        ...


class Numbered(Protocol):
    """What a process has given a number, or will."""

    number: int


class PackedEvents:
    """Packs an event's payload once, however many processes and subscriptions it goes to."""

    __slots__ = ("_event", "_packed")

    def __init__(self) -> None:
        self._event: Any = None
        self._packed = msgspec.Raw(b"\xc0")

    def pack(self, event: Event[Any]) -> msgspec.Raw:
        """Return the payload, packed."""
        if event is not self._event:
            self._packed = msgspec.Raw(pack(event.payload))
            self._event = event
        return self._packed


class EventRelay:
    """Carries the events of one subscription into the plugin's process."""

    worker: RelayWorker
    handle: Subscription

    def __init__(self, subscribe: Subscribe, way: Way, packed: PackedEvents) -> None:
        self.subscribe = subscribe
        self.number = subscribe.number  #: in the process that is there; 0 while none has taken this up
        self._way, self._packed = way, packed

    @property
    def is_open(self) -> bool:
        """Tell whether there is a process, and it takes more now."""
        peer = self._way.peer
        return peer is not None and self.number != 0 and not peer.is_paused

    def carry(self, event: Event[Any]) -> None:
        """Send one event; one that cannot be packed counts as failed."""
        peer = self._way.peer
        assert peer is not None  # is_open was asked in the same step
        origin, trace = event.origin, event.trace
        try:
            occurrence = Occurrence(
                event.seq,
                event.at_ns,
                origin.bus,
                origin.source,
                str(event.topic),
                self._packed.pack(event),
                type_path(type(event.payload)),
                None if trace is None else Trace(trace.correlation_id, trace.causation_id, trace.hops),
            )
            peer.send(Kind.EVENT, self.number, occurrence)
        except WireError as error:
            failure = RemoteFailure(type(error).__name__, str(error), "")
            self.worker.done([event.seq], {event.seq: failure})
            return
        if len(self.worker.flight) == 1:
            self._way.poke()

    def close(self) -> int:
        """Hear nothing more; return how many events that drops."""
        return self.handle.close()

    def done(self, done: Done) -> None:
        """Note what became of events.

        Raises:
            ProtocolViolation: they are not in flight.
        """
        worker = self.worker
        seqs = done.seqs if done.seqs is not None else worker.oldest(done.count)
        failures = {
            failure.seq: RemoteFailure(failure.error, failure.message, failure.traceback, failure.timed_out)
            for failure in done.failures
        }
        count = worker.done(seqs, failures, skipped=min(done.skipped, done.count), busy_ns=max(done.busy_ns, 0))
        if count != done.count:
            raise ProtocolViolation(
                f"it is done with {done.count} events of {self.subscribe.name}, it says, of which it had {count}"
            )
