"""Rows of a grid's view, as they were at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import overload

import attrs

from gridbus.events.grid import Column
from gridbus.grid.row import Row
from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells
from gridbus.query import Value


class Snapshot(Sequence[Row]):
    """Columns and visible rows, filtered and sorted, as they were at one moment: a sequence of rows.

    Nothing in it changes when the grid does, so another thread may read it. Rows become objects as they are looked at.
    """

    __slots__ = ("_rows", "_schema")

    def __init__(self, schema: Schema, rows: Sequence[Cells]) -> None:
        self._schema, self._rows = schema, rows

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, hidden ones included."""
        return self._schema.columns

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        schema = self._schema
        return (Row(schema, cells) for cells in self._rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Snapshot: ...
    def __getitem__(self, index: int | slice) -> Row | Snapshot:
        """Return the row at a place in the view, from 0, or a part of the rows."""
        if isinstance(index, slice):
            return Snapshot(self._schema, self._rows[index])
        return Row(self._schema, self._rows[index])

    def ids(self) -> list[str]:
        """Return the ids of the rows."""
        return list(map(itemgetter(-1), self._rows))

    def chosen(self, names: Sequence[str] | None = None) -> tuple[Column, ...]:
        """Return the columns of these names, in this order; those that are not hidden by default.

        Raises:
            ColumnError: there is no such column.
        """
        if names is None:
            return tuple(column for column in self._schema.columns if not column.hidden)
        return tuple(map(self._schema.column, names))

    def records(self, names: Sequence[str] | None = None) -> list[tuple[Value, ...]]:
        """Return the cells of all rows as tuples, in the order of the chosen columns.

        Raises:
            ColumnError: there is no such column.
        """
        positions = [self._schema.position(column.name) for column in self.chosen(names)]
        if not positions:
            return [()] * len(self._rows)
        if len(positions) == 1:
            return [(row[positions[0]],) for row in self._rows]
        return list(map(itemgetter(*positions), self._rows))

    def chunks(self, names: Sequence[str] | None = None, *, size: int = 5_000) -> Iterator[list[tuple[Value, ...]]]:
        """Yield the records in parts of ``size`` rows."""
        for start in range(0, len(self._rows), size):
            yield self[start : start + size].records(names)


@attrs.frozen(eq=False)
class ViewPage:
    """One page of the view, and where it stands in it."""

    rows: Snapshot
    number: int  #: of the page, from 1; a page behind the last has no rows
    size: int | None  #: rows per page; None where one page shows all
    pages: int  #: at least 1
    visible: int  #: rows that pass the filter, on all pages
    total: int  #: rows of the grid
