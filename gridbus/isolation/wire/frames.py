"""Frames: what one process sends the other at a time."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from gridbus.errors import PayloadTooLarge, ProtocolViolation

MAX_FRAME = 64 * 1024
"""Bytes of one frame without its length, at most."""

_SIZE = 4  # bytes of the length before each frame, the lowest first


class Kind(enum.IntEnum):
    """What a frame is."""

    CALL = 1  #: method and arguments
    REPLY = 2  #: to a call
    ERROR = 3  #: instead of a reply, or at the end of a stream
    CANCEL = 4  #: nobody waits for a call any more
    ITEM = 5  #: of a stream
    END = 6  #: of a stream
    CREDIT = 7  #: so many more items may come
    NOTE = 8  #: a call without a reply
    EVENT = 9
    DONE = 10  #: what became of events
    HELLO = 11  #: the first frame that a process gets


class Frame(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """One frame; what its payload is, its kind and number say."""

    kind: Kind
    id: int
    payload: msgspec.Raw


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


def encode_frame(kind: Kind, id: int, payload: Any, *, most: int = MAX_FRAME) -> bytes:
    """Return a frame with its length before it.

    Args:
        kind: what it is.
        id: the number of a call or subscription.
        payload: a struct, plain data, or ``Raw`` for what is packed already.
        most: bytes that it may have.

    Raises:
        PayloadTooLarge: it has more.
    """
    body = _encode((kind, id, payload))
    if len(body) > most:
        raise PayloadTooLarge(
            f"{len(body):,} bytes do not fit into a frame of {most:,}: send less at a time, or stream it in parts"
        )
    return len(body).to_bytes(_SIZE, "little") + body


class FrameReader:
    """Makes frames of bytes as they come; holds never more than one frame's worth that is not complete."""

    __slots__ = ("_most", "_rest")

    def __init__(self, most: int = MAX_FRAME) -> None:
        self._most = most
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete now.

        Raises:
            ProtocolViolation: this is no frame, or one that is too large.
        """
        data = self._rest + data if self._rest else data
        frames: list[Frame] = []
        place, end = 0, len(data)
        view = memoryview(data)
        while end - place >= _SIZE:
            size = int.from_bytes(data[place : place + _SIZE], "little")
            if not 0 < size <= self._most:
                raise ProtocolViolation(f"a frame of {size:,} bytes came, where {self._most:,} are the most")
            begin = place + _SIZE
            if end - begin < size:
                break
            place = begin + size
            try:
                frames.append(_decode(view[begin:place]))
            except (msgspec.MsgspecError, RecursionError, ValueError) as error:
                raise ProtocolViolation(f"a frame came that is none: {error}") from None
        self._rest = data[place:]
        return frames
