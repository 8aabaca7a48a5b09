"""What is told of an event: that it happened, never what the rows hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from gridbus import Channel, Event


@attrs.frozen
class Track:
    """An event of the application's own, to be sent as it is."""

    event: str
    properties: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Tracked:
    """One event as it waits to be sent; its id and time are fixed, so that sending it twice counts once."""

    event: str
    insert_id: str
    time_ms: int
    properties: Mapping[str, Any]


TRACK: Channel[Track, None] = Channel("analytics:track", Track, type(None))
"""Told of an event of the application's own."""


def describe(event: Event[Any]) -> Tracked:
    """Return what is told of an event of the bus: its topic, numbers, and the names of the columns that it is about.

    No cell, id or text of a row is among it.
    """
    properties: dict[str, Any] = {"source": event.source}
    payload = event.payload
    for name in ("rows", "skipped", "visible"):
        value = getattr(payload, name, None)
        if isinstance(value, int):
            properties[name] = value
    for name in ("values", "new"):
        value = getattr(payload, name, None)
        if isinstance(value, Mapping):
            properties["columns"] = sorted(map(str, value))
    ids = getattr(payload, "ids", None)
    if isinstance(ids, tuple):
        properties["count"] = len(ids)
    return Tracked(str(event.topic), event.id, event.at_ns // 1_000_000, properties)
