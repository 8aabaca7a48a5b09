"""The subscriptions, servers and interceptors of a plugin that runs in another process."""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from typing import Any, TypeAlias

from gridbus.bus import Overflow
from gridbus.bus.cell import Cell
from gridbus.errors import ProtocolViolation
from gridbus.hosting.parent.call_relay import InHand, InterceptRelay, ServerRelay
from gridbus.hosting.parent.event_relay import EventRelay, PackedEvents, Way
from gridbus.hosting.protocol import Done, Subscribe
from gridbus.plugins import PluginContext

_MOST_IN_FLIGHT = 4096  # events of one subscription in a plugin's process at a time
_MOST_OPEN = 4096  # subscriptions, servers and interceptors of one process

Relay: TypeAlias = EventRelay | ServerRelay | InterceptRelay
Key: TypeAlias = tuple[str, str, str]


class Relays:
    """All of one plugin; they outlive its process, and the next one takes them up again."""

    def __init__(self, ctx: PluginContext, way: Way, packed: PackedEvents) -> None:
        self._ctx, self._way, self._packed = ctx, way, packed
        self._open: dict[int, Relay] = {}
        self._closing: dict[int, EventRelay] = {}  #: closed, with events in the process
        self._orphans: defaultdict[Key, deque[Relay]] = defaultdict(deque)
        self.in_hand = InHand()

    def subscribe(self, wanted: Subscribe) -> None:
        """Open what the plugin asks for, or take up what its last process had.

        Raises:
            PluginPermissionError, PluginLimitError, SubscriptionError, TopicError, ChannelError: as the context.
            ProtocolViolation: the number was used, or there are too many.
        """
        if wanted.number < 1 or wanted.number in self._open or len(self._open) >= _MOST_OPEN:
            raise ProtocolViolation(f"it opens subscription {wanted.number} twice, or more than {_MOST_OPEN:,}")
        orphans = self._orphans.get(_key(wanted))
        if orphans:
            relay = orphans.popleft()
            relay.subscribe, relay.number = wanted, wanted.number
        elif wanted.kind == "on":
            relay = self._hear(wanted)
        elif wanted.kind == "serve":
            relay = ServerRelay(wanted, self._way, self.in_hand)
            relay.open(self._ctx)
        elif wanted.kind == "intercept":
            relay = InterceptRelay(wanted, self._way)
            relay.open(self._ctx)
        else:
            raise ProtocolViolation(f"it opens a {wanted.kind!r}, which is nothing that can be opened")
        self._open[wanted.number] = relay

    def unsubscribe(self, number: int) -> int:
        """Close one; return how many events that drops."""
        relay = self._open.pop(number, None)
        if relay is None:
            return 0
        if isinstance(relay, EventRelay) and relay.worker.flight:
            self._closing[number] = relay  # until the process is done with what it has
        return relay.close()

    def done(self, number: int, done: Done) -> None:
        """Note what became of events; of a subscription that was closed meanwhile nobody wants to know."""
        relay = self._open.get(number) or self._closing.get(number)
        if not isinstance(relay, EventRelay):
            return
        relay.done(done)
        if not relay.worker.flight:
            self._closing.pop(number, None)

    def worker_of(self, number: int | None, seq: int) -> Cell | None:
        """Return the cell that stands for the one handler which has an event or request in hand.

        Of several handlers of one subscription it is not known which one that is, and a circle through them ends by
        time-out.
        """
        relay = None if number is None else self._open.get(number)
        if isinstance(relay, EventRelay):
            is_only = relay.subscribe.concurrency == 1 and seq in relay.worker.flight
            return relay.worker.cell if is_only else None
        return self.in_hand.find(seq) if isinstance(relay, ServerRelay) else None

    def event_of(self, number: int | None, seq: int) -> Any:
        """Return the event or request itself."""
        relay = None if number is None else self._open.get(number)
        if isinstance(relay, EventRelay):
            return relay.worker.flight.get(seq)
        cell = self.in_hand.find(seq) if isinstance(relay, ServerRelay) else None
        return None if cell is None else cell.event

    @property
    def is_busy(self) -> bool:
        """Tell whether events or requests are in the plugin's process."""
        return bool(self.in_hand) or any(relay.worker.flight for relay in self._hearing())

    @property
    def waiting(self) -> int:
        """Events that wait in the mailboxes."""
        return sum(relay.worker.mailbox.depth for relay in self._hearing())

    def nudge(self) -> None:
        """Look again whether events can be carried."""
        for relay in self._hearing():
            relay.worker.nudge()

    def lose(self) -> int:
        """The process is gone: what was in it is lost; return how many events. What waits goes to the next process."""
        lost = sum(relay.worker.lose_flight() for relay in self._hearing())
        for relay in self._open.values():
            relay.number = 0
            self._orphans[_key(relay.subscribe)].append(relay)
        self._open, self._closing = {}, {}
        return lost

    def drop_orphans(self, *, keep_guards: bool = False) -> int:
        """Close what no process has taken up again; return how many events that drops.

        Args:
            keep_guards: leave interceptors where they are: nobody answers for them any more, so they refuse.
        """
        orphans = [relay for line in self._orphans.values() for relay in line]
        self._orphans.clear()
        return sum(relay.close() for relay in orphans if not (keep_guards and isinstance(relay, InterceptRelay)))

    def _hearing(self) -> list[EventRelay]:
        lines = (self._open.values(), self._closing.values(), *self._orphans.values())
        return [relay for line in lines for relay in line if isinstance(relay, EventRelay)]

    def _hear(self, wanted: Subscribe) -> EventRelay:
        relay = EventRelay(wanted, self._way, self._packed)
        relay.handle, relay.worker = self._ctx.relay(
            _subject(wanted),
            relay,
            name=wanted.name,
            window=max(1, min(wanted.window, _MOST_IN_FLIGHT)),
            capacity=wanted.capacity,
            overflow=Overflow(wanted.overflow),
            block_timeout=wanted.block_timeout,
        )
        if wanted.is_stream:
            relay.worker.mailbox.cells = ()  # a stream has no handler that a publisher could wait for
        return relay


def _key(wanted: Subscribe) -> Key:
    return (wanted.kind, wanted.subject, wanted.name)


def _subject(wanted: Subscribe) -> Any:
    """Return what to hear: for a payload type that class, where the application has it already.

    It is never imported for a plugin's sake. One that nobody here has imported, nobody here publishes; the process then
    picks what it wants out of all events.
    """
    if not wanted.is_type:
        return wanted.subject
    module, _, name = wanted.subject.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, "__dict__", {}).get(part)  # what a module makes on demand is not made for this
    return found if isinstance(found, type) else "*"
