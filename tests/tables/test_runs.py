"""Which type a run of cells has."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.tables.grammar import Kind, join
from gridbus.tables.runs import convert, read_cells

STYLES: dict[Kind, st.SearchStrategy[str]] = {
    Kind.INT: st.integers().map(str),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False).map(repr).filter(lambda text: "e+" not in text),
    Kind.BOOL: st.sampled_from(["true", "FALSE", "Yes", "no"]),
    Kind.DATE: st.dates().map(str),
    Kind.NAIVE: st.datetimes().map(str) | st.datetimes().map(datetime.isoformat),
    Kind.ZONED: st.datetimes(timezones=st.just(UTC)).map(str),
    Kind.TEXT: st.text(max_size=5),
}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0", 0),
        ("-7", -7),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        (" 5\t", 5),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("-0", -0.0),
        ("20240229", 20240229),
        ("2.", 2.0),
        ("1e-05", 1e-05),
        ("6.02E+23", 6.02e23),
        ("true", True),
        ("Yes", True),
        ("NO", False),
        ("2024-02-29", date(2024, 2, 29)),
        ("2024/02/29", date(2024, 2, 29)),
        ("2024-02-29T12:30", datetime(2024, 2, 29, 12, 30)),
        ("2024/02/29 12:30:01.25", datetime(2024, 2, 29, 12, 30, 1, 250_000)),
        ("2024-02-29 12:30:01.123456000", datetime(2024, 2, 29, 12, 30, 1, 123_456)),
        ("2024-02-29T12:30:00Z", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        ("2024-02-29 12:30+0100", datetime(2024, 2, 29, 12, 30, tzinfo=timezone(timedelta(hours=1)))),
    ],
)
def test_typed_cells_are_read(cell: str, value: Any) -> None:
    """What is written by the grammar has its type, alone or repeated."""
    for count in (1, 3):
        (found, *_) = read_cells([cell] * count).values
        assert found == value
        assert type(found) is type(value)


@pytest.mark.parametrize(
    "cell",
    [
        "00501",
        "-01",
        "+4930123456",
        "1,234",
        "1 234",
        "1_000",
        "\uff11\uff12",
        "0x1F",
        "1.2.3",
        "--1",
        "1-2",
        "007.5",
        "1e400",
        "inf",
        "-Infinity",
        "t",
        "on",
        "tRUE",
        "2024-02-30",
        "2024-2-9",
        "29/02/2024",
        "02-29-2024",
        "2024-W09-4",
        "2024-02-29T12",
        "2024-02-29T12:30:00.123456789",
        "2024-02-29T25:00",
        "2024-02/29",
        "9" * 5000,
        "12:30",
        "a\nb",
        "x",
    ],
)
def test_other_cells_are_text(cell: str) -> None:
    """Nothing is guessed, and nothing of the text is lost."""
    run = read_cells([cell, ""])
    assert run.kind is Kind.TEXT
    assert list(run.values) == [cell, None]


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "2.5"], Kind.FLOAT, [1.0, 2.5]),
        (["2.5", "1"], Kind.FLOAT, [2.5, 1.0]),
        (["1", "", "3"], Kind.INT, [1, None, 3]),
        (["", ""], Kind.EMPTY, [None, None]),
        (["1", "x"], Kind.TEXT, ["1", "x"]),
        (["1", "true"], Kind.TEXT, ["1", "true"]),
        (["0", "1"], Kind.INT, [0, 1]),
        (["2024-01-01", "2024-01-01T10:00"], Kind.NAIVE, [datetime(2024, 1, 1), datetime(2024, 1, 1, 10)]),
        (["2024-01-01T10:00", "2024-01-01T10:00Z"], Kind.TEXT, ["2024-01-01T10:00", "2024-01-01T10:00Z"]),
        (["2024-01-01", "2024-01-01T10:00Z"], Kind.TEXT, ["2024-01-01", "2024-01-01T10:00Z"]),
        (["NA", "1", "null", " "], Kind.INT, [None, 1, None, None]),
        (["nan", "1.5"], Kind.FLOAT, [None, 1.5]),
        (["NA", "Namibia"], Kind.TEXT, ["NA", "Namibia"]),
        (["12345678901234567", "1.5"], Kind.TEXT, ["12345678901234567", "1.5"]),
        (["100000000000000000000", "1.5"], Kind.FLOAT, [1e20, 1.5]),
    ],
)
def test_a_run_has_the_narrowest_type_of_all_its_cells(cells: list[str], kind: Kind, values: list[Any]) -> None:
    """Each cell counts, also where cells repeat."""
    for times in (1, 3):
        run = read_cells(cells * times)
        assert run.kind is kind
        assert list(run.values) == values * times


def test_words_for_empty_cells_are_counted_where_they_are_read_as_empty() -> None:
    """Each cell counts, not each different one."""
    assert read_cells(["NA", "1", "NA", "NULL", "", " "]).missing == 3
    assert read_cells(["1", "1", "1", "NA", "NA", "NA"]).missing == 3
    assert read_cells(["NA", "x"]).missing == 0


def test_a_column_that_is_text_stays_text() -> None:
    """Later cells are not even tried."""
    assert read_cells(["1", "2"], Kind.TEXT).values == ["1", "2"]


def test_values_that_repeat_are_one_object() -> None:
    """A million cells of ten different texts or dates take the room of ten."""
    for cell in ("some text", "2024-02-29", "1234567"):
        run = read_cells(["".join(cell) for _ in range(4)])
        assert len({id(value) for value in run.values}) == 1


@given(st.data())
def test_text_can_be_had_back_from_whatever_was_read(data: st.DataObject) -> None:
    """A column that turns out to be text gets the very text of its cells, in whatever way they are written."""
    style = data.draw(st.sampled_from(list(STYLES)))
    padding = st.sampled_from(["", "", " ", "\t"])
    words = st.sampled_from(["", "NA", "null", " "])
    cell = st.builds(lambda before, text, after: before + text + after, padding, STYLES[style], padding) | words
    cells = data.draw(st.lists(cell, min_size=1, max_size=6))
    assert convert(read_cells(cells), Kind.TEXT) == [cell or None for cell in cells]


@given(st.data())
def test_runs_of_one_style_are_read_as_it(data: st.DataObject) -> None:
    """What Python writes for a value is read as that value."""
    style = data.draw(st.sampled_from([kind for kind in STYLES if kind is not Kind.TEXT]))
    cells = data.draw(st.lists(STYLES[style], min_size=1, max_size=6))
    run = read_cells(cells)
    assert run.kind is style or join(run.kind, style) is style  # datetimes may all be at midnight
    if style in (Kind.INT, Kind.FLOAT):
        assert [repr(value) for value in run.values] == cells
        assert all(map(math.isfinite, run.values))


@given(st.lists(st.sampled_from(Kind), min_size=1, max_size=5))
def test_joining_kinds_does_not_depend_on_order(kinds: list[Kind]) -> None:
    """Files are read in chunks, and each order of chunks leads to the same type."""

    def joined(some: list[Kind]) -> Kind:
        total = Kind.EMPTY
        for kind in some:
            total = join(total, kind)
        return total

    assert joined(kinds) is joined(kinds[::-1])
    assert joined(kinds * 2) is joined(kinds)
