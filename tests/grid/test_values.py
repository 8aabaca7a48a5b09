"""What columns take."""

from __future__ import annotations

import enum
import math
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.errors import ValueRejected
from gridbus.grid import ColumnType
from gridbus.grid.values import EXACT, cell_text, described, fit, infer_type, plain

DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12)


class Level(enum.IntEnum):
    """A kind of int."""

    HIGH = 3


class Word(enum.StrEnum):
    """A kind of text."""

    YES = "yes"


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        (ColumnType.INT, 7, 7),
        (ColumnType.INT, Level.HIGH, 3),
        (ColumnType.FLOAT, 7, 7.0),
        (ColumnType.FLOAT, 7.5, 7.5),
        (ColumnType.FLOAT, math.inf, math.inf),
        (ColumnType.BOOL, True, True),
        (ColumnType.BOOL, False, False),
        (ColumnType.DATE, DAY, DAY),
        (ColumnType.DATE, "2026-11-24", DAY),
        (ColumnType.DATETIME, NOON, NOON),
        (ColumnType.DATETIME, "2026-11-24T12:00:00", NOON),
        (ColumnType.DATETIME, "2026-11-24T12:00:00Z", NOON.replace(tzinfo=UTC)),
        (ColumnType.DATETIME, DAY, datetime(2026, 11, 24)),
        (ColumnType.TEXT, "7", "7"),
        (ColumnType.TEXT, "", ""),
        (ColumnType.TEXT, Word.YES, "yes"),
    ],
)
def test_a_value_that_fits_is_stored_as_the_column_s_own_type(kind: ColumnType, value: object, stored: object) -> None:
    """Int fits float, ISO text fits dates, subclasses become plain."""
    found = fit(kind, value)
    assert found == stored
    assert type(found) is EXACT[kind]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ColumnType.INT, True),
        (ColumnType.INT, 7.0),
        (ColumnType.INT, "7"),
        (ColumnType.FLOAT, True),
        (ColumnType.FLOAT, 2**53 + 1),
        (ColumnType.FLOAT, 10**400),
        (ColumnType.FLOAT, "7.5"),
        (ColumnType.BOOL, 1),
        (ColumnType.BOOL, "true"),
        (ColumnType.DATE, NOON),
        (ColumnType.DATE, "2026-11-24T12:00:00"),
        (ColumnType.DATE, "yesterday"),
        (ColumnType.DATETIME, "noon"),
        (ColumnType.DATETIME, 1_700_000_000),
        (ColumnType.TEXT, 7),
        (ColumnType.TEXT, b"7"),
        (ColumnType.TEXT, ["7"]),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_was_expected(kind: ColumnType, value: object) -> None:
    """Nothing is converted that could lose something, and the message shows both sides."""
    with pytest.raises(ValueError, match=r"expected .+, got .+"):
        fit(kind, value)


@pytest.mark.parametrize("kind", list(ColumnType))
def test_an_empty_cell_fits_each_column(kind: ColumnType) -> None:
    """None is always allowed."""
    assert fit(kind, None) is None


def test_nan_is_an_empty_cell() -> None:
    """What compares with nothing would break sorting and filters."""
    assert fit(ColumnType.FLOAT, math.nan) is None


@given(st.sampled_from(list(ColumnType)), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()))
def test_what_fits_once_fits_unchanged_again(kind: ColumnType, value: object) -> None:
    """Storing what was read back changes nothing."""
    try:
        stored = fit(kind, value)
    except ValueError:
        return
    assert fit(kind, stored) == stored


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ([], ColumnType.TEXT),
        ([type(None)], ColumnType.TEXT),
        ([str, type(None)], ColumnType.TEXT),
        ([bool], ColumnType.BOOL),
        ([int], ColumnType.INT),
        ([int, float], ColumnType.FLOAT),
        ([date], ColumnType.DATE),
        ([date, datetime], ColumnType.DATETIME),
        ([Level], ColumnType.INT),
        ([Word], ColumnType.TEXT),
    ],
)
def test_a_column_s_type_is_the_narrowest_that_holds_all_values(kinds: list[type], found: ColumnType) -> None:
    """Bool is no int; int widens to float, date to datetime."""
    assert infer_type(kinds, "x") is found


@pytest.mark.parametrize(
    ("kinds", "told"),
    [([int, str], "mixes int and text"), ([bool, int], "mixes bool and int"), ([list], "of type list")],
)
def test_values_that_no_column_holds_are_refused_by_column(kinds: list[type], told: str) -> None:
    """The message names the column and what it mixes."""
    with pytest.raises(ValueRejected, match=f"'x'.*{told}"):
        infer_type(kinds, "x")


def test_ids_are_made_of_cells_as_text() -> None:
    """Dates in ISO form, everything else as Python writes it."""
    assert [cell_text(cell) for cell in ("a", 7, 1.5, True, DAY, NOON)] == [
        "a",
        "7",
        "1.5",
        "True",
        "2026-11-24",
        "2026-11-24T12:00:00",
    ]


class Broken:
    """Something that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


def test_messages_show_values_shortened_whatever_they_are() -> None:
    """A long text or a broken object does not break the message."""
    assert described(None) == "an empty value"
    assert described(True) == "true"
    assert len(described("x" * 1000)) < 80
    assert "Broken" in described(Broken())


def test_what_was_refused_is_told_as_plain_data() -> None:
    """A fact carries data only, whatever somebody tried to write."""
    assert plain({"a": 1, 2: [3], "c": None}) == {"a": 1, "2": "list [3]", "c": None}
    assert plain("nonsense") == {}
