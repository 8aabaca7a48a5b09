"""What a process of ours writes to its standard error."""

from __future__ import annotations

import asyncio
import logging
import os

logger = logging.getLogger("gridbus.isolation.zygote")

KEPT = 8192  #: bytes of the end of the text
MOST_LINES = 200  #: logged in one life
CHUNK = 4096
MOST_CHUNKS = 64  #: read when it ended, of what still stands in the pipe


class Output:
    """Reads a pipe: keeps the last of the text, and logs its lines once told to."""

    def __init__(self, descriptor: int, *, owns: bool = True) -> None:
        self._descriptor, self._owns = descriptor, owns
        self._kept = bytearray()
        self._line = b""
        self._logged: int | None = None  # None: not yet to be logged
        self._is_open = False

    @property
    def text(self) -> str:
        """The last of what was written."""
        return self._kept.decode(errors="replace").strip()

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start to read."""
        os.set_blocking(self._descriptor, False)
        self._loop = loop
        self._is_open = True
        loop.add_reader(self._descriptor, self._read)

    def log(self) -> None:
        """Log all that was written and will be."""
        self._logged = 0
        self._line = b""
        self._log(bytes(self._kept))

    def close(self) -> None:
        """Read what still stands in the pipe, and stop."""
        if not self._is_open:
            return
        for _ in range(MOST_CHUNKS):
            if not self._read():
                break
        if self._is_open:
            self._stop()
        if self._line:
            self._log(b"\n")

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._stop()
            return False
        self._kept += data
        del self._kept[:-KEPT]
        if self._logged is not None:
            self._log(data)
        return True

    def _stop(self) -> None:
        self._is_open = False
        self._loop.remove_reader(self._descriptor)
        if self._owns:
            os.close(self._descriptor)

    def _log(self, data: bytes) -> None:
        if self._logged is None:
            return
        *lines, self._line = (self._line + data).split(b"\n")
        self._line = self._line[-CHUNK:]
        for line in lines:
            if not line.strip():
                continue
            self._logged += 1
            if self._logged <= MOST_LINES:
                logger.warning("the zygote says: %s", line.decode(errors="replace"))
            elif self._logged == MOST_LINES + 1:
                logger.warning("the zygote says more than %d lines: the rest is not logged", MOST_LINES)
