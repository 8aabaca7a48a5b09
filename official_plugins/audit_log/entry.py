"""The lines of the log: one for each event."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from gridbus import Event
from gridbus.codec import unstructure
from official_plugins.audit_log.masking import Masker


@attrs.define
class Gap:
    """Events in a row that were lost before they could be written."""

    time: str  #: of the first
    lost: int
    first_seq: int
    last_seq: int


def encode_entry(event: Event[Any], masker: Masker) -> bytes:
    """Return one event as a line of JSON, its end included.

    A payload that cannot be written as JSON leaves its type name and the reason; the entry itself is always there.
    """
    entry: dict[str, Any] = {
        "time": event.at.isoformat(timespec="microseconds"),
        "seq": event.seq,
        "id": event.id,
        "topic": str(event.topic),
        "source": event.source,
        "correlation": event.correlation_id,
        "causation": event.causation_id,
    }
    try:
        return _line(entry | {"payload": masker.mask(unstructure(event.payload))})
    except Exception as error:  # one payload must not keep the others out of the log
        reason = f"{type(event.payload).__qualname__}: {error or type(error).__name__}"
        return _line(entry | {"payload": None, "unwritable": reason})


def encode_gap(gap: Gap) -> bytes:
    """Return the line that stands in the place of lost entries."""
    reason = "the file could not be written, and no more entries could be kept"
    return _line(
        {
            "time": gap.time,
            "topic": "audit-log:gap",
            "lost": gap.lost,
            "first_seq": gap.first_seq,
            "last_seq": gap.last_seq,
            "reason": reason,
        }
    )


def _line(entry: dict[str, Any]) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
