"""What led to an event, on its way over the border and back."""

from __future__ import annotations

from gridbus.events import Trace as BusTrace
from gridbus.hosting.protocol import Trace


class Effects:
    """Stands for an event that is not here, or not in hand any more: what it led to still carries its trace."""

    __slots__ = ("_trace",)
    seq = 0

    def __init__(self, trace: BusTrace | None) -> None:
        self._trace = trace

    def trace_effects(self) -> BusTrace | None:
        """Return the trace of what the event led to."""
        return self._trace


def wire_trace(trace: BusTrace | None) -> Trace | None:
    """Return a trace as it crosses the border."""
    return None if trace is None else Trace(trace.correlation_id, trace.causation_id, trace.hops)


def bus_trace(trace: Trace | None) -> BusTrace | None:
    """Return a trace as it came over the border."""
    return None if trace is None else BusTrace(trace.correlation_id, trace.causation_id, trace.hops)
