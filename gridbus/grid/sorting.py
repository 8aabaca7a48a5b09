"""Stable sorting of many rows in short steps, so that a thread that sorts does not hold up the loop."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from gridbus.errors import QueryError
from gridbus.events.grid import ColumnType
from gridbus.grid.filtering import has_zone, instant
from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells
from gridbus.query import SortKey

_RUN = 16_384  # rows sorted by one call: some 3 ms, in which no other thread gets the interpreter's lock
_SAMPLES = 64  # keys looked at in each run to find where to cut


class RowOrder:
    """Sort keys that fit their columns.

    Text is ordered by code point, false before true, a datetime without zone as if it were UTC; empty cells come
    last, whichever the direction; rows that are equal keep the order they had.
    """

    __slots__ = ("_passes", "columns", "keys")

    def __init__(self, keys: Sequence[SortKey], schema: Schema) -> None:
        """Check the keys.

        Raises:
            QueryError: a column does not exist, or comes twice.
        """
        self.keys = tuple(keys)
        self.columns = frozenset(key.column for key in self.keys)
        self._passes: list[tuple[int, bool, bool]] = []
        for index, key in enumerate(self.keys):
            position = schema.index.get(key.column)
            if position is None:
                raise QueryError(f"{schema.unknown(key.column)} @ $[{index}].column")
            if any(earlier.column == key.column for earlier in self.keys[:index]):
                raise QueryError(f"column {key.column!r} is a sort key already @ $[{index}].column")
            self._passes.append((position, key.desc, schema.columns[position].type is ColumnType.DATETIME))

    def sort(self, rows: Sequence[Cells], between: Callable[[], None]) -> Sequence[Cells]:
        """Return the rows in order; ``between`` is called every few milliseconds, and ends the work if it raises."""
        for position, desc, is_datetime in reversed(self._passes):  # sorts are stable: the first key has the last word
            filled = [row for row in rows if row[position] is not None]
            empty = [row for row in rows if row[position] is None] if len(filled) < len(rows) else []
            key = _key(filled, position, is_datetime)
            if desc:
                filled.reverse()  # and again afterwards, so that equal rows keep their order
            filled = _sorted(filled, key, between)
            if desc:
                filled.reverse()
            filled += empty
            rows = filled
        return rows


def _key(rows: Sequence[Cells], position: int, is_datetime: bool) -> Callable[[Cells], Any]:
    if is_datetime and len(has_zone(rows, position)) > 1:
        return lambda row: instant(row[position])
    return itemgetter(position)


def _sorted(rows: list[Cells], key: Callable[[Cells], Any], between: Callable[[], None]) -> list[Cells]:
    """Sort by sampling: sort runs, cut all runs at the same keys, sort what lies between two cuts.

    Sampling keeps what lies strictly between two cuts near the size of a run, and rows whose key is a cut are in order
    already. In all this makes about as many comparisons as a single sort.
    """
    if len(rows) <= _RUN:
        return sorted(rows, key=key)
    runs = []
    for start in range(0, len(rows), _RUN):
        between()
        runs.append(sorted(rows[start : start + _RUN], key=key))
    samples = sorted(chain.from_iterable(map(key, run[:: _RUN // _SAMPLES]) for run in runs))
    ordered: list[Cells] = []
    lows = [0] * len(runs)
    for cut in _distinct(samples[_SAMPLES::_SAMPLES]):
        between()
        mids = [bisect_left(run, cut, low, key=key) for run, low in zip(runs, lows, strict=True)]
        highs = [bisect_right(run, cut, mid, key=key) for run, mid in zip(runs, mids, strict=True)]
        ordered += sorted(_slices(runs, lows, mids), key=key)
        ordered += _slices(runs, mids, highs)
        lows = highs
    between()
    ordered += sorted(_slices(runs, lows, [len(run) for run in runs]), key=key)
    return ordered


def _slices(runs: list[list[Cells]], starts: list[int], stops: list[int]) -> Iterator[Cells]:
    return chain.from_iterable(run[start:stop] for run, start, stop in zip(runs, starts, stops, strict=True))


def _distinct(ordered: list[Any]) -> list[Any]:
    return [item for index, item in enumerate(ordered) if not index or item != ordered[index - 1]]
