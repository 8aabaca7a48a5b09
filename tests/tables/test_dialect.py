"""Finding out how a delimited file is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gridbus.tables import FileFormat, Table
from gridbus.tables.dialect import find_delimiter, has_header

Read = Callable[..., Table]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(read: Read, delimiter: str) -> None:
    """Whatever the name of the file says."""
    for name in ("t.csv", "t.tsv", "t.txt"):
        table = read(f"name{delimiter}n\nAda{delimiter}1\nGrace{delimiter}2\n", name)
        assert table.rows == [("Ada", 1), ("Grace", 2)]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a;b\n1,5;2,5\n3,5;4,5\n", ";"),
        ("name;text\nAda;hello, world\nBob;a, b, c\n", ";"),
        ("a,b\nx|y,1\nz|w,2\n", ","),
        ('a,b\n"x;y;z",1\n"u;v;w",2\n', ","),
        ("a,b,c\n1,2\n1,2,3,4\n1,2,3\n", ","),
        ("a\n1\n2\n", None),
        ("some words\nmore words, with a comma\nand more\n", None),
        ("", None),
    ],
)
def test_the_delimiter_is_what_cuts_rows_evenly(text: str, delimiter: str | None) -> None:
    """The same number of cells in most rows, above all in the first."""
    assert find_delimiter(text) == delimiter


def test_a_file_of_one_column_is_read(read: Read) -> None:
    """No delimiter is needed."""
    assert read("n\n1\n2\n").rows == [(1,), (2,)]


def test_the_delimiter_can_be_given(read: Read) -> None:
    """Any character can be one."""
    table = read("a:b,c\n1:2,3\n", delimiter=":")
    assert table.rows == [(1, "2,3")]
    assert table.dialect == "':'-separated, column names first"


def test_a_space_after_each_delimiter_belongs_to_it(read: Read) -> None:
    """Quotes after it are quotes."""
    assert read('a, b\nx, "y, z"\nu, v\n').rows == [("x", "y, z"), ("u", "v")]
    assert read("a, b\nx, y\nu,v\n").rows == [("x", " y"), ("u", "v")]


def test_backslashes_escape_quotes_where_nothing_else_reads_well(read: Read) -> None:
    """Elsewhere they are text."""
    table = read('a,b\n1,"say \\"hi\\", twice"\n2,"c:\\\\x"\n')
    assert table.rows == [(1, 'say "hi", twice'), (2, "c:\\x")]
    assert "escaped by a backslash" in table.dialect
    assert read('a,b\n1,"c:\\new"\n2,c:\\x\n').rows == [(1, "c:\\new"), (2, "c:\\x")]


def test_titles_before_the_table_are_left_out(read: Read) -> None:
    """They are lines of one cell; that they are left out is reported."""
    table = read("Sales 2024\n\n# by region\nregion,sum\nnorth,1\nsouth,2\neast,3\n")
    assert [column.name for column in table.columns] == ["region", "sum"]
    assert table.rows == [("north", 1), ("south", 2), ("east", 3)]
    assert [str(problem) for problem in table.problems] == [
        "line 1: what stands before the column names, to line 3, is left out"
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["name", "age"], ["Ada", "36"]], True),
        ([["Ada", "36"], ["Bob", "41"]], False),
        ([["Ada", "x"], ["Bob", "y"]], True),
        ([["1", "2"]], False),
        ([["a", "b"]], True),
        ([["", "a"], ["0", "x"], ["1", "y"]], True),
        ([["NA", "5"], ["1", "6"]], False),
        ([["country", "1990", "1991", "1992"], ["A", "1", "2", "3"]], True),
        ([["0", "1", "2"], ["5", "5", "5"]], True),
        ([["2024-01-01", "x"], ["2024-01-02", "y"]], False),
        ([], True),
    ],
)
def test_a_header_is_a_row_that_does_not_fit_the_types_below(rows: list[list[str]], expected: bool) -> None:
    """Where nothing has a type, the first row holds names, as it does in most files."""
    assert has_header(rows) is expected


def test_a_file_without_names_gets_some(read: Read) -> None:
    """No row is taken for a header that is none."""
    table = read("1,Ada\n2,Bob\n", id_column="column_1")
    assert [column.name for column in table.columns] == ["column_1", "column_2"]
    assert table.rows == [(1, "Ada"), (2, "Bob")]
    assert table.dialect == "comma-separated, no column names"


def test_whether_there_is_a_header_can_be_given(read: Read) -> None:
    """Then nothing is guessed."""
    assert read("a,b\nc,d\n", header=False).rows == [("a", "b"), ("c", "d")]
    assert read("1,2\n3,4\n", header=True).rows == [(3, 4)]


def test_the_format_of_a_file_without_a_telling_name_is_found_in_its_content(read: Read) -> None:
    """By how it begins."""
    assert read("a\tb\n1\t2\n", "data").format is FileFormat.CSV
    assert read('[{"a": 1}]', "data.txt").format is FileFormat.JSON
    assert read('{"a": 1}\n', "data.dat").format is FileFormat.JSONL
