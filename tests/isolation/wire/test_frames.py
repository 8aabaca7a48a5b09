"""Frames, whole and in parts, good and bad."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.errors import PayloadTooLarge, ProtocolViolation
from gridbus.isolation.wire import MAX_FRAME, FrameReader, Kind, encode_frame

_frames = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2**63), st.binary(max_size=300)), max_size=8)


@given(_frames, st.lists(st.integers(1, 400), min_size=1))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    sent: list[tuple[Kind, int, bytes]], sizes: list[int]
) -> None:
    """In order, whole, none lost."""
    data = b"".join(encode_frame(*one) for one in sent)
    reader, found, place = FrameReader(), [], 0
    while place < len(data):
        size = sizes[place % len(sizes)]
        found += reader.feed(data[place : place + size])
        place += size
    assert [(frame.kind, frame.id, msgspec.msgpack.decode(frame.payload)) for frame in found] == sent


def test_a_frame_of_the_largest_size_goes_through_and_one_more_byte_does_not() -> None:
    """The sender is told the size and what to do."""
    most = MAX_FRAME - len(encode_frame(Kind.EVENT, 1, b"x" * 60_000)) + 4 + 60_000
    [frame] = FrameReader().feed(encode_frame(Kind.EVENT, 1, b"x" * most))
    assert len(msgspec.msgpack.decode(frame.payload)) == most
    with pytest.raises(PayloadTooLarge, match="65,537 bytes do not fit into a frame of 65,536: send less"):
        encode_frame(Kind.EVENT, 1, b"x" * (most + 1))


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x01\x00\x01\x00",
        b"\x00\x00\x00\x00",
        _framed(b"\xc1"),
        _framed(b"\xc0"),
        _framed(msgspec.msgpack.encode([1, 1])),
        _framed(msgspec.msgpack.encode([1, 1, None, None])),
        _framed(msgspec.msgpack.encode([99, 1, None])),
        _framed(msgspec.msgpack.encode([0, 1, None])),
        _framed(msgspec.msgpack.encode(["CALL", 1, None])),
        _framed(msgspec.msgpack.encode([1, "1", None])),
        _framed(msgspec.msgpack.encode([1, 1.5, None])),
        _framed(msgspec.msgpack.encode({"kind": 1, "id": 1, "payload": None})),
        _framed(msgspec.msgpack.encode([1, 1, None]) + b"\xc0"),
        _framed(b"\x93\x01\x01" + b"\x91" * 60_000 + b"\xc0"),
        _framed(b"\x93\x01\x01\xdd\xff\xff\xff\xff"),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_no_frame_breaks_the_protocol(data: bytes) -> None:
    """Whatever it is."""
    with pytest.raises(ProtocolViolation):
        FrameReader().feed(data)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_waits_for_more(data: bytes) -> None:
    """Nothing else comes of it."""
    try:
        FrameReader().feed(data)
    except ProtocolViolation:
        return


def test_no_more_than_one_frame_is_held_back() -> None:
    """A length is judged as soon as it is there, before what it announces."""
    reader = FrameReader(100)
    assert reader.feed(b"\x64\x00\x00\x00") == []
    assert reader.feed(b"x" * 99) == []
    with pytest.raises(ProtocolViolation, match="101 bytes came, where 100 are the most"):
        FrameReader(100).feed(b"\x65\x00\x00\x00")
