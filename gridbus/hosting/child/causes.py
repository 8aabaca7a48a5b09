"""What a call of the plugin comes from, told to the application, which knows the rest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from gridbus.bus.ask import Request
from gridbus.bus.cell import current_cell
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.replies import StreamRequest
from gridbus.hosting.protocol import Cause
from gridbus.hosting.traces import wire_trace

_UNLIMITED = sys.maxsize  # the application knows its hop limit, and refuses what passes it


class ServedRequest(Request, eq=False):
    """A request that came from the application, under its number there."""

    number: int = 0
    is_told: bool = False


class ServedStream(StreamRequest, eq=False):
    """A request for a stream that came from the application."""

    number: int = 0


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
