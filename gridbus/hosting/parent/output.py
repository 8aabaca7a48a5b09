"""What a plugin's process writes to its standard output and error, as log lines at a bounded rate."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from gridbus.clock import Clock

_CHUNK = 16 * 1024  # bytes read at a time
_LONGEST_LINE = 2000  # characters; the rest of a line is cut
_LAST_WORDS = 2000  # characters kept for the report of a crash


class LineRate:
    """Lets a number of lines per second through, and counts what it holds back."""

    __slots__ = ("_burst", "_now", "_per_second", "_since", "_tokens", "dropped")

    def __init__(self, now: Callable[[], float], *, per_second: float = 200.0, burst: float = 1000.0) -> None:
        self._now, self._per_second, self._burst = now, per_second, burst
        self._tokens, self._since = burst, now()
        self.dropped = 0

    def take(self) -> bool:
        """Tell whether one more line may go through."""
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._per_second)
        self._since = now
        if self._tokens < 1.0:
            self.dropped += 1
            return False
        self._tokens -= 1.0
        return True


class Output:
    """Reads one pipe and logs its lines.

    A process that writes faster than the rate is not held up; what is over the rate is dropped, and a line says how
    much that was.
    """

    def __init__(self, descriptor: int, log: logging.Logger, level: int, rate: LineRate) -> None:
        self._fd, self._log, self._level, self._rate = descriptor, log, level, rate
        self._rest = b""
        self._told = 0
        self.last_words = ""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    def close(self) -> None:
        """Read what is left, at most a few chunks, and stop reading; the pipe is not closed here."""
        if self._fd < 0:
            return
        for _ in range(8):
            if not self._read():
                break
        self._stop()

    def _stop(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._fd = -1
            if self._rest:
                self._line(self._rest)
                self._rest = b""
            self._tell_dropped()

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._stop()
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > 4 * _LONGEST_LINE:
            self._line(self._rest)
            self._rest = b""
        return True

    def _line(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.last_words = f"{self.last_words}\n{text}"[-_LAST_WORDS:]
        if self._rate.take():
            self._tell_dropped()
            self._log.log(self._level, "%s", text[:_LONGEST_LINE])

    def _tell_dropped(self) -> None:
        if self._rate.dropped > self._told:
            self._log.warning("%d lines came too fast and are not shown", self._rate.dropped - self._told)
            self._told = self._rate.dropped


def open_outputs(plugin_id: str, stdout: int, stderr: int, clock: Clock) -> tuple[Output, Output]:
    """Log what a process writes under ``gridbus.plugin.<id>``: its output as information, its errors as warnings."""
    return (
        Output(
            stdout, logging.getLogger(f"gridbus.plugin.{plugin_id}.stdout"), logging.INFO, LineRate(clock.monotonic)
        ),
        Output(
            stderr, logging.getLogger(f"gridbus.plugin.{plugin_id}.stderr"), logging.WARNING, LineRate(clock.monotonic)
        ),
    )
