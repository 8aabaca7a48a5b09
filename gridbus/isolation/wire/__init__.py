"""What two processes say to each other: frames, packed values, calls both ways."""

from gridbus.isolation.wire.answers import CallInfo
from gridbus.isolation.wire.connection import ChildConnection
from gridbus.isolation.wire.failures import WireFailure, rebuild, wire_failure
from gridbus.isolation.wire.frames import MAX_FRAME, Frame, FrameReader, Kind, encode_frame
from gridbus.isolation.wire.link import Link
from gridbus.isolation.wire.packing import pack, type_path, unpack
from gridbus.isolation.wire.peer import Peer
from gridbus.isolation.wire.streams import WINDOW

__all__ = [
    "MAX_FRAME",
    "WINDOW",
    "CallInfo",
    "ChildConnection",
    "Frame",
    "FrameReader",
    "Kind",
    "Link",
    "Peer",
    "WireFailure",
    "encode_frame",
    "pack",
    "rebuild",
    "type_path",
    "unpack",
    "wire_failure",
]
