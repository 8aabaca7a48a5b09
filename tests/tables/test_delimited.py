"""CSV and TSV files, well-formed and not."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridbus.errors import FileFormatError
from gridbus.events.grid import Column, ColumnType
from gridbus.tables import FileFormat, Problem, Table, read_table
from gridbus.tables.records import MAX_CELL

Read = Callable[..., Table]


def names(table: Table) -> list[str]:
    """Return the names of the columns."""
    return [column.name for column in table.columns]


def problems(table: Table) -> list[str]:
    """Return the problems as they are shown."""
    return [str(problem) for problem in table.problems]


def test_a_file_becomes_typed_columns_and_rows(read: Read) -> None:
    """Empty cells are None, and a clean file has no problems."""
    table = read("name,born,salary,active\nAda,1815-12-10,90000,true\nGrace,,95000.5,no\n")
    assert table.columns == (
        Column("name", ColumnType.TEXT),
        Column("born", ColumnType.DATE),
        Column("salary", ColumnType.FLOAT),
        Column("active", ColumnType.BOOL),
    )
    assert table.rows == [("Ada", date(1815, 12, 10), 90000.0, True), ("Grace", None, 95000.5, False)]
    assert (table.format, table.encoding, table.ids) == (FileFormat.CSV, "utf-8", None)
    assert (table.skipped, table.problem_count, table.problems) == (0, 0, ())
    assert table.dialect == "comma-separated, column names first"
    assert table.source.endswith("people.csv")


@pytest.mark.parametrize("odd", ["x", "1.50x"])
def test_a_type_is_decided_over_the_whole_file(read: Read, odd: str) -> None:
    """One odd cell after many makes the column text, with the text that stood there."""
    count = 3000
    table = read("n,f,d\n" + "7,1.50,2024/01/02\n" * count + f"{odd},{odd},{odd}\n")
    assert [column.type for column in table.columns] == [ColumnType.TEXT] * 3
    assert table.rows == [("7", "1.50", "2024/01/02")] * count + [(odd, odd, odd)]


def test_ints_become_floats_where_one_cell_has_a_fraction(read: Read) -> None:
    """Also where it comes long after, unless digits would be lost."""
    table = read("a,b\n" + "1,12345678901234567\n" * 2000 + "0.5,0.5\n")
    assert [column.type for column in table.columns] == [ColumnType.FLOAT, ColumnType.TEXT]
    assert table.rows[0] == (1.0, "12345678901234567")
    assert table.rows[-1] == (0.5, "0.5")


def test_words_for_empty_cells_are_empty_in_typed_columns_only(read: Read) -> None:
    """What is taken for empty is reported, with the count."""
    table = read("delay,carrier\n5,NA\nNA,UA\nnull,AA\n")
    assert table.rows == [(5, "NA"), (None, "UA"), (None, "AA")]
    assert problems(table) == ["line 1: column 'delay': 2 empty cells are written NA, null or the like"]


def test_a_column_of_nothing_but_such_words_is_text(read: Read) -> None:
    """They may mean something."""
    assert read("a,b\nNA,\nNA,\n").rows == [("NA", None), ("NA", None)]


def test_a_short_row_is_filled_up(read: Read) -> None:
    """It is kept, and reported with its line."""
    table = read("a,b,c\n1,2\n3,4,5\n")
    assert table.rows == [(1, 2, None), (3, 4, 5)]
    assert problems(table) == ["line 2: cells: 2, columns: 3; the others are empty"]
    assert table.skipped == 0


def test_a_long_row_is_left_out_and_reported(read: Read) -> None:
    """Its cells stand in the wrong columns, and would change the types of all rows."""
    table = read("a,b\n1,2\nDoe, Jane,3\n4,5\n")
    assert table.rows == [(1, 2), (4, 5)]
    assert table.columns[0].type is ColumnType.INT
    (problem,) = table.problems
    assert problem.line == 3
    assert "cells: 3, columns: 2" in problem.message
    assert "left out" in problem.message
    assert table.skipped == 1


def test_empty_cells_beyond_the_last_column_are_nothing(read: Read) -> None:
    """Spreadsheets write them."""
    table = read("a,b\n1,2,\n3,4,,\n")
    assert table.rows == [(1, 2), (3, 4)]
    assert table.problems == ()


def test_blank_lines_are_nothing(read: Read) -> None:
    """Between rows and at the end."""
    table = read("a,b\n\n1,2\n\n\n3,4\n\n")
    assert table.rows == [(1, 2), (3, 4)]
    assert table.problems == ()


def test_blank_and_repeated_names_are_replaced(read: Read) -> None:
    """Each column has a name of its own; the replaced ones are reported."""
    table = read("a, a ,,a_2,column_3\n1,2,3,4,5\n")
    assert names(table) == ["a", "a_3", "column_4", "a_2", "column_3"]
    assert problems(table) == [
        "line 1: the name of column 2 was used before; it is called 'a_3'",
        "line 1: column 3 has no name; it is called 'column_4'",
    ]


def test_many_columns_of_one_name_get_names(read: Read) -> None:
    """As many as there are, and none that another column has."""
    table = read("x," * 3000 + "x_7\n" + "1," * 3000 + "1\n")
    assert len(set(names(table))) == 3001
    assert names(table)[:8] == ["x", "x_2", "x_3", "x_4", "x_5", "x_6", "x_8", "x_9"]


def test_row_names_of_r_have_no_name(read: Read) -> None:
    """Where each row has one cell more than there are names, it is the first that has none."""
    table = read("mpg,cyl\nMazda,21.0,6\nDatsun,22.8,4\n")
    assert names(table) == ["column_1", "mpg", "cyl"]
    assert table.rows[0] == ("Mazda", 21.0, 6)


def test_names_that_are_missing_at_the_end_are_made_up(read: Read) -> None:
    """Rows are not lost for want of names."""
    table = read("a,b\n1,2,3,4\n5,6,7,8\n")
    assert names(table) == ["a", "b", "column_3", "column_4"]
    assert table.rows == [(1, 2, 3, 4), (5, 6, 7, 8)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems_are_known(read: Read, end: str) -> None:
    """Also within quotes, where they are text and count as lines."""
    table = read(end.join(["a,b", f'1,"x{end}y"', "2", "3,z", ""]))
    assert table.rows == [(1, f"x{end}y"), (2, None), (3, "z")]
    assert problems(table) == ["line 4: cells: 1, columns: 2; the others are empty"]


def test_a_line_end_cut_in_two_by_a_read_is_one(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks end anywhere: within a line end, a character or a quoted cell."""
    monkeypatch.setattr("gridbus.tables.reading.BLOCK", 3)
    table = read('a,é\r\n1,"ü\r\n2"\r\n\r\n3\r\n4,€\r\n')
    assert table.rows == [(1, "ü\r\n2"), (3, None), (4, "€")]
    assert [problem.line for problem in table.problems] == [5]


