"""JSON arrays and JSON lines, well-formed and not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridbus.errors import FileFormatError
from gridbus.events.grid import ColumnType
from gridbus.tables import FileFormat, Table, read_table

Read = Callable[..., Table]


def as_array(objects: list[Any]) -> tuple[str, str]:
    """Return a JSON file of these objects, one per line, and its name."""
    return "[\n" + ",\n".join(map(json.dumps, objects)) + "\n]\n", "t.json"


def as_lines(objects: list[Any]) -> tuple[str, str]:
    """Return a JSONL file of these objects, and its name."""
    return "\n" + "\n".join(map(json.dumps, objects)), "t.jsonl"  # the objects stand on the same lines in both


@pytest.fixture(params=[as_array, as_lines], ids=["array", "lines"])
def read_objects(request: pytest.FixtureRequest, read: Read) -> Callable[..., Table]:
    """Reads objects from either format; the first stands on line 2."""
    return lambda objects, **options: read(*request.param(objects), **options)


def types(table: Table) -> dict[str, str]:
    """Return the type of each column."""
    return {column.name: column.type.value for column in table.columns}


def problems(table: Table) -> list[str]:
    """Return the problems as they are shown."""
    return [str(problem) for problem in table.problems]


def test_objects_become_rows(read_objects: Read) -> None:
    """Values keep their types; texts that are dates become dates, and other texts stay texts."""
    table = read_objects(
        [
            {"n": 1, "f": 1, "b": True, "t": "5", "d": "2024-02-29", "at": "2024-02-29T12:00:00Z", "big": 10**30},
            {"n": None, "f": 2.5, "b": None, "t": "true", "d": None, "at": None, "big": None},
        ]
    )
    assert types(table) == {
        "n": "int",
        "f": "float",
        "b": "bool",
        "t": "text",
        "d": "date",
        "at": "datetime",
        "big": "int",
    }
    assert table.rows == [
        (1, 1.0, True, "5", date(2024, 2, 29), datetime(2024, 2, 29, 12, tzinfo=UTC), 10**30),
        (None, 2.5, None, "true", None, None, None),
    ]
    assert table.problems == ()


def test_keys_may_differ(read_objects: Read) -> None:
    """The columns are all keys, in the order in which they are first seen; who lacks one is empty there."""
    objects: list[dict[str, Any]] = [{"a": 1, "b": 2}] * 1000 + [{"c": 3, "a": 4}] + [{}]
    table = read_objects(objects)
    assert types(table) == {"a": "int", "b": "int", "c": "int"}
    assert table.rows[-3:] == [(1, 2, None), (4, None, 3), (None, None, None)]


def test_values_of_different_types_become_text(read_objects: Read) -> None:
    """As JSON writes them; texts without their quotes."""
    objects = [{"v": value} for value in (1, "x", True, 2.5, None, [1, {"a": "é"}], "2024-02-29")]
    table = read_objects(objects)
    assert [row[0] for row in table.rows] == ["1", "x", "true", "2.5", None, '[1,{"a":"é"}]', "2024-02-29"]
    assert problems(table) == ["line 7: 'v' holds lists or objects; the column has them as JSON text"]


def test_a_type_is_decided_over_the_whole_file(read_objects: Read) -> None:
    """What was read as numbers or dates becomes text again."""
    many: list[dict[str, Any]] = [{"d": "2024-02-29", "at": "2024-02-29 10:00", "n": 5, "b": False}] * 3000
    table = read_objects([*many, {"d": "soon", "at": "later", "n": "many", "b": "maybe"}])
    assert set(types(table).values()) == {"text"}
    assert table.rows[0] == ("2024-02-29", "2024-02-29 10:00", "5", "false")


def test_numbers_in_a_column_of_text_are_as_they_were(read_objects: Read) -> None:
    """Also where ints and floats stood together before there was text."""
    table = read_objects([{"v": 0}, {"v": 0.5}] * 1000 + [{"v": "x"}])
    assert table.rows[:2] == [("0",), ("0.5",)]


def test_ints_that_no_float_can_hold_keep_their_digits(read_objects: Read) -> None:
    """Among fractions, in one chunk or in another."""
    digits = 12345678901234567
    for objects in ([{"v": digits}, {"v": 0.5}], [{"v": digits}] * 1000 + [{"v": 0.5}] * 1000):
        table = read_objects(objects)
        assert table.rows[0] == (str(digits),)
        assert table.rows[-1] == ("0.5",)


def test_ids_are_text(read_objects: Read) -> None:
    """Numbers as they are written; repeated and missing ones are left out."""
    table = read_objects([{"id": 7}, {"id": "x"}, {"id": "7"}, {"v": 1}, {"id": None}, {"id": 1.5}], id_column="id")
    assert table.ids == ["7", "x", "1.5"]
    assert problems(table) == [
        "line 4: the id '7' was there before; the row is left out",
        "line 5: no id in column 'id'; the row is left out",
        "line 6: no id in column 'id'; the row is left out",
    ]
    assert table.skipped == 3


def test_an_id_column_that_is_in_no_object_is_an_error(read_objects: Read) -> None:
    """The keys that are there are listed."""
    with pytest.raises(FileFormatError, match=r"no column is named 'key'.*there are 'id', 'v'"):
        read_objects([{"id": 1}, {"v": 2}], id_column="key")


def test_what_is_no_object_is_left_out(read_objects: Read) -> None:
    """It is reported with its line."""
    table = read_objects([{"a": 1}, [2], 3, {"a": 4}])
    assert table.rows == [(1,), (4,)]
    assert [problem.line for problem in table.problems] == [3, 4]
    assert "expected object, got array; the row is left out" in table.problems[0].message


def test_a_file_without_any_object_is_an_error(read_objects: Read) -> None:
    """It says what a row is."""
    with pytest.raises(FileFormatError, match=r'line 2: no row was found, each is an object as in {"name": "Ada"}'):
        read_objects([[1, 2], [3, 4]])


def test_nan_is_empty(read_objects: Read) -> None:
    """Python writes it, JSON has none; as text it is text."""
    table = read_objects([{"a": float("nan"), "b": "NaN"}, {"a": float("-inf"), "b": 'x "NaN'}, {"a": 1.5, "b": "y"}])
    assert table.rows == [(None, "NaN"), (None, 'x "NaN'), (1.5, "y")]
    assert "NaN and Infinity are no JSON; they are read as empty" in table.problems[0].message


def test_a_key_without_a_name_gets_one(read_objects: Read) -> None:
    """Columns need names."""
    table = read_objects([{"a": 1, "": 2}, {"a": 3, "": 4}])
    assert types(table) == {"a": "int", "column_2": "int"}
    assert table.rows == [(1, 2), (3, 4)]
    assert problems(table) == ["line 2: the key '' is no name of a column; its column is called 'column_2'"]
    later = read_objects([{"": 1}, {"column_1": 2}])
    assert types(later) == {"column_1": "int", "column_1_2": "int"}  # which both objects keep apart
    assert later.rows == [(1, None), (None, 2)]


def test_objects_without_keys_are_rows_without_cells(read_objects: Read) -> None:
    """They are not lost."""
    assert read_objects([{}, {}]).rows == [(), ()]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[{"a": 1},\n {"a": }]', "line 2 column 8: broken JSON: Expecting value"),
        ('[{"a": 1}', "line 1 column 10: broken JSON"),
        ('[{"a": 1}] x', "line 1 column 12: broken JSON: Extra data"),
        ('[{"a": "\\ud800"}]', "half a character"),
        ("[" * 100_000, "nested too deeply"),
        ('{"rows": [{"a": 1}]}', "a table in JSON is one array of objects; expected array, got object"),
        ("5", "expected array, got int"),
        ("", "the file is empty"),
    ],
)
def test_a_broken_array_is_an_error(read: Read, text: str, place: str) -> None:
    """It names line, column and reason."""
    with pytest.raises(FileFormatError) as caught:
        read(text, "t.json")
    assert place in str(caught.value)
    assert "t.json" in str(caught.value)


def test_a_broken_line_is_left_out(read: Read) -> None:
    """The others are read; the report names line, column and reason."""
    table = read('{"a":1}\n{"a":\n\n{"a":2} x\n{"a":1e400}\n{"a":"\\ud800"}\n{"a":3}', "t.jsonl")
    assert table.rows == [(1,), (3,)]
    assert problems(table) == [
        "line 2: column 6: broken JSON: Expecting value; the row is left out",
        "line 4: column 9: broken JSON: Extra data; the row is left out",
        "line 5: column 1: number out of range; the row is left out",
        r"line 6: column 1: a \u escape stands for half a character; the row is left out",
    ]
    assert table.skipped == 4


def test_two_objects_on_a_line_are_none(read: Read) -> None:
    """A line is a row."""
    table = read('{"a":1}{"a":2}\n{"a":3}\n', "t.jsonl")
    assert table.rows == [(3,)]
    assert table.problems[0].line == 1


def test_lines_in_a_file_called_json_are_read(read: Read) -> None:
    """Many programs name it so."""
    table = read('{"a": 1}\n{"a": 2}\n', "t.json")
    assert (table.format, table.rows) == (FileFormat.JSONL, [(1,), (2,)])
    assert table.dialect == "an object per line"


def test_an_empty_array_is_a_table_without_columns(read: Read) -> None:
    """It is said that it is empty."""
    table = read("[]", "t.json")
    assert (table.columns, table.rows) == ((), [])
    assert problems(table) == ["line 1: the array is empty"]


def test_an_array_that_is_too_big_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have to be read as a whole; the error says what to do."""
    monkeypatch.setattr("gridbus.tables.jsons.MAX_ARRAY", 1 << 20)
    with pytest.raises(FileFormatError, match=r"up to 1 MiB; write one object per line"):
        read(json.dumps([{"a": "x" * (1 << 20)}]), "t.json")


