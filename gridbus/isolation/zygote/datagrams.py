"""What the application and the zygote say to each other: one datagram each, descriptors beside it."""

from __future__ import annotations

import msgspec

MAX_DATAGRAM = 4096


class Fork(msgspec.Struct, array_like=True, tag=1):
    """Fork a child; beside it stand the child's ends: socket, descriptors, stdout, stderr."""

    id: int  #: chosen by the application, never used twice


class Kill(msgspec.Struct, array_like=True, tag=2):
    """Send a signal to a child whose pidfd did not reach the application."""

    id: int
    signal: int


class Ready(msgspec.Struct, array_like=True, tag=1):
    """Everything is imported; requests are taken."""

    pid: int


class Forked(msgspec.Struct, array_like=True, tag=2):
    """The child lives; beside it stands its pidfd."""

    id: int
    pid: int


class Refused(msgspec.Struct, array_like=True, tag=3):
    """There is no child."""

    id: int
    error: str


class Ended(msgspec.Struct, array_like=True, tag=4):
    """The child ended and is reaped."""

    id: int
    status: int  #: as ``wait`` returns it
    user: float
    system: float
    max_rss_bytes: int


Request = Fork | Kill
Report = Ready | Forked | Refused | Ended
