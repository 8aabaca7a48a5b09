"""What a call of the plugin comes from, told to the application, which knows the rest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from gridbus.bus.ask import Request
from gridbus.bus.cell import current_cell
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.replies import StreamRequest
from gridbus.events import Trace as BusTrace
from gridbus.hosting.protocol import Cause, Trace

_UNLIMITED = sys.maxsize  # the application knows its hop limit, and refuses what passes it


class ServedRequest(Request, eq=False):
    """A request that came from the application, under its number there."""

    number: int = 0
    is_told: bool = False


class ServedStream(StreamRequest, eq=False):
    """A request for a stream that came from the application."""

    number: int = 0


class Effects:
    """Stands for an event that is not here: what follows from it still carries its trace."""

    __slots__ = ("_trace",)
    seq = 0

    def __init__(self, trace: BusTrace | None) -> None:
        self._trace = trace

    def trace_effects(self) -> BusTrace | None:
        """Return the trace of what it led to."""
        return self._trace


def cause_here(numbers: Mapping[Mailbox, int]) -> Cause | None:
    """Return what led to what is done here; None where nothing did.

    Args:
        numbers: of subscriptions and servers, by their mailboxes.
    """
    cell = current_cell()
    if cell is None or cell.event is None:
        return None
    trace = cell.trace_of_effects(_UNLIMITED)
    event = cell.event
    seq = event.number if isinstance(event, ServedRequest | ServedStream) else event.seq
    mailbox: Any = cell.mailbox  # a task waits for nobody's sake but its own, and has none
    number = None if mailbox is None else numbers.get(mailbox)
    return Cause(number, seq, wire_trace(trace))


def wire_trace(trace: BusTrace | None) -> Trace | None:
    """Return a trace as it crosses the border."""
    return None if trace is None else Trace(trace.correlation_id, trace.causation_id, trace.hops)


def bus_trace(trace: Trace | None) -> BusTrace | None:
    """Return a trace as it came over the border."""
    return None if trace is None else BusTrace(trace.correlation_id, trace.causation_id, trace.hops)
