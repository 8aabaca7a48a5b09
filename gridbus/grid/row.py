"""What a caller gets of one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells
from gridbus.query import Value


class Row(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A row as it was at one moment; it does not change when the grid does.

    ``row["name"]`` is a cell, ``row.id`` the id, ``dict(row)`` all cells by column. Each change returns one, so it is
    a C struct; nothing in it leads back to it, so the collector need not track it.
    """

    _schema: Schema
    _cells: Cells

    @property
    def id(self) -> str:
        """The row's id, for as long as the row exists."""
        row_id: str = self._cells[-1]
        return row_id

    @property
    def values(self) -> Mapping[str, Value]:
        """The cells by column name."""
        return MappingProxyType(self._schema.values(self._cells))

    def __getitem__(self, name: str) -> Any:
        """Return a cell.

        Raises:
            ColumnError: there is no such column.
        """
        return self._cells[self._schema.position(name)]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a cell, ``default`` where there is no such column."""
        position = self._schema.index.get(name)
        return default if position is None else self._cells[position]

    def keys(self) -> tuple[str, ...]:
        """Return the column names, so that ``dict(row)`` works."""
        return self._schema.names

    def __iter__(self) -> Iterator[str]:
        return iter(self._schema.names)

    def __len__(self) -> int:
        return len(self._schema.names)

    def __contains__(self, name: object) -> bool:
        return name in self._schema.index

    def __eq__(self, other: object) -> bool:
        """Rows are equal when id, columns and cells are."""
        if not isinstance(other, Row):
            return NotImplemented
        return self._cells == other._cells and self._schema.names == other._schema.names

    def __hash__(self) -> int:
        return hash(self._cells)

    def __repr__(self) -> str:
        return f"Row({self.id!r}, {self._schema.values(self._cells)!r})"
