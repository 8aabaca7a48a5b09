"""One reading of one file: its bytes, how far it is, and what was found wrong so far."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeAlias

import attrs

from gridbus.errors import FileFormatError, FileReadError, ReadCancelled
from gridbus.tables.table import MAX_PROBLEMS, Problem

Progress: TypeAlias = Callable[[int, int, int], object]
"""Called with bytes read, bytes in all and rows so far."""

LEFT_OUT = "; the row is left out"  # the end of a problem that cost a row
BLOCK = 1 << 17  # bytes per read: some thousand rows


@attrs.define
class Reading:
    """Counts, problems and the caller's wishes, shared by all who read parts of the file."""

    path: str
    size: int = 0
    progress: Progress | None = None
    cancelled: Callable[[], bool] | None = None
    bytes_read: int = 0
    rows: int = 0
    skipped: int = 0
    problem_count: int = 0
    problems: list[Problem] = attrs.field(factory=list)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the file for as long as the block runs.

        Raises:
            FileReadError: it is missing, no regular file, or may not be read.
        """
        try:
            status = os.stat(self.path)
            if stat.S_ISDIR(status.st_mode):
                raise FileReadError(f"{self.path}: this is a directory, name a file in it")
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for somebody to write to it
                raise FileReadError(f"{self.path}: not a regular file; write its content to one first")
            file = open(self.path, "rb")  # noqa: SIM115 - closed below; only opening it is guarded
        except FileReadError:
            raise
        except FileNotFoundError:
            raise FileReadError(f"{self.path}: there is no such file") from None
        except PermissionError:
            raise FileReadError(f"{self.path}: no permission to read it") from None
        except (OSError, ValueError) as error:
            raise FileReadError(f"{self.path}: cannot be opened: {error}") from None
        with file:
            self.size = status.st_size
            yield file

    def blocks(self, file: BinaryIO, *, quiet: bool = False) -> Iterator[bytes]:
        """Yield the rest of the file block by block, and count it unless ``quiet``.

        Raises:
            FileReadError: the disk, or what stands for one, failed.
            ReadCancelled: the caller wants no more.
        """
        while True:
            self.check(quiet=quiet)
            try:
                block = file.read(BLOCK)
            except OSError as error:
                raise FileReadError(f"{self.path}: cannot be read: {error}") from None
            if not block:
                return
            if not quiet:
                self.bytes_read += len(block)
            yield block

    def check(self, *, quiet: bool = False) -> None:
        """Tell the caller how far it is, and stop if that is wanted.

        Raises:
            ReadCancelled: it is.
        """
        if self.cancelled is not None and self.cancelled():
            raise ReadCancelled(f"{self.path}: reading was stopped after {self.rows:,} rows")
        if self.progress is not None and not quiet:
            self.progress(self.bytes_read, self.size, self.rows)

    def note(self, line: int, message: str) -> None:
        """Record something that was not as it should be."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(line, message))

    def skip(self, line: int, message: str) -> None:
        """Record a row that is left out."""
        self.skipped += 1
        self.note(line, message + LEFT_OUT)

    def error(self, reason: str, line: int | None = None, column: int | None = None) -> FileFormatError:
        """Return the error that this file cannot be read for ``reason``."""
        place = "" if line is None else f", line {line}" if column is None else f", line {line} column {column}"
        return FileFormatError(f"{self.path}{place}: {reason}")
