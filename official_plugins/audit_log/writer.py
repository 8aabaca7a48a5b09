"""Writes entries in order and in batches, and keeps them while they cannot be written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from logging import Logger, LoggerAdapter
from typing import Any, TypeAlias

import anyio
import attrs
from anyio import to_thread

from gridbus import Event
from official_plugins.audit_log.entry import Gap, encode_gap
from official_plugins.audit_log.file import LineFile

Log: TypeAlias = Logger | LoggerAdapter[Any]
Item: TypeAlias = Event[Any] | Gap | bytes
"""What waits to be written: an event, what stands for those that were lost, or a line as it is."""

_MOST_AT_ONCE = 1_000
_LONGEST_PAUSE = 30.0


@attrs.define
class Figures:
    """What a writer has done so far."""

    written: int = 0  #: entries in the file
    batches: int = 0
    failures: int = 0  #: attempts to write that failed
    lost: int = 0  #: entries that found no room while nothing could be written
    last_error: str | None = None  #: why the latest attempt failed; None where it did not


class EntryWriter:
    """A bounded queue of events, and the one task that writes them.

    While the disk is merely slow, ``add`` waits for room, so that nothing is lost. While writing fails, the newest
    events that find no room are lost and counted, so that the application goes on; a line in their place says how many.
    """

    def __init__(
        self,
        file: LineFile,
        encode: Callable[[Event[Any]], bytes],
        log: Log,
        *,
        max_waiting: int,
        retry_seconds: float,
    ) -> None:
        self.figures = Figures()
        self._file, self._encode, self._log = file, encode, log
        self._max_waiting, self._retry_seconds = max_waiting, retry_seconds
        self._waiting: deque[Item] = deque()
        self._in_hand = 0  # of those that wait, the first so many are being written
        self._is_needed = anyio.Event()
        self._has_tried = anyio.Event()

    @property
    def waiting(self) -> int:
        """Entries that are not in the file yet."""
        return len(self._waiting)

    async def add(self, event: Event[Any]) -> None:
        """Take an event."""
        while len(self._waiting) >= self._max_waiting and self.figures.last_error is None:
            await self._next_attempt()
        if len(self._waiting) < self._max_waiting:
            self._waiting.append(event)
        else:
            self._lose(event)
        self._is_needed.set()

    async def run(self) -> None:
        """Write what comes, until cancelled; failed attempts are repeated, at growing distances."""
        pause = self._retry_seconds
        while True:
            await self._is_needed.wait()
            self._is_needed = anyio.Event()
            while self._waiting:
                if await self._write_some():
                    pause = self._retry_seconds
                    continue
                await anyio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def settle(self) -> None:
        """Return when all is written, or an attempt has failed."""
        while self._waiting and self.figures.last_error is None:
            await self._next_attempt()

    def lines(self) -> list[bytes]:
        """Return what is not written yet, as it would be; it stays to be written."""
        return [self._line(item) for item in self._waiting]

    def take(self, lines: Iterable[bytes]) -> None:
        """Write lines that another writer could not."""
        self._waiting.extend(lines)
        self._is_needed.set()

    async def finish(self) -> int:
        """Write what waits, in one attempt, and close the file; return how many entries are not in it."""
        while self._waiting and await self._write_some():
            pass
        await to_thread.run_sync(self._file.close)
        return sum(item.lost if isinstance(item, Gap) else 1 for item in self._waiting)

    async def _next_attempt(self) -> None:
        """Wait until something was written, or could not be."""
        if self._has_tried.is_set():
            self._has_tried = anyio.Event()
        await self._has_tried.wait()

    async def _write_some(self) -> bool:
        """Write a batch; tell whether that worked."""
        batch = list(islice(self._waiting, _MOST_AT_ONCE))
        self._in_hand = len(batch)
        try:
            await to_thread.run_sync(self._write, batch)
        except OSError as error:
            self._failed(error)
            return False
        finally:
            self._in_hand = 0
        for _ in batch:
            self._waiting.popleft()
        self.figures.written += sum(not isinstance(item, Gap) for item in batch)
        self.figures.batches += 1
        if self.figures.last_error is not None:
            self.figures.last_error = None
            self._log.warning("%s can be written again; entries lost so far: %d", self._file.path, self.figures.lost)
        self._has_tried.set()
        return True

    def _write(self, batch: list[Item]) -> None:
        """Encode and write, in a thread."""
        self._file.append([self._line(item) for item in batch])

    def _line(self, item: Item) -> bytes:
        if isinstance(item, bytes):
            return item
        return encode_gap(item) if isinstance(item, Gap) else self._encode(item)

    def _failed(self, error: OSError) -> None:
        reason = f"{self._file.path} cannot be written: {error.strerror or error}"
        if self.figures.last_error is None:
            self._log.error("%s; it is tried again", reason)
        self.figures.failures += 1
        self.figures.last_error = reason
        self._has_tried.set()

    def _lose(self, event: Event[Any]) -> None:
        """Count an event in the gap at the end of what waits, unless that gap is being written just now."""
        self.figures.lost += 1
        last = self._waiting[-1]
        if isinstance(last, Gap) and len(self._waiting) > self._in_hand:
            last.lost += 1
            last.last_seq = event.seq
        else:
            self._waiting.append(Gap(event.at.isoformat(timespec="microseconds"), 1, event.seq, event.seq))
