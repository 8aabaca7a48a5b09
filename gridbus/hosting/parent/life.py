"""One process of a plugin, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import anyio

from gridbus.errors import PeerGone, PluginCrashed, ProtocolViolation, WireError
from gridbus.hosting.parent.exits import Verdict, judge
from gridbus.hosting.parent.output import LineRate, open_outputs
from gridbus.hosting.parent.relays import Relays
from gridbus.hosting.protocol import (
    IN_APPLICATION,
    IN_PLUGIN,
    NOTES,
    Done,
    Hello,
    Loaded,
    Logged,
    Refusal,
    TaskFailure,
)
from gridbus.isolation.meter import MeterLimits, Metered, ProcessUsage, Reached
from gridbus.isolation.wire import Frame, Kind, Link, Peer
from gridbus.isolation.zygote import Child, Exit

if TYPE_CHECKING:
    from gridbus.hosting.parent.host import ProcessHost
    from gridbus.plugins.hosting import HostRequest

_HANGING_UP = 0.25  # seconds between the end of a connection and that of its process, where one leads to the other
_FRAMES_PER_SECOND = 100_000  # that one process may send
_REASONS = {
    "cpu_seconds_per_event": "cpu",
    "memory_bytes": "memory",
    "threads": "threads",
    "file_bytes": "files",
    "hang": "hang",
}


class Life:
    """A process, the connection to it, and what the meter and the logs know of it."""

    loaded: Loaded
    peer: Peer

    def __init__(self, host: ProcessHost, request: HostRequest, child: Child, hello: Hello) -> None:
        self._host, self._request, self._child, self._hello = host, request, child, hello
        self._clock = host.bus.clock
        self._log = logging.getLogger(f"gridbus.plugin.{hello.plugin_id or request.entry}")
        self._lines = LineRate(self._clock.monotonic)
        self._outputs = open_outputs(hello.plugin_id or request.entry, child.stdout, child.stderr, self._clock)
        self._handlers: Mapping[str, Callable[..., Any]] = {}
        self._relays: Relays | None = None
        self._limit_reached: Callable[[Reached], object] = _ignore
        self._task_failed: Callable[[TaskFailure], object] = _ignore
        self._refused: Callable[[Refusal], object] = _ignore
        self._killed_for: Verdict | None = None
        self._moves = 0  #: pieces of work that it was done with
        self._seen = (-1, 0.0)
        self._exit: Exit | None = None
        self._metered: Metered | None = None
        self._timer: Any = None

    async def load(self) -> None:
        """Connect, confine the process and let it load the plugin.

        Raises:
            PluginLoadError, PluginValidationError: as inline.
            PluginCrashed: it ended instead.
            TimeoutError: it took too long.
        """
