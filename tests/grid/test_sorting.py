"""Sorting, against a model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.errors import QueryError
from gridbus.grid import Column, ColumnType, sorting
from gridbus.grid.schema import Schema
from gridbus.grid.sorting import RowOrder
from gridbus.query import SortKey

SCHEMA = Schema((Column("i", ColumnType.INT), Column("s"), Column("t", ColumnType.DATETIME)))
NAMES = ("i", "s", "t")
DATETIMES = st.builds(
    lambda hour, zone: datetime(2026, 1, 1, hour, tzinfo=zone), st.integers(0, 9), st.sampled_from([None, UTC])
)
CELLS = st.tuples(st.none() | st.integers(0, 4), st.none() | st.text("aBä", max_size=2), st.none() | DATETIMES)
KEYS = st.lists(st.builds(SortKey, st.sampled_from(NAMES), st.booleans()), unique_by=lambda key: key.column)


def naive(rows: list[tuple[Any, ...]], keys: list[SortKey]) -> list[tuple[Any, ...]]:
    """One stable sort per key, the last key first; empty cells behind the others."""

    def value(row: tuple[Any, ...], key: SortKey) -> Any:
        cell = row[NAMES.index(key.column)]
        return cell.replace(tzinfo=cell.tzinfo or UTC) if isinstance(cell, datetime) else cell

    for key in reversed(keys):
        filled = [row for row in rows if value(row, key) is not None]
        filled.sort(key=lambda row, key=key: value(row, key), reverse=key.desc)
        rows = filled + [row for row in rows if value(row, key) is None]
    return rows


def nothing() -> None:
    """Nobody loses interest."""


@given(st.lists(CELLS, max_size=60), KEYS, st.integers(2, 20), st.integers(1, 4), st.sampled_from([0, 3, 100]))
def test_rows_are_sorted_stably_by_each_key(
    cells: list[tuple[Any, ...]], keys: list[SortKey], run: int, samples: int, groups: int
) -> None:
    """Also where they are sorted in many short runs, or by value; the rows given stay as they were."""
    rows = [(*row, str(number)) for number, row in enumerate(cells)]
    given_rows = list(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_RUN", run)
        patch.setattr(sorting, "_SAMPLES", min(samples, run))
        patch.setattr(sorting, "_MOST_GROUPS", groups)
        assert list(RowOrder(keys, SCHEMA).sort(rows, nothing)) == naive(given_rows, keys)
    assert rows == given_rows


@pytest.mark.parametrize("desc", [False, True])
def test_empty_cells_come_last_either_way(desc: bool) -> None:
    """They are neither small nor large."""
    rows = [(None, None, None, "a"), (1, None, None, "b"), (2, None, None, "c")]
    ordered = RowOrder([SortKey("i", desc)], SCHEMA).sort(rows, nothing)
    assert [row[-1] for row in ordered] == (["c", "b", "a"] if desc else ["b", "c", "a"])


def test_text_is_ordered_by_code_point() -> None:
    """Capitals first, letters with marks last; no locale has a say."""
    rows = [(None, text, None, text) for text in ("ä", "b", "a", "B")]
    assert [row[1] for row in RowOrder([SortKey("s")], SCHEMA).sort(rows, nothing)] == ["B", "a", "b", "ä"]


@pytest.mark.parametrize("groups", [0, 10_000])
def test_long_sorts_ask_often_whether_they_are_wanted(monkeypatch: pytest.MonkeyPatch, groups: int) -> None:
    """Every few rows, and they end where the answer is an exception."""
    monkeypatch.setattr(sorting, "_RUN", 32)
    monkeypatch.setattr(sorting, "_MOST_GROUPS", groups)
    rows = [(number * 7919 % 1000, None, None, str(number)) for number in range(1000)]
    asked = 0

    def count() -> None:
        nonlocal asked
        asked += 1
        if asked == 20:
            raise KeyError

    with pytest.raises(KeyError):
        RowOrder([SortKey("i")], SCHEMA).sort(rows, count)
    assert asked == 20


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([SortKey("i"), SortKey("x")], r"no column is named 'x'.* @ \$\[1\]\.column"),
        ([SortKey("i"), SortKey("i", True)], r"'i' is a sort key already @ \$\[1\]\.column"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys: list[SortKey], message: str) -> None:
    """Before anything is sorted."""
    with pytest.raises(QueryError, match=message):
        RowOrder(keys, SCHEMA)
