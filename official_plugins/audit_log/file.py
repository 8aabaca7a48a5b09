"""A file that lines are added to, whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path


class LineFile:
    """Adds lines to a file; its methods block, so they are called in a thread.

    One process writes one file: what fails half-way is cut off again, which would harm the lines of another writer.
    """

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self.path = path
        self._fsync = fsync
        self._descriptor: int | None = None

    def open(self) -> None:
        """Open the file, and make it and its folder where they are missing; only its owner may read a new one.

        Raises:
            OSError: that is not possible.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a writer that was killed left half a line
                os.write(descriptor, b"\n")
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, and wait for the disk if that is wanted.

        Raises:
            OSError: the lines could not be written; none of them is in the file.
        """
        if self._descriptor is None:
            self.open()
        descriptor = self._descriptor
        assert descriptor is not None
        size = os.fstat(descriptor).st_size
        data = memoryview(b"".join(lines))
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            if self._fsync:
                os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # the disk is as it is; the first error is the one to tell
                os.ftruncate(descriptor, size)
            self.close()  # opened anew next time: the file may have been moved, or its disk be back
            raise

    def close(self) -> None:
        """Close the file; does nothing when it is closed."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
