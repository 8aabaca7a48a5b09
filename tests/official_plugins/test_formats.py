"""Each format, read back by other software."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus import MissingExtraError
from gridbus.grid import Column, ColumnType
from gridbus.tables import read_table
from official_plugins.export import ExportError, ExportFormat, escape_formula
from official_plugins.export.formats import FORMATS, obstacle, open_sheet
from official_plugins.export.sheet import SheetOptions

COLUMNS = (
    Column("name", title="Full name"),
    Column("born", ColumnType.DATE),
    Column("seen", ColumnType.DATETIME),
    Column("is_here", ColumnType.BOOL),
    Column("count", ColumnType.INT),
    Column("share", ColumnType.FLOAT),
)
ROWS = [
    ("Ada, Countess\nof Lovelace", date(1815, 12, 10), datetime(2024, 2, 29, 13, 5), True, -5, 0.25),
    ('"Grace" Ünïcode 😀', None, None, False, 10**17, -1.5e-9),
    (None, date(2000, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), None, None, None),
]


def make(wanted: ExportFormat, path: Path, rows: Sequence[Sequence[Any]] = ROWS, **options: Any) -> Path:
    """Write a file, a row at a time."""
    options.setdefault("columns", COLUMNS)
    sheet = open_sheet(wanted, SheetOptions(path=path, **options))
    for row in rows:
        sheet.write([row])
    sheet.finish()
    return path


def test_csv_is_read_by_the_csv_module(tmp_path: Path) -> None:
    """Titles, quotes, line breaks within cells, truth values and dates."""
    path = make(ExportFormat.CSV, tmp_path / "a.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["Full name", "born", "seen", "is_here", "count", "share"]
    assert rows[1] == ["Ada, Countess\nof Lovelace", "1815-12-10", "2024-02-29T13:05:00", "true", "-5", "0.25"]
    assert rows[3] == ["", "2000-01-01", "2024-01-01T00:00:00Z", "", "", ""]


@pytest.mark.parametrize("wanted", [ExportFormat.CSV, ExportFormat.TSV, ExportFormat.JSON, ExportFormat.JSONL])
def test_what_is_written_is_read_back_as_it_was(wanted: ExportFormat, tmp_path: Path) -> None:
    """Gridbus reads its own files: the same columns, types and cells."""
    columns = tuple(Column(column.name, column.type) for column in COLUMNS)
    rows = [(*row[:2], row[2].replace(tzinfo=None) if row[2] else None, *row[3:]) for row in ROWS[:2]]
    rows[1] = (*rows[1][:4], 7, *rows[1][5:])
    table = read_table(make(wanted, tmp_path / f"a.{wanted}", rows, columns=columns))
    assert table.problems == ()
    assert [(c.name, c.type) for c in table.columns] == [(c.name, c.type) for c in columns]
    assert table.rows == [tuple(row) for row in rows]


def test_json_is_an_array_of_objects(tmp_path: Path) -> None:
    """Keys are names, not titles; what JSON has no word for is null."""
    rows = [*ROWS, ("inf", None, None, None, None, float("inf"))]
    objects = json.loads(make(ExportFormat.JSON, tmp_path / "a.json", rows).read_text(encoding="utf-8"))
    assert [list(item) for item in objects] == [[column.name for column in COLUMNS]] * 4
    assert objects[0]["name"] == ROWS[0][0]
    assert objects[1]["count"] == 10**17
    assert objects[3]["share"] is None


@pytest.mark.parametrize(("wanted", "text"), [("json", "[]\n"), ("jsonl", ""), ("csv", "a,b\n"), ("tsv", "a\tb\n")])
def test_no_rows_make_an_empty_file_of_its_kind(wanted: str, text: str, tmp_path: Path) -> None:
    """Titles alone, an empty array, nothing."""
    path = make(ExportFormat(wanted), tmp_path / "a", [], columns=(Column("a"), Column("b")))
    assert path.read_text(encoding="utf-8") == text


def test_delimiter_titles_and_byte_order_mark_are_as_asked(tmp_path: Path) -> None:
    """What some spreadsheets of some countries want."""
    columns = (Column("a"), Column("b", ColumnType.INT))
    options = {"columns": columns, "delimiter": ";", "bom": True, "headers": False}
    path = make(ExportFormat.CSV, tmp_path / "a.csv", [("x;y", 1)], **options)
    assert path.read_bytes() == b'\xef\xbb\xbf"x;y";1\n'


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_a_delimiter_that_cannot_be_is_refused(delimiter: str, tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(ExportError, match="a delimiter is one character"):
        make(ExportFormat.CSV, tmp_path / "a.csv", delimiter=delimiter)
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1-555-0100", "'+1-555-0100"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("-5", "-5"),
        ("+5.25", "+5.25"),
        ("-1e-9", "-1e-9"),
        ("-5 + 3", "'-5 + 3"),
        ("", ""),
        ("a=1", "a=1"),
        (" =1", " =1"),
    ],
)
def test_texts_that_could_be_formulas_are_made_harmless(text: str, written: str, tmp_path: Path) -> None:
    """In cells and titles; numbers are none."""
    assert escape_formula(text) == written
    columns = (Column("a", title=text or "-"), Column("b", ColumnType.INT))
    path = make(ExportFormat.CSV, tmp_path / "a.csv", [(text, -5)], columns=columns)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [[written or "'-", "b"], [written, "-5"]]


@given(st.text(max_size=8))
def test_no_escaped_text_begins_as_a_formula_does(text: str) -> None:
    """Unless it is a number."""
    written = escape_formula(text)
    assert written[:1] not in {"=", "@", "\t", "\r", "\n"}
    assert written[:1] not in {"+", "-"} or written[1:2] == "." or written[1:2].isdigit()


def test_formulas_are_left_alone_where_that_is_asked(tmp_path: Path) -> None:
    """For programs that read the file, and are no spreadsheets."""
    path = make(ExportFormat.CSV, tmp_path / "a.csv", [("=1",)], columns=(Column("a"),), escape_formulas=False)
    assert path.read_text(encoding="utf-8") == "a\n=1\n"


def test_xlsx_is_read_by_openpyxl(tmp_path: Path) -> None:
    """Numbers, dates and truth values are such; no text is a formula; what Excel cannot hold is text."""
    rows = [*ROWS, ("=1+1", date(1850, 1, 1), None, None, None, float("inf")), ("http://example.org", *[None] * 5)]
    book = openpyxl.load_workbook(make(ExportFormat.XLSX, tmp_path / "a.xlsx", rows))
    sheet = book.active
    found = list(sheet.iter_rows(values_only=True))
    assert found[0] == ("Full name", "born", "seen", "is_here", "count", "share")
    assert found[1] == (ROWS[0][0], "1815-12-10", datetime(2024, 2, 29, 13, 5), True, -5, 0.25)
    assert found[2] == (ROWS[1][0], None, None, False, "100000000000000000", -1.5e-9)
    assert found[3] == (None, datetime(2000, 1, 1), "2024-01-01T00:00:00Z", None, None, None)
    assert found[4] == ("=1+1", "1850-01-01", None, None, None, "inf")
    assert sheet.cell(5, 1).data_type == "s"
    assert sheet.freeze_panes == "A2"
    assert not sheet._hyperlinks
    assert list(tmp_path.iterdir()) == [tmp_path / "a.xlsx"]


def test_xlsx_goes_on_in_further_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the titles."""
    monkeypatch.setattr("official_plugins.export.xlsx._MOST_ROWS", 3)
    columns = (Column("n", ColumnType.INT),)
    book = openpyxl.load_workbook(
        make(ExportFormat.XLSX, tmp_path / "a.xlsx", [(n,) for n in range(5)], columns=columns)
    )
    found = [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book]
    assert found == [["n", 0, 1], ["n", 2, 3], ["n", 4]]


def test_xlsx_refuses_a_text_that_no_cell_holds(tmp_path: Path) -> None:
    """It is not cut off in silence, and nothing is left behind but the file that the caller removes."""
    sheet = open_sheet(ExportFormat.XLSX, SheetOptions(path=tmp_path / "a.xlsx", columns=(Column("a"),)))
    sheet.write([("fine",)])
    with pytest.raises(ExportError, match=r"row 2, column 'a': a cell of Excel holds 32,767 characters.*32,768"):
        sheet.write([("x" * 32_768,)])
    sheet.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error that the asker sees."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    error = obstacle(ExportFormat.XLSX)
    assert isinstance(error, MissingExtraError)
    assert str(error) == "exporting to xlsx needs XlsxWriter: pip install 'gridbus[export]'"


def test_a_format_that_is_not_there_yet_says_so(tmp_path: Path) -> None:
    """And what there is."""
    with pytest.raises(ExportError, match="pdf cannot be made in this version; there are csv, tsv, json, jsonl, xlsx"):
        make(ExportFormat.PDF, tmp_path / "a.pdf")


def test_each_format_is_declared() -> None:
    """None is forgotten."""
    assert set(FORMATS) == set(ExportFormat)
