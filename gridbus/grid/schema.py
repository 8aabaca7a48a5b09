"""The columns of a grid at one moment, and what follows from them for rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gridbus.errors import ColumnError, ValueRejected
from gridbus.events.grid import Column
from gridbus.grid.values import EXACT, Cells, described, fit_cell
from gridbus.query import Value


class Schema:
    """Columns in order, never changed: a grid whose columns change takes a new one.

    Rows that were read keep the schema they were read with, so they stay readable.
    """

    __slots__ = ("columns", "exact", "index", "names")

    def __init__(self, columns: Iterable[Column] = ()) -> None:
        """Check the names.

        Raises:
            ColumnError: a name is empty or taken twice, or a type is none.
        """
        self.columns = tuple(columns)
        self.names = tuple(column.name for column in self.columns)
        self.index = {name: position for position, name in enumerate(self.names)}
        for column in self.columns:
            if column.type not in EXACT:
                raise ColumnError(f"column {column.name!r} is {column.type!r}: a type is one of {', '.join(EXACT)}")
        self.exact = tuple(EXACT[column.type] for column in self.columns)
        for position, name in enumerate(self.names):
            if not isinstance(name, str) or not name:
                raise ColumnError(f"column {position + 1} has no name: a name is a text of at least one character")
            if self.index[name] != position:
                raise ColumnError(f"two columns are named {name!r}")

    def position(self, name: str) -> int:
        """Return where a column stands, from 0.

        Raises:
            ColumnError: there is no such column; the message names the ones there are.
        """
        position = self.index.get(name)
        if position is None:
            raise self.unknown(name)
        return position

    def column(self, name: str) -> Column:
        """Return the column of this name.

        Raises:
            ColumnError: there is no such column.
        """
        return self.columns[self.position(name)]

    def unknown(self, name: object) -> ColumnError:
        """Return the error for a name that no column has."""
        import difflib  # 6 ms to import, for messages only

        near = difflib.get_close_matches(str(name), self.names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
        return ColumnError(f"no column is named {name!r}{hint} (columns: {shown or 'none'})")

    def cells(self, values: Mapping[str, Any], where: str = "new row") -> tuple[Value, ...]:
        """Return the cells of a new row, without its id; columns that ``values`` leaves out are empty.

        Args:
            values: cells by column name.
            where: what error messages call the row.

        Raises:
            ColumnError: there is no such column.
            ValueRejected: a value does not fit its column.
        """
        _check_mapping(values)
        cells: list[Any] = [None] * len(self.columns)
        index, exact = self.index, self.exact
        for name, value in values.items():
            position = index.get(name)
            if position is None:
                raise self.unknown(name)
            if type(value) is not exact[position] or value != value:
                value = fit_cell(self.columns[position], value, where)
            cells[position] = value
        return tuple(cells)

    def changed(self, row: Cells, changes: Mapping[str, Any]) -> tuple[Cells, dict[str, Value], dict[str, Value]]:
        """Return a row with changes, and the old and new values of the cells that differ.

        The row itself comes back where nothing differs.

        Raises:
            ColumnError: there is no such column.
            ValueRejected: a value does not fit its column.
        """
        if type(changes) is not dict:
            _check_mapping(changes)
        old: dict[str, Value] = {}
        new: dict[str, Value] = {}
        index, exact = self.index, self.exact
        cells = list(row)
        for name, value in changes.items():
            if name not in index:
                raise self.unknown(name)
            position = index[name]
            kind = exact[position]
            if type(value) is not kind or value != value:
                value = fit_cell(self.columns[position], value, f"row {row[-1]!r}")
            before = cells[position]
            if value != before or (kind is datetime and _is_other_zone(value, before)):
                cells[position] = value
                old[name] = before
                new[name] = value
        return (tuple(cells) if new else row), old, new

    def values(self, row: Cells) -> dict[str, Value]:
        """Return the cells of a row by column name."""
        return dict(zip(self.names, row, strict=False))  # the id at the end has no column

    def with_added(self, column: Column, index: int) -> Schema:
        """Return a schema with one column more."""
        if column.name in self.index:
            raise ColumnError(f"a column named {column.name!r} exists already")
        return Schema((*self.columns[:index], column, *self.columns[index:]))

    def without(self, name: str) -> Schema:
        """Return a schema with one column less."""
        index = self.position(name)
        return Schema((*self.columns[:index], *self.columns[index + 1 :]))

    def with_moved(self, name: str, index: int) -> Schema:
        """Return a schema with a column elsewhere."""
        column = self.column(name)
        others = [other for other in self.columns if other.name != name]
        others.insert(index, column)
        return Schema(others)

    def with_updated(self, name: str, column: Column) -> Schema:
        """Return a schema with ``column`` in the place of the one called ``name``."""
        index = self.position(name)
        if column.name != name and column.name in self.index:
            raise ColumnError(f"a column named {column.name!r} exists already")
        return Schema((*self.columns[:index], column, *self.columns[index + 1 :]))


def _check_mapping(values: object) -> None:
    if not isinstance(values, Mapping):
        raise ValueRejected(f"the cells of a row are given as column: value, not as {described(values)}")


def _is_other_zone(value: Value, before: Value) -> bool:
    """Tell whether two equal datetimes are written in different zones, which is a change to whoever reads them."""
    return isinstance(value, datetime) and isinstance(before, datetime) and value.tzinfo != before.tzinfo
