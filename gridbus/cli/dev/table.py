"""The table that a plugin is tried on where no file is given, and events for it to hear."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import cycle
from typing import Any

from gridbus.events.grid import Column, ColumnType
from gridbus.grid import Grid

COLUMNS = (
    Column("name"),
    Column("email"),
    Column("city"),
    Column("orders", ColumnType.INT),
    Column("since", ColumnType.DATE),
)

ROWS = (
    ("Ada Lovelace", "ada@example.org", "London", 12, date(2024, 2, 11)),
    ("Grace Hopper", "grace@example.org", "New York", 7, date(2024, 5, 30)),
    ("Alan Turing", "alan@example.org", "Manchester", 0, date(2025, 1, 7)),
    ("Katherine Johnson", None, "Hampton", 31, date(2023, 11, 19)),
    ("Edsger Dijkstra", "edsger@example.org", "Eindhoven", 3, None),
)

_MOST = 100  # rows that examples are made of


def demo_rows() -> Iterator[dict[str, Any]]:
    """Yield the rows."""
    names = [column.name for column in COLUMNS]
    return (dict(zip(names, row, strict=True)) for row in ROWS)


class Examples:
    """Makes rows like those that are there, one after the other."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._rows: Iterator[dict[str, Any]] | None = None

    async def create(self) -> str:
        """Create the next one; return its id.

        Raises:
            GridError, Vetoed: somebody refuses it.
        """
        if self._rows is None:
            self._rows = cycle([dict(row.values) for row in self._grid.rows()[:_MOST]] or [{}])
        return (await self._grid.create(next(self._rows))).id
