"""A new child: it lets go of all that is the zygote's, and runs its entry."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Collection
from typing import NoReturn

EXIT_FAILED = 70  #: the entry raised
EXIT_MEMORY = 71  #: the entry raised MemoryError

_PR_SET_PDEATHSIG = 1

Entry = Callable[[socket.socket, socket.socket], object]


def death_bond() -> Callable[[int], None]:
    """Return what has the kernel kill the process that calls it as soon as its parent, of this pid, is gone.

    Found before the fork: looking it up takes a child longer than the call.
    """
    if sys.platform != "linux":
        return lambda parent: None  # the end of its socket has to tell
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def die_with(parent: int) -> None:
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:  # it went before the kernel was told
            os._exit(EXIT_FAILED)

    return die_with


def leave_zygote(keep: Collection[int], stdout: int, stderr: int) -> None:
    """Take streams and session of one's own, default signals, and close every descriptor but ``keep``."""
    os.setsid()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    close_others(keep)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def close_others(keep: Collection[int]) -> None:
    """Close all descriptors but the standard ones and ``keep``."""
    low = 3
    for number in sorted(keep):
        os.closerange(low, number)
        low = number + 1
    os.closerange(low, max(low, os.sysconf("SC_OPEN_MAX")))


def live(entry: Entry, sock: int, descriptors: int) -> NoReturn:
    """Run ``entry`` and end the process: nothing that the zygote registered for its own end runs here."""
    code = EXIT_FAILED
    try:
        for stream in (sys.stdout, sys.stderr):
            # lines are forwarded as they come, and no text is an error
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
        entry(socket.socket(fileno=sock), socket.socket(fileno=descriptors))
        code = 0
    except SystemExit as error:
        code = _code_of(error)
    except BaseException as error:
        code = EXIT_MEMORY if isinstance(error, MemoryError) else EXIT_FAILED
        with contextlib.suppress(BaseException):  # no memory, or no standard error: the exit code has to do
            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(BaseException):
                stream.flush()
        os._exit(code)


def _code_of(error: SystemExit) -> int:
    """Read what ``sys.exit`` was given as the interpreter does."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    with contextlib.suppress(BaseException):
        sys.stderr.write(f"{error.code}\n")
    return 1
