"""The two ends of everything between the application and one child."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from socket import socket as Socket

import attrs

from gridbus.errors import ZygoteError

#: Keeps messages apart, so that what is said of a descriptor stays beside it; macOS has only datagrams for that.
DESCRIPTORS_KIND = socket.SOCK_DGRAM if sys.platform == "darwin" else getattr(socket, "SOCK_SEQPACKET", 0)


@attrs.define(eq=False)
class Ends:
    """Two sockets and two pipes: the application's ends, and the child's until they are handed over."""

    socket: Socket
    descriptors: Socket
    stdout: int
    stderr: int
    theirs: tuple[Socket, Socket, int, int] | None

    @classmethod
    def open(cls) -> Ends:
        """Open both sides of all; the application's do not block.

        Raises:
            ZygoteError: too many files are open.
        """
        with contextlib.ExitStack() as stack:
            try:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
                stack.callback(ours.close)
                stack.callback(theirs.close)
                sending, receiving = socket.socketpair(socket.AF_UNIX, DESCRIPTORS_KIND)
                stack.callback(sending.close)
                stack.callback(receiving.close)
                pipes = []
                for _ in range(2):
                    pipes.append(os.pipe())
                    stack.callback(os.close, pipes[-1][0])
                    stack.callback(os.close, pipes[-1][1])
            except OSError as error:
                raise ZygoteError(f"no sockets for another process: {error}; raise the limit of open files") from error
            stack.pop_all()
        (stdout, stdout_in), (stderr, stderr_in) = pipes
        for end in (ours, sending):
            end.setblocking(False)
        for stream in (stdout, stderr):
            os.set_blocking(stream, False)
        return cls(ours, sending, stdout, stderr, (theirs, receiving, stdout_in, stderr_in))

    def numbers(self) -> list[int]:
        """Return the descriptors of the child's ends."""
        assert self.theirs is not None
        sock, descriptors, stdout, stderr = self.theirs
        return [sock.fileno(), descriptors.fileno(), stdout, stderr]

    def hand_over(self) -> None:
        """Close the child's ends here: it has them, or never will."""
        theirs, self.theirs = self.theirs, None
        if theirs is not None:
            theirs[0].close()
            theirs[1].close()
            os.close(theirs[2])
            os.close(theirs[3])

    def close(self) -> None:
        """Close all that is open."""
        self.hand_over()
        self.socket.close()
        self.descriptors.close()
        streams, self.stdout, self.stderr = (self.stdout, self.stderr), -1, -1
        for stream in streams:
            if stream >= 0:  # a number is used once: by now it may be another's
                os.close(stream)
