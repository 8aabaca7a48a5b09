"""Collects runs of cells, and makes rows of them once the type of each column is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from gridbus.events.grid import Column, ColumnType
from gridbus.tables.grammar import Kind, join
from gridbus.tables.runs import Run, convert, is_exact

_TYPES = {
    Kind.EMPTY: ColumnType.TEXT,
    Kind.BOOL: ColumnType.BOOL,
    Kind.INT: ColumnType.INT,
    Kind.FLOAT: ColumnType.FLOAT,
    Kind.DATE: ColumnType.DATE,
    Kind.NAIVE: ColumnType.DATETIME,
    Kind.ZONED: ColumnType.DATETIME,
    Kind.TEXT: ColumnType.TEXT,
}


@attrs.define
class Gathered:
    """One column: its kind so far, and how many of its cells say in a word that they are empty."""

    name: str
    kind: Kind = Kind.EMPTY
    missing: int = 0


@attrs.define
class Chunk:
    """Rows that were read together, column by column; columns that came later have no run here."""

    count: int
    runs: list[Run]


class Columns:
    """The columns of a table that is being read.

    Types are known only at the end of the file, so rows are kept column by column till then; where a column turns out
    wider than one of its runs, that run is converted, or its original text is taken.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.columns = [Gathered(name) for name in names]
        self._chunks: list[Chunk] = []

    def add_column(self, name: str) -> None:
        """Append a column; rows that were added before are empty in it."""
        self.columns.append(Gathered(name))

    def add_rows(self, count: int, cells: Sequence[Sequence[Any]], read: Callable[[Any, Kind], Run]) -> list[Run]:
        """Add rows, given as the cells of each column; return what these were read as."""
        runs = []
        for column, run_cells in zip(self.columns, cells, strict=True):
            run = read(run_cells, column.kind)
            column.kind = join(column.kind, run.kind)
            column.missing += run.missing
            runs.append(run)
        self._chunks.append(Chunk(count, runs))
        return runs

    def missing(self) -> list[tuple[str, int]]:
        """Return the columns in which words stand for empty cells, and how many; known when the types are."""
        return [
            (column.name, column.missing) for column in self.columns if column.missing and column.kind is not Kind.TEXT
        ]

    def finish(self, check: Callable[[], None]) -> tuple[tuple[Column, ...], list[tuple[Any, ...]]]:
        """Return columns and rows; what was collected is given up on the way.

        Args:
            check: called now and then; may raise to stop.
        """
        for index, column in enumerate(self.columns):
            column.kind = self._final(
                column.kind, [chunk.runs[index] for chunk in self._chunks if index < len(chunk.runs)]
            )
        kinds = [column.kind for column in self.columns]
        rows: list[tuple[Any, ...]] = []
        chunks, self._chunks = self._chunks[::-1], []
        while chunks:
            check()
            chunk = chunks.pop()
            empty = [None] * chunk.count
            cells = list(map(convert, chunk.runs, kinds)) + [empty] * (len(kinds) - len(chunk.runs))
            rows.extend(zip(*cells, strict=True) if cells else [()] * chunk.count)
        return tuple(Column(column.name, _TYPES[column.kind]) for column in self.columns), rows

    def _final(self, kind: Kind, runs: Sequence[Run]) -> Kind:
        if kind is Kind.FLOAT and not all(is_exact(run) for run in runs if run.kind is Kind.INT):
            return Kind.TEXT
        if kind is Kind.EMPTY and any(run.source is not None for run in runs):
            return Kind.TEXT  # nothing but words that say it is empty, of which none says of what
        return kind
