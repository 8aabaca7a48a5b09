"""The envelope of one fact."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec

from gridbus.events.topic import Topic

T = TypeVar("T")


class Origin(msgspec.Struct, frozen=True):
    """Where events come from: one bus and one publisher on it; shared by all events of that publisher."""

    bus: str
    source: str


class Trace(msgspec.Struct, frozen=True):
    """What led to an event; events that nothing led to have none."""

    correlation_id: str
    causation_id: str
    hops: int


class Event(msgspec.Struct, Generic[T], frozen=True, gc=False, eq=False):
    """One fact as the bus carries it.

    Built for every publish, so it is a C struct: making one costs a tenth of a frozen attrs class. The collector does
    not track it (``gc=False``): an event holds a payload and strings, and a payload must not hold its own event.
    """

    topic: Topic[T]
    payload: T
    seq: int  #: position in the publishing bus's order, from 1, no gaps
    at_ns: int  #: nanoseconds since 1970, UTC
    origin: Origin
    trace: Trace | None = None

    @property
    def id(self) -> str:
        """Unique over all buses: the bus's own id and the sequence number."""
        return f"{self.origin.bus}-{self.seq}"

    @property
    def at(self) -> datetime:
        """When it was published, UTC, to the microsecond."""
        return datetime.fromtimestamp(self.at_ns / 1e9, UTC)

    @property
    def source(self) -> str:
        """Who published it: a plugin's id, a participant's name, or ``app``."""
        return self.origin.source

    @property
    def correlation_id(self) -> str:
        """The id that all events of one causal chain share: that of its first event."""
        return self.trace.correlation_id if self.trace is not None else self.id

    @property
    def causation_id(self) -> str | None:
        """The id of the event whose handler published this one; None where nothing led to it."""
        return self.trace.causation_id if self.trace is not None else None

    @property
    def hops(self) -> int:
        """How many events lie between this one and the first of its chain."""
        return self.trace.hops if self.trace is not None else 0

    def trace_effects(self) -> Trace:
        """Return the trace of what this event leads to."""
        return Trace(self.correlation_id, self.id, self.hops + 1)
