"""Filters, against a model that looks at one row at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.errors import QueryError
from gridbus.grid import Column, ColumnType
from gridbus.grid.filtering import RowFilter, instant, renamed
from gridbus.grid.schema import Schema
from gridbus.query import And, Between, Compare, Filter, In, IsNull, Match, Not, Or, parse_filter

SCHEMA = Schema(
    (
        Column("i", ColumnType.INT),
        Column("f", ColumnType.FLOAT),
        Column("b", ColumnType.BOOL),
        Column("d", ColumnType.DATE),
        Column("t", ColumnType.DATETIME),
        Column("s", ColumnType.TEXT),
    )
)
EAST = timezone(timedelta(hours=5))

# Few different values, so that comparisons hit and miss.
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "i": st.integers(-2, 2),
    "f": st.sampled_from([-1.5, -0.0, 0.0, 1.0, 2.5, float("inf")]),
    "b": st.booleans(),
    "d": st.dates(date(2026, 1, 1), date(2026, 1, 4)),
    "t": st.builds(
        lambda hour, zone: datetime(2026, 1, 1, hour, tzinfo=zone),
        st.integers(0, 9),
        st.sampled_from([None, UTC, EAST]),
    ),
    "s": st.text("ab", max_size=3),
}
ROWS = st.lists(st.tuples(*(st.none() | values for values in VALUES.values())), max_size=30).map(
    lambda rows: [(*cells, str(number)) for number, cells in enumerate(rows)]
)


@st.composite
def conditions(draw: st.DrawFn) -> Filter:
    """One condition that fits its column."""
    name = draw(st.sampled_from(list(VALUES)))
    value = draw(VALUES[name])
    kinds = ["compare", "none", "in", "between", "null"] + (["match"] if name == "s" else [])
    match draw(st.sampled_from(kinds)):
        case "compare":
            return Compare(name, draw(st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"])), value)
        case "none":
            return Compare(name, draw(st.sampled_from(["eq", "ne"])), None)
        case "in":
            return In(name, tuple(draw(st.lists(st.none() | VALUES[name], max_size=3))))
        case "between":
            return Between(name, value, draw(VALUES[name]))
        case "match":
            return Match(name, draw(st.sampled_from(["contains", "startswith"])), value)
        case _:
            return IsNull(name, draw(st.booleans()))


FILTERS = st.recursive(
    conditions(),
    lambda parts: st.one_of(
        st.lists(parts, max_size=3).map(lambda some: And(tuple(some))),
        st.lists(parts, max_size=3).map(lambda some: Or(tuple(some))),
        parts.map(Not),
    ),
    max_leaves=8,
)


def passes(where: Filter, cells: Mapping[str, Any]) -> bool:
    """What a filter means, for one row."""
    match where:
        case And(parts):
            return all(passes(part, cells) for part in parts)
        case Or(parts):
            return any(passes(part, cells) for part in parts)
        case Not(part):
            return not passes(part, cells)
    cell = comparable(cells[where.column])
    match where:
        case IsNull(_, null):
            return (cell is None) == null
        case In(_, values):
            return cell in [comparable(value) for value in values]
        case Match(_, op, text):
            return cell is not None and (text in cell if op == "contains" else cell.startswith(text))
        case Between(_, low, high):
            return cell is not None and comparable(low) <= cell <= comparable(high)
        case Compare(_, op, value):
            other = comparable(value)
            if op in ("eq", "ne"):
                return (cell == other) == (op == "eq")
            if cell is None:
                return False
            return {"lt": cell < other, "le": cell <= other, "gt": cell > other, "ge": cell >= other}[op]
    raise AssertionError(where)


def comparable(value: Any) -> Any:
    """A datetime without a zone counts as UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


@given(ROWS, FILTERS)
def test_a_filter_shows_the_rows_that_pass_one_by_one(rows: list[tuple[Any, ...]], where: Filter) -> None:
    """Over many rows at once it means what it means for each, and keeps their order."""
    assert list(RowFilter(where, SCHEMA).select(rows)) == [row for row in rows if passes(where, SCHEMA.values(row))]


@given(ROWS, FILTERS)
def test_a_filter_tells_the_columns_that_decide(rows: list[tuple[Any, ...]], where: Filter) -> None:
    """Other cells can change without another result."""
    row_filter = RowFilter(where, SCHEMA)
    blanked = [
        (*(cell if name in row_filter.columns else None for name, cell in zip(VALUES, row, strict=False)), row[-1])
        for row in rows
    ]
    assert [row[-1] for row in row_filter.select(blanked)] == [row[-1] for row in row_filter.select(rows)]


