"""What plugins send each other without sharing a type."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class PluginMessage:
    """One message from a plugin to another; ``data`` is plain data, so that it can cross a process border."""

    sender: str
    target: str
    type: str  #: what the message means, agreed between the two
    data: Any = None
    correlation_id: str | None = None  #: shared by a message and its answers
