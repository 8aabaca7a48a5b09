"""Stable sorting of many rows in short steps, so that a thread that sorts does not hold up the loop."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any

from gridbus.errors import QueryError
from gridbus.events.grid import ColumnType
from gridbus.grid.filtering import instant, zones
from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells, described
from gridbus.query import SortKey

_RUN = 16_384  # rows sorted by one call: some 3 ms, in which no other thread gets the interpreter's lock
_MOST_GROUPS = 2 * _RUN  # different values that are sorted by one call
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
        for index, key in enumerate(self.keys):
            if not isinstance(key, SortKey):
                raise QueryError(f"a sort key is a SortKey or the name of a column, not {described(key)} @ $[{index}]")
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
            groups = _grouped(rows, position, between) if len(rows) > _RUN else None
            if groups is not None and not (is_datetime and len(zones(groups)) > 1):
                rows = _in_order(groups, desc)
            else:
                rows = _sorted_by(rows, position, desc, is_datetime, between)
        return rows


def _grouped(rows: Sequence[Cells], position: int, between: Callable[[], None]) -> defaultdict[Any, list[Cells]] | None:
    """Return the rows by the value of a cell; None where there are too many values.

    Where values repeat, sorting the values and not the rows is about twice as fast.
    """
    groups: defaultdict[Any, list[Cells]] = defaultdict(list)
    left = iter(rows)
    for _ in range(0, len(rows), _RUN):
        between()
        for row in islice(left, _RUN):
            groups[row[position]].append(row)
        if len(groups) > _MOST_GROUPS:
            return None
    return groups


def _in_order(groups: dict[Any, list[Cells]], desc: bool) -> list[Cells]:
    empty = groups.pop(None, [])
    ordered: list[Cells] = []
    for value in sorted(groups, reverse=desc):
        ordered += groups.pop(value)  # freed one by one: all at once would take a while
    ordered += empty
    return ordered


def _sorted_by(
    rows: Sequence[Cells], position: int, desc: bool, is_datetime: bool, between: Callable[[], None]
) -> list[Cells]:
    filled = [row for row in rows if row[position] is not None]
    empty = [row for row in rows if row[position] is None] if len(filled) < len(rows) else []
    cell = itemgetter(position)
    is_mixed = is_datetime and len(zones(map(cell, filled))) > 1
    key: Callable[[Cells], Any] = (lambda row: instant(row[position])) if is_mixed else cell
    if desc:
        filled.reverse()  # and again afterwards, so that equal rows keep their order
    filled = _sorted(filled, key, between)
    if desc:
        filled.reverse()
    filled += empty
    return filled


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
