"""One child as the application has it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from socket import socket as Socket

import anyio

from gridbus.isolation.zygote.ends import Ends
from gridbus.isolation.zygote.exits import Exit

ORPHANED = "the zygote died"
GONE_TIMEOUT = 5.0  #: seconds in which killed children are gone; one may hang in the kernel


class Child:
    """A process, the application's ends of its sockets and pipes, and its exit once it ended.

    Whoever puts ``socket`` into a transport, or a reader on ``stdout`` and ``stderr``, takes them out again before
    ``close``.
    """

    def __init__(self, pid: int, pidfd: int | None, ends: Ends, *, forget: Callable[[Child], None]) -> None:
        self.pid = pid
        self._pidfd, self._ends, self._forget = pidfd, ends, forget
        self._ended = anyio.Event()
        self._exit: Exit | None = None
        self._is_closed = False
        self._watching: asyncio.AbstractEventLoop | None = None

    @property
    def pidfd(self) -> int | None:
        """Refers to the process, even when its number is another's; None where there are none, and at the end."""
        return self._pidfd

    @property
    def socket(self) -> Socket:
        """The application's end of the stream; does not block."""
        return self._ends.socket

    @property
    def descriptors(self) -> Socket:
        """Open descriptors for the child are sent here, by ``socket.send_fds``."""
        return self._ends.descriptors

    @property
    def stdout(self) -> int:
        """Read end of the child's standard output; -1 when closed."""
        return self._ends.stdout

    @property
    def stderr(self) -> int:
        """Read end of the child's standard error; -1 when closed."""
        return self._ends.stderr

    @property
    def exit(self) -> Exit | None:
        """How it ended; None while it lives."""
        return self._exit

    async def wait(self) -> Exit:
        """Wait until the process is gone, and return how it ended; any number may wait, or stop to."""
        await self._ended.wait()
        assert self._exit is not None
        return self._exit

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Send a signal to this process, never to another that got its number; nothing if it ended."""
        if self._exit is not None:
            return
        try:
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signum)
            else:
                os.kill(self.pid, signum)  # we are the parent and have not reaped it: the number is its own
        except ProcessLookupError:
            pass  # it ended, which is about to be told

    def close(self) -> None:
        """Close sockets and pipes; the process is not touched, and its exit is still told."""
        if self._is_closed:
            return
        self._is_closed = True
        self._ends.close()
        self._let_go()

    # --- called by what started it -------------------------------------------------------------------------------

    def end(self, exit: Exit) -> None:
        """Take down how it ended, and wake all who wait."""
        if self._exit is not None:
            return
        self._exit = exit
        self._unwatch()
        self._ended.set()
        self._let_go()

    def orphan(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the process itself: whoever would tell of its end is gone."""
        if self._exit is None and self._pidfd is not None:
            self._watching = loop
            loop.add_reader(self._pidfd, self._orphan_ended)

    def _orphan_ended(self) -> None:
        assert self._pidfd is not None
        try:  # pid 1 of a container, or a subreaper, inherits orphans: then it is ours to reap
            found = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        except OSError:
            found = None  # init reaps it
        if found is None:
            self.end(Exit(note=ORPHANED))
        elif found.si_code == os.CLD_EXITED:
            self.end(Exit(code=found.si_status, note=ORPHANED))
        else:
            self.end(Exit(signal=found.si_status, note=ORPHANED))

    def _unwatch(self) -> None:
        if self._watching is not None:
            assert self._pidfd is not None
            self._watching.remove_reader(self._pidfd)
            self._watching = None

    def _let_go(self) -> None:
        """Close the pidfd once nobody needs it: the process is gone and its owner has closed it."""
        if self._exit is None:
            return
        if self._is_closed:
            if self._pidfd is not None:
                os.close(self._pidfd)
                self._pidfd = None  # a reused number would kill the wrong process
            self._forget(self)