def test_damage_and_lines_are_reported_together(read: Read) -> None:
    """Replacement characters are text like other."""
    table = read(b'{"a":"x"}\n{"a":"\xff"}\n', "t.jsonl", encoding="utf-8")
    assert table.rows == [("x",), ("\ufffd",)]
    assert problems(table) == ["line 2: characters that could not be decoded are kept as U+FFFD"]


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from("abc"), scalars, min_size=1), min_size=1, max_size=8), st.booleans())
def test_no_value_is_lost(tmp_path: Path, objects: list[dict[str, Any]], is_array: bool) -> None:
    """Each value is in its row and column, as it was or as text."""
    text, name = (as_array if is_array else as_lines)(objects)
    path = tmp_path / name
    path.write_text(text.replace("\\u0000", "0"))
    table = read_table(path)
    for row, values in zip(table.rows, objects, strict=True):
        for column, cell in zip(table.columns, row, strict=True):
            value = values.get(column.name)
            if isinstance(value, str):
                value = value.replace("\0", "0")
            if column.type is ColumnType.TEXT:
                assert cell == (value if value is None or isinstance(value, str) else json.dumps(value)) or (
                    isinstance(value, float) and float(str(cell)) == value
                )
            elif column.type in (ColumnType.DATE, ColumnType.DATETIME):
                assert (cell is None) is (value is None)
            else:
                assert cell == value
