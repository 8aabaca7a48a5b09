"""The visible rows of a grid at one moment, for those who work through all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

import attrs

from gridbus.events.grid import Column
from gridbus.grid.row import Row
from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells
from gridbus.query import Value


@attrs.frozen(eq=False)
class ViewPage:
    """One page of the view, and where it stands in it."""

    rows: tuple[Row, ...]
    number: int  #: of the page, from 1; a page behind the last has no rows
    size: int | None  #: rows per page; None where one page shows all
    pages: int  #: at least 1
    visible: int  #: rows that pass the filter, on all pages
    total: int  #: rows of the grid


class Snapshot:
    """Columns and visible rows, filtered and sorted, as they were at one moment.

    Nothing in it changes when the grid does, so another thread may read it.
    """

    __slots__ = ("_rows", "_schema")

    def __init__(self, schema: Schema, rows: Sequence[Cells]) -> None:
        self._schema, self._rows = schema, rows

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, hidden ones included."""
        return self._schema.columns

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns that are not hidden."""
        return tuple(column for column in self._schema.columns if not column.hidden)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        schema = self._schema
        return (Row(schema, cells) for cells in self._rows)

    def __getitem__(self, index: int) -> Row:
        """Return the row at a place in the view, from 0."""
        return Row(self._schema, self._rows[index])

    def ids(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Return the ids of the rows, or of a part of them."""
        return list(map(itemgetter(-1), self._rows[start:stop]))

    def records(
        self, columns: Sequence[str] | None = None, *, start: int = 0, stop: int | None = None
    ) -> list[tuple[Value, ...]]:
        """Return the cells of the rows, or of a part of them, as tuples in the order of ``columns``.

        Args:
            columns: names; the columns that are not hidden by default.
            start: first row, from 0.
            stop: row to end before; the end by default.

        Raises:
            ColumnError: there is no such column.
        """
        names = [column.name for column in self.shown] if columns is None else columns
        positions = [self._schema.position(name) for name in names]
        rows = self._rows[start:stop]
        if not positions:
            return [()] * len(rows)
        if len(positions) == 1:
            return [(row[positions[0]],) for row in rows]
        return list(map(itemgetter(*positions), rows))

    def chunks(
        self, columns: Sequence[str] | None = None, *, size: int = 5_000
    ) -> Iterator[list[tuple[Value, ...]]]:
        """Yield the records in parts of ``size`` rows."""
        for start in range(0, len(self._rows), size):
            yield self.records(columns, start=start, stop=start + size)
