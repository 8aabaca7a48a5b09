"""A plugin's end of the socket to the application."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable

from gridbus.errors import ProtocolViolation
from gridbus.isolation.wire.frames import MAX_FRAME, FrameReader
from gridbus.isolation.wire.peer import Peer

_READ = 64 * 1024
_WRITTEN = 256 * 1024  # bytes waiting for the application at which whoever sends without waiting is paused


class ChildConnection:
    """Feeds a peer with what the application sends, and writes what the peer sends; it can do so blocking as well."""

    def __init__(self, sock: socket.socket, peer: Peer, *, on_lost: Callable[[Exception | None], object]) -> None:
        """Begin to read; in a running loop.

        Args:
            sock: connected to the application.
            peer: takes the frames.
            on_lost: called once, when the connection is gone.
        """
        sock.setblocking(False)
        self._sock, self._peer, self._on_lost = sock, peer, on_lost
        self._fd = sock.fileno()
        self._reader = FrameReader(MAX_FRAME)
        self._waiting = bytearray()  #: written and not sent
        self._is_lost = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)
        peer.transport = self
        peer.flush()

    def write(self, data: bytes | bytearray) -> None:
        """Send; what does not go out now goes out when the socket takes it."""
        if self._is_lost:
            return
        if self._waiting:
            self._waiting += data
        else:
            sent = self._send(data)
            if sent < len(data) and not self._is_lost:
                self._waiting += memoryview(data)[sent:]
                self._loop.add_writer(self._fd, self._writable)
        if len(self._waiting) > _WRITTEN and not self._peer.is_paused:
            self._peer.pause()

    def read_now(self) -> None:
        """Block until something came, and feed it to the peer; what waits to be sent goes out meanwhile."""
        if self._is_lost:
            return  # the peer knows
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | (select.POLLOUT if self._waiting else 0))
        for _, events in poll.poll():
            if events & select.POLLOUT:
                self._writable()
            if events & ~select.POLLOUT:
                self._readable()

    def fail(self, error: Exception) -> None:
        """Close for a reason."""
        self._lose(error)

    def close(self) -> None:
        """Send what waits, blocking, and close."""
        self._peer.flush()
        if self._waiting and not self._is_lost:
            self._sock.setblocking(True)
            try:
                self._sock.sendall(self._waiting)
            except OSError:
                self._waiting.clear()
        self._lose(None)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if not data:
            self._lose(None)
            return
        try:
            frames = self._reader.feed(data)
        except ProtocolViolation as error:
            self._lose(error)
            return
        self._peer.receive_all(frames)

    def _writable(self) -> None:
        sent = self._send(self._waiting)
        del self._waiting[:sent]
        if not self._waiting and not self._is_lost:
            self._loop.remove_writer(self._fd)
            if self._peer.is_paused:
                self._peer.resume()

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._lose(error)
            return 0

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._sock.close()
        self._peer.lost(error)
        self._on_lost(error)