@given(ROWS, FILTERS)
def test_a_filter_with_renamed_columns_is_the_same_filter(rows: list[tuple[Any, ...]], where: Filter) -> None:
    """Whatever it is built of."""
    names = {name: name.upper() for name in VALUES}
    schema = Schema(Column(name.upper(), column.type) for name, column in zip(VALUES, SCHEMA.columns, strict=True))
    assert RowFilter(renamed(where, names), schema).select(rows) == RowFilter(where, SCHEMA).select(rows)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"column": "i", "ne": 1}, ["empty", "two"]),
        ({"column": "i", "eq": None}, ["empty"]),
        ({"column": "i", "ne": None}, ["one", "two"]),
        ({"column": "i", "lt": 5}, ["one", "two"]),
        ({"not": {"column": "i", "lt": 2}}, ["empty", "two"]),
        ({"column": "i", "in": [None, 2]}, ["empty", "two"]),
        ({"column": "i", "gt": 1.5}, ["two"]),
        ({"column": "f", "eq": 2}, ["two"]),
        ({"column": "d", "ge": "2026-01-02"}, ["two"]),
        ({"column": "t", "lt": "2026-01-01T12:00:00Z"}, ["one"]),
        ({"column": "t", "ge": "2026-01-02"}, ["two"]),
        ({"column": "t", "in": ["2026-01-02T05:00:00+05:00"]}, ["two"]),
        ({"column": "s", "contains": "B"}, []),
        ({"and": []}, ["empty", "one", "two"]),
        ({"or": []}, []),
    ],
)
def test_what_empty_cells_and_converted_operands_mean(where: dict[str, Any], ids: list[str]) -> None:
    """An empty cell satisfies only ``eq`` and ``in`` with null, and ``ne``; ISO text is read by the column's type."""
    rows: list[tuple[Any, ...]] = [
        (None, None, None, None, None, None, "empty"),
        (1, 1.0, True, date(2026, 1, 1), datetime(2026, 1, 1, 6), "b", "one"),
        (2, 2.0, False, date(2026, 1, 2), datetime(2026, 1, 2), "ab", "two"),
    ]
    assert [row[-1] for row in RowFilter(parse_filter(where), SCHEMA).select(rows)] == ids


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"column": "x", "eq": 1}, r"no column is named 'x'.* @ \$\.column"),
        (
            {"and": [{"column": "i", "eq": 1}, {"column": "ii", "eq": 1}]},
            r"did you mean 'i'\?.* @ \$\.and\[1\]\.column",
        ),
        ({"or": [{"not": {"column": "i", "eq": "1"}}]}, r"'i' is int.*text '1' @ \$\.or\[0\]\.not\.eq"),
        ({"column": "i", "eq": True}, r"'i' is int.*true @ \$\.eq"),
        ({"column": "b", "eq": 1}, r"'b' is bool.*int 1 @ \$\.eq"),
        ({"column": "s", "gt": 1}, r"'s' is text.*int 1 @ \$\.gt"),
        ({"column": "d", "eq": "soon"}, r"'d' is date.*text 'soon' @ \$\.eq"),
        ({"column": "d", "eq": "2026-01-01T00:00:00"}, r"'d' is date.* @ \$\.eq"),
        ({"column": "t", "between": ["2026-01-01", "soon"]}, r"'t' is datetime.* @ \$\.between\[1\]"),
        ({"column": "i", "in": [1, "2"]}, r"'i' is int.* @ \$\.in\[1\]"),
        ({"column": "i", "lt": None}, r"use is_null.* @ \$\.lt"),
        ({"column": "i", "between": [None, 1]}, r"use is_null.* @ \$\.between\[0\]"),
        ({"column": "f", "gt": float("nan")}, r"NaN.* @ \$\.gt"),
        ({"column": "i", "contains": "1"}, r"contains is for text, and column 'i' is int @ \$\.contains"),
    ],
)
def test_a_filter_that_does_not_fit_says_where(where: dict[str, Any], message: str) -> None:
    """Before any row is looked at, and with the path into the expression."""
    with pytest.raises(QueryError, match=message):
        RowFilter(parse_filter(where), SCHEMA)


@pytest.mark.parametrize(
    "where",
    [Compare("i", "like", 1), Match("s", "endswith", "a"), Match("s", "contains", 1)],  # type: ignore[arg-type]
)
def test_operators_that_do_not_exist_are_refused(where: Filter) -> None:
    """Also where the expression was built by hand."""
    with pytest.raises(QueryError):
        RowFilter(where, SCHEMA)


def test_a_datetime_without_zone_counts_as_utc() -> None:
    """So any two can be compared."""
    assert instant(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=UTC)
    assert instant(None) is None
