"""The lines that tracebacks and ``inspect`` show: those of the code that runs, not of what the file holds by now."""

from __future__ import annotations

import io
import linecache
from collections.abc import Callable, Sequence
from typing import overload


class SourceLines(Sequence[str]):
    """The lines of one file, split when they are first looked at."""

    def __init__(self, source: Callable[[], str]) -> None:
        self._source: Callable[[], str] | None = source
        self._lines: list[str] = []

    def _split(self) -> list[str]:
        if self._source is not None:
            lines = io.StringIO(self._source()).readlines() or ["\n"]
            if not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            self._lines, self._source = lines, None
        return self._lines

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        return self._split()[at]

    def __len__(self) -> int:
        return len(self._split())


def show(path: str, size: int, lines: SourceLines | None) -> None:
    """Let a file's lines be these; None lets them be what the file holds.

    An entry without mtime is never compared with the file. It is not lazy in linecache's own way because a file that
    exists is then read from the disk.
    """
    if lines is not None:
        linecache.cache[path] = (size, None, lines, path)  # type: ignore[assignment]  # any sequence does
    else:
        entry: tuple[object, ...] = linecache.cache.get(path, ())
        if any(isinstance(part, SourceLines) for part in entry):
            linecache.cache.pop(path, None)
