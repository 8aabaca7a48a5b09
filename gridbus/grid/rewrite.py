"""New tuples for all rows of a grid, made while the rows go on changing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeAlias

from gridbus.grid.offload import BIG, Between, in_thread
from gridbus.grid.store import RowStore, store_many
from gridbus.grid.values import Cells

Recut: TypeAlias = Callable[[Cells], Cells]
"""Makes the tuple of a row for other columns."""

_STEP = 2_000


class Rewrite:
    """Rows as ``recut`` makes them: prepared in a thread, brought up to date at once when they are taken.

    While it is open, the store notes the rows that change, so that only these are made again.
    """

    def __init__(self, store: RowStore, recut: Recut) -> None:
        self._store, self.recut = store, recut
        self._journal: dict[str, bool] = {}
        self._source = store.rows
        self._rows: dict[str, Cells] | None = None

    async def __aenter__(self) -> Self:
        """Make the rows, where there are many."""
        self._store.journals.append(self._journal)
        if len(self._source) > BIG:
            try:
                rows = list(self._source.values())
                self._rows = await in_thread(lambda between: _recut_all(rows, self.recut, between))
            except BaseException:
                self._close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Note changes no longer."""
        self._close()

    def take(self, recut: Recut | None = None) -> dict[str, Cells]:
        """Return all rows as they are now, recut; with another ``recut`` they are all made now."""
        current = self._store.rows
        if recut is not None or self._rows is None or current is not self._source:
            chosen = recut or self.recut
            return {row_id: chosen(row) for row_id, row in current.items()}
        rows, self._rows = self._rows, None
        for row_id, is_new in self._journal.items():
            row = current.get(row_id)
            if row is None or is_new:
                rows.pop(row_id, None)
            if row is not None:
                rows[row_id] = self.recut(row)
        return rows

    def _close(self) -> None:
        self._store.journals = [other for other in self._store.journals if other is not self._journal]


def placing(index: int, value: Any) -> Recut:
    """Return what puts a cell at ``index``."""
    return lambda row: (*row[:index], value, *row[index:])


def removing(index: int) -> Recut:
    """Return what takes out the cell at ``index``."""
    return lambda row: row[:index] + row[index + 1 :]


def moving(old: int, new: int) -> Recut:
    """Return what moves the cell at ``old`` to where it stands at ``new`` afterwards."""

    def recut(row: Cells) -> Cells:
        rest = row[:old] + row[old + 1 :]
        return (*rest[:new], row[old], *rest[new:])

    return recut


def _recut_all(rows: list[Cells], recut: Recut, between: Between) -> dict[str, Cells]:
    made: dict[str, Cells] = {}
    left = iter(rows)
    while part := list(islice(left, _STEP)):
        between()
        store_many(made, list(map(recut, part)))
    return made
