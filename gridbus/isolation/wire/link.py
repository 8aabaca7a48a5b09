"""The application's end of the socket to a plugin's process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

from gridbus.clock import Clock
from gridbus.errors import IsolationError, ProtocolViolation
from gridbus.isolation.wire.frames import MAX_FRAME, Frame, FrameReader
from gridbus.isolation.wire.peer import Peer

_READ = 16 * 1024  # bytes read at a time: what a flooding process can make the application hold
_LONGEST = 0.003  # seconds of frames that are handled before the loop has its turn
_WRITTEN = 256 * 1024  # bytes waiting for the process at which whoever sends without waiting is paused


class Link(asyncio.BufferedProtocol):
    """Feeds a peer with what a process sends, at a bounded rate, and writes what the peer sends.

    What breaks the protocol ends the connection; nothing is read after it.
    """

    def __init__(
        self,
        peer: Peer,
        *,
        clock: Clock,
        rate: float,
        on_lost: Callable[[Exception | None], object],
        on_throttled: Callable[[], object] | None = None,
        max_frame: int = MAX_FRAME,
    ) -> None:
        """Prepare.

        Args:
            peer: takes the frames.
            clock: for the rate.
            rate: frames per second that are read; a second's worth may come at once.
            on_lost: called once, when the connection is gone, with what broke it.
            on_throttled: called when the process begins to send faster than the rate.
            max_frame: bytes of one frame.
        """
        self._peer, self._clock, self._rate = peer, clock, rate
        self._on_lost, self._on_throttled = on_lost, on_throttled
        self._reader = FrameReader(max_frame)
        self._buffer = bytearray(_READ)
        self._waiting: list[Frame] = []  #: read and not handled
        self._transport: asyncio.Transport | None = None
        self._error: Exception | None = None
        self._is_paused = self._is_held = self._is_due = self._is_lost = self._is_throttled = False
        self._tokens, self._since = rate, clock.monotonic()

    # --- out -----------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray) -> None:
        """Send."""
        if self._transport is not None:
            self._transport.write(data)

    def read_now(self) -> None:
        """Refuse: the application never blocks for a plugin."""
        raise IsolationError("the application does not block for a plugin's process")

    def pause(self) -> None:
        """Read nothing until ``resume``."""
        self._is_held = True
        self._pause()

    def resume(self) -> None:
        """Read again."""
        self._is_held = False
        if not self._is_due:
            self._go_on()

    def close(self) -> None:
        """Send what waits, and close."""
        self._peer.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: Exception) -> None:
        """Close at once, for a reason."""
        if self._error is None:
            self._error = error
        self._waiting.clear()
        self.abort()

    # --- what the loop calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        made: Any = transport
        self._transport = made
        self._peer.transport = self
        made.set_write_buffer_limits(high=_WRITTEN)
        self._peer.flush()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Say where to read to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        try:
            frames = self._reader.feed(bytes(memoryview(self._buffer)[:nbytes]))
        except ProtocolViolation as error:
            self.fail(error)
            return
        self._waiting = frames if not self._waiting else [*self._waiting, *frames]
        if not self._is_due and not self._is_held:
            self._handle()

    def eof_received(self) -> bool:
        """Close when the process has closed."""
        return False

    def pause_writing(self) -> None:
        """The process reads too slowly."""
        self._peer.pause()

    def resume_writing(self) -> None:
        """The process reads again."""
        self._peer.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        if self._is_lost:
            return
        self._is_lost = True
        if self._error is None:
            self._handle_rest()
        error = self._error or exc
        self._peer.lost(error)
        self._on_lost(error)

    # --- within --------------------------------------------------------------------------------------------------

    def _handle(self) -> None:
        """Handle frames for a while; what is left waits for the next turn, and nothing is read before."""
        waiting, self._waiting = self._waiting, []
        end = perf_counter() + _LONGEST
        place = 0
        try:
            for place, frame in enumerate(waiting, 1):
                self._peer.receive(frame)
                if not place & 15 and perf_counter() > end:
                    break
        except ProtocolViolation as error:
            self.fail(error)
            return
        if self._error is not None:
            return
        self._waiting = waiting[place:]
        wait = self._wait(place)
        if wait:
            self._is_due = True
            self._pause()
            self._clock.call_later(wait, self._go_on)
        elif self._waiting:
            self._is_due = True
            self._pause()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _handle_rest(self) -> None:
        """Handle what was read before the connection went."""
        waiting, self._waiting = self._waiting, []
        try:
            for frame in waiting:
                self._peer.receive(frame)
        except ProtocolViolation as error:
            self._error = error

    def _go_on(self) -> None:
        self._is_due = False
        if self._is_held or self._is_lost or self._error is not None:
            return
        if self._waiting:
            self._handle()
        if not self._is_due and self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def _pause(self) -> None:
        if not self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()

    def _wait(self, frames: int) -> float:
        """Take tokens for frames that were handled; return the seconds to wait before more are read."""
        now = self._clock.monotonic()
        self._tokens = min(self._rate, self._tokens + (now - self._since) * self._rate) - frames
        self._since = now
        if self._tokens >= 0:
            self._is_throttled = self._is_throttled and self._tokens < self._rate / 2
            return 0.0
        if not self._is_throttled:
            self._is_throttled = True
            if self._on_throttled is not None:
                self._on_throttled()
        return max(0.01, -self._tokens / self._rate)
