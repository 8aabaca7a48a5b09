"""Reading a file only when nobody is writing it."""

from __future__ import annotations

import os
import signal
import sys
import time

from gridbus.errors import GridbusError

YOUNG = 0.05
"""Seconds for which a file is left alone after it changed, where nobody can tell whether it is still being written."""

if sys.platform == "linux":
    import fcntl

    def _lease(descriptor: int) -> bool:
        # Breaking a lease sends SIGIO, which ends a process that does not expect it; SIGURG is ignored by default. The
        # kernel falls back on SIGIO only for real-time signals, so the process is safe as soon as this call is done.
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            raise
        except OSError:
            return False  # another user's file, or a file system without leases
        return True

    def _release(descriptor: int) -> None:
        # closing is not enough: a process that was forked meanwhile has the descriptor too
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    _HOW = os.O_RDONLY | os.O_NONBLOCK  # who breaks another's write lease would wait for it
else:

    def _lease(descriptor: int) -> bool:
        return False

    def _release(descriptor: int) -> None: ...

    _HOW = os.O_RDONLY | getattr(os, "O_BINARY", 0)


class Unsettled(GridbusError):
    """A file is being written, or was replaced, as it was read: it can be read a moment later."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} {reason}: read it again in a moment")
        self.path, self.reason = path, reason


Stamp = tuple[int, int, int, int, int]
"""What of a file changes when its content does: size, times of change in ns (mtime, ctime), inode and device."""


def stamp_of(stat: os.stat_result) -> Stamp:
    """Return what tells this state of a file from another one."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


def read_settled(path: str) -> tuple[bytes, Stamp]:
    """Return the content of a file that nobody has open for writing, and its stamp.

    On Linux a read lease is taken: the kernel grants it only where nobody has the file open for writing, and lets
    whoever wants to write wait until it is given back, so that no half file can be read. Without leases (of another
    user's file, on a network's file system, on other systems) the file must not change while it is read, and must not
    have changed in the last ``YOUNG`` seconds.

    Raises:
        Unsettled: it is open for writing, vanished, or changes.
        OSError: it cannot be read.
    """
    try:
        descriptor = os.open(path, _HOW)
    except FileNotFoundError:
        raise Unsettled(path, "vanished as it was about to be read") from None
    except BlockingIOError:
        raise Unsettled(path, "is held by another program") from None
    try:
        try:
            leased = _lease(descriptor)
        except BlockingIOError:
            raise Unsettled(path, "is open for writing") from None
        if not leased:
            return _read_unchanged(path, descriptor)
        try:
            stat = os.fstat(descriptor)
            return _read(descriptor, stat.st_size), stamp_of(stat)
        finally:
            _release(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size)
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


def _read_unchanged(path: str, descriptor: int) -> tuple[bytes, Stamp]:
    before = os.fstat(descriptor)
    data = _read(descriptor, before.st_size)
    try:
        now = stamp_of(os.stat(path))
    except FileNotFoundError:
        raise Unsettled(path, "vanished while it was read") from None
    if not (stamp_of(before) == stamp_of(os.fstat(descriptor)) == now) or len(data) != before.st_size:
        raise Unsettled(path, "changed while it was read")
    if is_younger(before.st_mtime_ns, YOUNG):
        raise Unsettled(path, f"was written less than {YOUNG * 1000:g} ms ago")
    return data, now


def is_younger(changed_ns: int, seconds: float) -> bool:
    """Tell whether a time of the wall clock is less than so many seconds ago; one in the future never is."""
    return 0 <= time.time_ns() - changed_ns < seconds * 1e9
