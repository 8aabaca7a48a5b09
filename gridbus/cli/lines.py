"""Lines as they arrive, from a file, a pipe or a terminal; none of them is held if it is too long."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterator

import anyio
import attrs
from anyio import to_thread

LONGEST_LINE = 16 * 2**20
"""Bytes of a line that is read; of a longer one only the number is known."""

_AT_ONCE = 2**16


@attrs.frozen
class Line:
    """One line without its end."""

    number: int  #: from 1
    data: bytes
    is_too_long: bool = False  #: then ``data`` is empty


class LineSplitter:
    """Cuts a stream of bytes into lines."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._buffer = bytearray()
        self._number = 1
        self._is_too_long = False

    def feed(self, data: bytes) -> Iterator[Line]:
        """Yield the lines that ``data`` completes."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._hold(data[start:end])
            yield self._take()
            start = end + 1
        self._hold(data[start:])

    def end(self) -> Iterator[Line]:
        """Yield what stands behind the last line end, if anything does."""
        if self._buffer or self._is_too_long:
            yield self._take()

    def _hold(self, data: bytes) -> None:
        if self._is_too_long or len(self._buffer) + len(data) > self._longest:
            self._is_too_long = True
            self._buffer.clear()
        else:
            self._buffer += data

    def _take(self) -> Line:
        data = bytes(self._buffer)
        if self._number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        line = Line(self._number, data.removesuffix(b"\r"), self._is_too_long)
        self._buffer.clear()
        self._number += 1
        self._is_too_long = False
        return line


async def read_lines(descriptor: int, *, longest: int = LONGEST_LINE) -> AsyncIterator[Line]:
    """Yield the lines of an open file, each as soon as it is there.

    Waiting for a pipe or a terminal can be cancelled at any time, as no thread waits for it.
    """
    splitter = LineSplitter(longest)
    never_blocks = stat.S_ISREG(os.fstat(descriptor).st_mode)
    while True:
        if not never_blocks:
            try:
                await anyio.wait_readable(descriptor)
            except PermissionError:  # what it is can always be read, /dev/null for one
                never_blocks = True
        data = await (to_thread.run_sync(os.read, descriptor, _AT_ONCE) if never_blocks else _read_ready(descriptor))
        if not data:
            break
        for line in splitter.feed(data):
            yield line
    for line in splitter.end():
        yield line


async def _read_ready(descriptor: int) -> bytes:
    """Read what is there already."""
    return os.read(descriptor, _AT_ONCE)
