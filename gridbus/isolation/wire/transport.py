"""What the ends of a conversation need of what carries it, and of what runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from gridbus.errors import ProtocolViolation

#: Methods: types of arguments and reply.
Table: TypeAlias = Mapping[str, tuple[Any, Any]]


class Transport(Protocol):
    """Carries bytes to the other end."""

    def write(self, data: bytes | bytearray, /) -> None:
        """Send, or keep what cannot be sent now."""

    def fail(self, error: Exception, /) -> None:
        """Give up the connection for a reason."""

    def read_now(self) -> None:
        """Wait, blocking the process, for more bytes and feed the peer with them; a plugin's process only."""


class Job(Protocol):
    """Background work that can be cancelled."""

    def cancel(self) -> None:
        """End it."""


class Call(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What is in a frame that calls or notes."""

    method: str
    arguments: msgspec.Raw


def read_as(payload: msgspec.Raw | bytes, kind: Any, what: str) -> Any:
    """Read what came as the type that was declared for it.

    Raises:
        ProtocolViolation: it is something else.
    """
    try:
        return msgspec.msgpack.decode(payload, type=type(None) if kind is None else kind)
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError) as error:
        raise ProtocolViolation(f"what came for {what} is not what it should be: {error}") from None
