"""Columns and the rows made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gridbus.errors import ColumnError, ValueRejected
from gridbus.grid import Column, ColumnType
from gridbus.grid.schema import Schema

SCHEMA = Schema((Column("name"), Column("age", ColumnType.INT), Column("at", ColumnType.DATETIME)))


def test_an_unknown_column_is_named_with_the_nearest_and_all_others() -> None:
    """Whoever mistyped sees what was meant."""
    with pytest.raises(
        ColumnError, match=r"no column is named 'nmae'; did you mean 'name'\? \(columns: name, age, at\)"
    ):
        SCHEMA.position("nmae")
    with pytest.raises(ColumnError, match=r"columns: none"):
        Schema().position("x")


@pytest.mark.parametrize("columns", [(Column("a"), Column("a")), (Column(""),), (Column("a", "number"),)])
def test_columns_need_different_names_and_a_type(columns: tuple[Column, ...]) -> None:
    """A schema that cannot work is not made."""
    with pytest.raises(ColumnError):
        Schema(columns)


def test_columns_left_out_are_empty() -> None:
    """A new row has a cell for each column."""
    assert SCHEMA.cells({"age": 36}) == (None, 36, None)


def test_a_refused_value_is_named_by_row_and_column() -> None:
    """The message says where, what was expected and what came."""
    with pytest.raises(ValueRejected, match="row '7', column 'age': expected a whole number, got text 'x'"):
        SCHEMA.changed(("Ada", 36, None, "7"), {"age": "x"})
    with pytest.raises(ValueRejected, match="new row, column 'age'"):
        SCHEMA.cells({"age": 1.5})


@pytest.mark.parametrize("values", [["name"], "name", 7, None])
def test_cells_are_given_by_column_name(values: object) -> None:
    """A list of cells is refused by name, not by an accident later."""
    with pytest.raises(ValueRejected, match="given as column: value"):
        SCHEMA.cells(values)  # type: ignore[arg-type]
    with pytest.raises(ValueRejected, match="given as column: value"):
        SCHEMA.changed(("Ada", 36, None, "7"), values)  # type: ignore[arg-type]


def test_changes_are_the_cells_that_differ() -> None:
    """Old and new hold these only, and the old row stays as it is."""
    row = ("Ada", 36, None, "7")
    after, old, new = SCHEMA.changed(row, {"name": "Ada", "age": 37})
    assert after == ("Ada", 37, None, "7")
    assert (old, new) == ({"age": 36}, {"age": 37})
    assert row == ("Ada", 36, None, "7")


def test_a_row_without_changes_comes_back_itself() -> None:
    """So nobody has to compare again."""
    row = ("Ada", 36, None, "7")
    assert SCHEMA.changed(row, {"name": "Ada", "at": None})[0] is row


def test_the_same_instant_in_another_zone_is_a_change() -> None:
    """It is equal for computing and another text for whoever reads it."""
    utc = datetime(2026, 11, 24, 12, tzinfo=UTC)
    local = utc.astimezone(timezone(timedelta(hours=1)))
    row = ("Ada", 36, utc, "7")
    after, old, new = SCHEMA.changed(row, {"at": local})
    assert after[2].utcoffset() == timedelta(hours=1)
    assert (old, new) == ({"at": utc}, {"at": local})
    assert SCHEMA.changed(row, {"at": utc})[0] is row