def test_text_after_a_closing_quote_is_kept_and_reported(read: Read) -> None:
    """The row is read as far as it makes sense."""
    table = read('a,b\n1,"x" y\n"2\n2",z\n3,"q"r\n')
    assert table.rows == [("1", "x y"), ("2\n2", "z"), ("3", "qr")]
    assert problems(table) == [
        "line 2: text follows a closing quote; the row is kept as it reads",
        "line 5: text follows a closing quote; the row is kept as it reads",
    ]


def test_a_row_whose_quotes_do_not_match_and_that_was_read_in_parts_is_left_out(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not at hand any more; the rows after it keep their lines."""
    monkeypatch.setattr("gridbus.tables.reading.BLOCK", 4)
    table = read('a,b\n1,"x\nx\nx"y\n2\n3,z\n')
    assert table.rows == [(2, None), (3, "z")]
    assert [problem.line for problem in table.problems] == [2, 5]
    assert "the quotes of this row do not match" in table.problems[0].message
    assert table.skipped == 1


def test_a_quote_that_is_open_in_the_last_line_is_reported(read: Read) -> None:
    """Only that row is in doubt."""
    table = read('a,b\n1,x\n2,"y\n')
    assert table.rows == [(1, "x"), (2, "y\n")]
    assert problems(table) == ["line 3: a quote is never closed; the row is kept as it reads"]


def test_a_quote_that_swallows_rows_is_an_error(read: Read) -> None:
    """It names the line of the quote, not that of the end."""
    with pytest.raises(FileFormatError, match=r"people\.csv, line 3: a quote is opened here and never closed"):
        read('a,b\n1,x\n2,"y\n3,z\n4,z\n')


def test_quotes_can_be_plain_text(read: Read) -> None:
    """With ``quoting=False`` nothing is a quote."""
    table = read('a\tb\n"x\t1\ny\t2\n', "t.tsv", quoting=False)
    assert table.rows == [('"x', 1), ("y", 2)]
    assert "quotes are plain text" in table.dialect


def test_a_cell_that_is_too_long_is_refused(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it runs over many lines or one, and before more than that is read."""
    many = write('a,b\n1,2\n2,"' + ("x" * 99 + "\n") * (MAX_CELL // 100 + 10) + '"\n')
    with pytest.raises(FileFormatError, match=r"line 3: a cell of more than 16 million characters"):
        read_table(many)
    monkeypatch.setattr("gridbus.tables.text.MAX_LINE", 1 << 20)
    read_so_far: list[int] = []
    one = write("a,b\n1,2\n2," + "x" * (1 << 22))
    with pytest.raises(FileFormatError, match=r"line 3: a line of more than"):
        read_table(one, progress=lambda done, *_: read_so_far.append(done))
    assert max(read_so_far) < 3 << 20


def test_a_long_cell_below_the_limit_is_read(read: Read) -> None:
    """The standard library's own limit of 131,072 characters does not hold."""
    assert read(f"a,b\n1,{'x' * 200_000}\n").rows == [(1, "x" * 200_000)]


def test_nul_characters_are_replaced_and_reported(read: Read) -> None:
    """The row is kept."""
    table = read("a,b\n1,x\0y\n2,z\n")
    assert table.rows == [(1, "x\ufffdy"), (2, "z")]
    assert problems(table) == ["line 2: NUL characters are kept as U+FFFD"]


def test_header_only_is_a_table_without_rows(read: Read) -> None:
    """Its columns are known, and it is said that there are no rows."""
    for text in ("a,b\n", "a,b"):
        table = read(text)
        assert (names(table), table.rows) == (["a", "b"], [])
        assert problems(table) == ["line 1: there are column names, but no rows"]


@pytest.mark.parametrize("content", ["", "\n\n\r\n"])
def test_a_file_with_nothing_in_it_is_an_error(read: Read, content: str) -> None:
    """It has not even column names."""
    with pytest.raises(FileFormatError, match="a table has a line of column names at least"):
        read(content)


def test_ids_are_the_text_of_their_cells(read: Read) -> None:
    """Whatever type their column has."""
    table = read("id,v\n1.50,a\n2,b\n", id_column="id")
    assert table.ids == ["1.50", "2"]
    assert table.rows == [(1.5, "a"), (2.0, "b")]


def test_rows_without_an_id_or_with_a_used_one_are_left_out(read: Read) -> None:
    """Each is reported with its line, and does not count for the types."""
    table = read('id,v\n1,"a\nb"\n,b\n1,c\n  ,d\n2,e\nx\n', id_column="id")
    assert table.ids == ["1", "2", "x"]
    assert table.rows == [("1", "a\nb"), ("2", "e"), ("x", None)]
    assert problems(table) == [
        "line 4: no id in column 'id'; the row is left out",
        "line 5: the id '1' was there before; the row is left out",
        "line 6: no id in column 'id'; the row is left out",
        "line 8: cells: 1, columns: 2; the others are empty",
    ]
    assert table.skipped == 3


def test_an_id_is_known_over_the_whole_file(read: Read) -> None:
    """Not only among rows that are read together."""
    rows = "".join(f"{number},x\n" for number in range(2000))
    table = read(f"id,v\n{rows}5,y\n", id_column="id")
    assert len(table.rows) == 2000
    assert table.problems == (Problem(2002, "the id '5' was there before; the row is left out"),)


def test_an_id_column_that_is_not_there_is_an_error(read: Read) -> None:
    """The columns that are there are listed."""
    with pytest.raises(FileFormatError, match=r"no column is named 'key'.*there are 'id', 'v'"):
        read("id,v\n1,a\n", id_column="key")


def test_a_wide_table_is_read(read: Read) -> None:
    """Two thousand columns are read a few rows at a time."""
    width = 2_000
    table = read(",".join(f"c{n}" for n in range(width)) + "\n" + (",".join(["1"] * width) + "\n") * 150)
    assert len(table.columns) == width
    assert table.rows == [(1,) * width] * 150


def test_problems_beyond_many_are_only_counted(read: Read) -> None:
    """A file that is wrong in each line does not fill the memory with complaints."""
    table = read("a,b\n1,2\n" + "1\n" * 1500)
    assert len(table.problems) == 1000
    assert table.problem_count == 1500
    assert len(table.rows) == 1501


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=2), max_size=8), st.sampled_from(",;\t|"), st.data())
def test_what_the_standard_library_writes_is_read(
    tmp_path: Path, rows: list[list[str]], delimiter: str, data: st.DataObject
) -> None:
    """Any text in any dialect that ``csv`` writes comes back, once the columns are text."""
    # The writer quotes a carriage return only where it is part of its line ends, or where it quotes all.
    end, quoting = data.draw(st.sampled_from([("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]))
    rows = [["first text", "other text"], *rows]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([["one", "two"], *rows])
    path = tmp_path / "t.csv"
    path.write_bytes(out.getvalue().encode("utf-8", "replace"))
    table = read_table(path, delimiter=delimiter, header=True)
    expected: list[tuple[Any, ...]] = [tuple(_plain(cell) or None for cell in row) for row in rows]
    assert table.rows == expected


def _plain(cell: str) -> str:
    return cell.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
