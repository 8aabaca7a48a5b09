"""The first frame of a process: read before there is a loop, and before anything of the plugin is imported."""

from __future__ import annotations

import socket

import msgspec

from gridbus.errors import ProtocolViolation
from gridbus.hosting.protocol import PROTOCOL, Hello
from gridbus.isolation.wire import MAX_FRAME, Frame, Kind, encode_frame, wire_failure

_OLDEST = PROTOCOL  # this code speaks one version


class _Spoken(msgspec.Struct, array_like=True):
    """The beginning of each HELLO, whatever the version."""

    oldest: int
    newest: int


def read_hello(sock: socket.socket) -> tuple[int, Hello]:
    """Return the number of the frame, and what is in it.

    Raises:
        ProtocolViolation: what came is no HELLO, or of a version that this code does not speak; the application was
            told so.
        EOFError: the application went.
    """
    sock.setblocking(True)
    size = int.from_bytes(_read(sock, 4), "little")
    if not 0 < size <= MAX_FRAME:
        raise ProtocolViolation(f"the first frame would have {size:,} bytes")
    frame = msgspec.msgpack.decode(_read(sock, size), type=Frame)
    if frame.kind is not Kind.HELLO:
        raise ProtocolViolation(f"the first frame is a {frame.kind.name}, not HELLO")
    try:
        spoken = msgspec.msgpack.decode(frame.payload, type=_Spoken)
        if spoken.newest < _OLDEST or spoken.oldest > PROTOCOL:
            raise ProtocolViolation(
                f"the application speaks versions {spoken.oldest} to {spoken.newest} of the protocol, and the "
                f"plugin's process {_OLDEST} to {PROTOCOL}: both need the same gridbus"
            )
        return frame.id, msgspec.msgpack.decode(frame.payload, type=Hello)
    except (ProtocolViolation, msgspec.MsgspecError) as error:
        refuse(sock, frame.id, error)
        raise


def refuse(sock: socket.socket, number: int, error: BaseException) -> None:
    """Tell the application why the process does not come up."""
    sock.sendall(encode_frame(Kind.ERROR, number, wire_failure(error)))


def _read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise EOFError("the application closed the connection")
        data += part
    return data
