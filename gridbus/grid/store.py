"""The rows of a grid, and what changed since when."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable, Mapping
from operator import itemgetter

from gridbus.grid.values import Cells


class IdCounter:
    """Hands out the ids '1', '2', ...; none that a row ever had.

    It is asked by the loop's thread and by threads that prepare rows.
    """

    __slots__ = ("_lock", "_next")

    def __init__(self) -> None:
        self._next = 1
        self._lock = threading.Lock()

    def claim(self, count: int) -> range:
        """Take the next ``count`` numbers."""
        with self._lock:
            first = self._next
            self._next += count
            return range(first, self._next)

    def give_back(self, claimed: range) -> None:
        """Return numbers that no row got, if none was claimed after them."""
        with self._lock:
            if self._next == claimed.stop:
                self._next = claimed.start

    def pass_over(self, ids: Iterable[str]) -> None:
        """Note ids that somebody else chose, so that they are not handed out."""
        numbers = [int(row_id) for row_id in ids if len(row_id) <= 15 and row_id.isascii() and row_id.isdecimal()]
        with self._lock:
            self._next = max([self._next - 1, *numbers]) + 1


def store_many(rows: dict[str, Cells], made: list[Cells]) -> None:
    """Add many new rows to a dictionary.

    Tuples of plain values leave the garbage collector's care when it first sees them, and a dictionary that never held
    anything in its care stays out of it as well: then no collection has to walk through a million rows.
    """
    gc.collect(0)  # sees the new tuples, and whatever else is as young
    rows.update(zip(map(itemgetter(-1), made), made, strict=True))


class RowStore:
    """Rows by id, in the order in which they came.

    Rows are tuples that are never changed, so a shallow copy is a snapshot that other threads may read.
    """

    __slots__ = ("counter", "journals", "order", "rows", "version", "watched")

    def __init__(self) -> None:
        self.rows: dict[str, Cells] = {}
        self.counter = IdCounter()
        self.version = 0  #: grows with each change
        self.order = 0  #: grows with each change after which a view may show other rows, or in another order
        self.watched: frozenset[str] = frozenset()  #: columns whose cells decide which rows a view shows, and where
        self.journals: list[dict[str, bool]] = []  #: by id, True for new rows; of those who copy rows meanwhile

    def add(self, row_id: str, cells: Cells) -> None:
        """Store a new row."""
        if self.journals:
            self._note(row_id, is_new=True)
        self.rows[row_id] = cells
        self.version += 1
        self.order += 1

    def change(self, row_id: str, cells: Cells, changed: Mapping[str, object]) -> None:
        """Store a row of which the cells in these columns are others."""
        if self.journals:
            self._note(row_id, is_new=False)
        self.rows[row_id] = cells
        self.version += 1
        if self.watched and not self.watched.isdisjoint(changed):
            self.order += 1

    def remove(self, row_id: str) -> Cells:
        """Remove a row and return it."""
        if self.journals:
            self._note(row_id, is_new=False)
        self.version += 1
        self.order += 1
        return self.rows.pop(row_id)

    def replace(self, rows: dict[str, Cells]) -> dict[str, Cells]:
        """Take other rows; return those there were."""
        before, self.rows = self.rows, rows
        self.version += 1
        self.order += 1
        return before

    def _note(self, row_id: str, *, is_new: bool) -> None:
        for journal in self.journals:
            if is_new:
                journal.pop(row_id, None)
                journal[row_id] = True
            else:
                journal.setdefault(row_id, False)
