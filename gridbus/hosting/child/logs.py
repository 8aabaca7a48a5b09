"""The log of a plugin's process, which is written in the application."""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from typing import Any, Protocol

from gridbus.hosting.child.failures import cut
from gridbus.hosting.protocol import Logged


class Sink(Protocol):
    """The application, as far as it is told something."""

    @property
    def is_paused(self) -> bool:
        """Tell whether it is behind with its reading."""
        ...

    def note(self, method: str, arguments: Any, /) -> None:
        """Tell it."""


class LogNotes(logging.Handler):
    """Sends each record as text: what a record holds besides need not be data."""

    def __init__(self, peer: Sink, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._peer, self._loop = peer, loop
        self._thread = threading.get_ident()
        self._is_sending = False
        self._missing = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record; what the sending itself logs is not sent."""
        try:
            where = f"{record.pathname}:{record.lineno}"
            logged = Logged(record.name, record.levelno, cut(self.format(record)), where)
        except Exception:
            self.handleError(record)  # to standard error, as any handler does
            return
        if threading.get_ident() == self._thread:
            self._send(logged)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._send, logged)

    def _send(self, logged: Logged) -> None:
        if self._is_sending:
            return
        if self._peer.is_paused:  # lines must not pile up here until memory is gone
            self._missing += 1
            return
        self._is_sending = True
        try:
            if self._missing:
                text = f"{self._missing:,} lines are missing here: the plugin logged more than was read"
                self._missing = 0
                self._peer.note("log", Logged("gridbus.hosting", logging.WARNING, text, ""))
            self._peer.note("log", logged)
        finally:
            self._is_sending = False


def log_to(peer: Sink, loop: asyncio.AbstractEventLoop, level: int) -> logging.Handler:
    """Send all that is logged from now on, warnings of Python too; return the handler."""
    handler = LogNotes(peer, loop)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
    return handler
