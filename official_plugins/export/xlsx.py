"""Excel files."""

from __future__ import annotations

import importlib
import math
import shutil
import tempfile
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from gridbus import MissingExtraError
from gridbus.grid import ColumnType
from official_plugins.export.messages import ExportError
from official_plugins.export.sheet import Cells, SheetOptions, iso_text

_MOST_ROWS = 1_048_576  # of one sheet, titles included
_MOST_COLUMNS = 16_384
_LONGEST_TEXT = 32_767
_LARGEST_INT = 10**15  # Excel keeps 15 digits of a number
_FIRST_DATE = date(1900, 3, 1)  # before it Excel counts a day that never was
_WIDTHS = {ColumnType.BOOL: 8, ColumnType.DATE: 12, ColumnType.DATETIME: 20, ColumnType.TEXT: 24}


class XlsxSheet:
    """Writes an Excel file; rows beyond what a sheet holds go to further sheets.

    No text becomes a formula or a link. What Excel cannot hold as what it is becomes text: whole numbers of more than
    15 digits, infinite numbers, times with a zone, dates before March 1900.
    """

    def __init__(self, options: SheetOptions) -> None:
        """Begin the file.

        Raises:
            MissingExtraError: the library is not installed.
            ExportError: there are more columns than Excel has.
        """
        try:
            xlsxwriter: Any = importlib.import_module("xlsxwriter")
        except ImportError:
            raise MissingExtraError("exporting to xlsx", "XlsxWriter", "export") from None
        if len(options.columns) > _MOST_COLUMNS:
            raise ExportError(f"Excel has {_MOST_COLUMNS:,} columns, these are {len(options.columns):,}: choose some")
        self._options = options
        self._parts = tempfile.mkdtemp(prefix=".xlsx-", dir=options.path.parent)  # rows wait on the disk, not in memory
        self._book = xlsxwriter.Workbook(
            str(options.path),
            {
                "constant_memory": True,
                "tmpdir": self._parts,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._bold = self._book.add_format({"bold": True})
        self._date = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._datetime = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheets: list[Any] = []
        self._rows = 0
        self._add_sheet()

    def write(self, rows: Sequence[Cells]) -> None:
        """Add rows.

        Raises:
            ExportError: a text is longer than a cell of Excel.
        """
        for row in rows:
            if self._next == _MOST_ROWS:
                self._add_sheet()
            self._rows += 1
            for position, cell in enumerate(row):
                if cell is not None:
                    self._write_cell(position, cell)
            self._next += 1

    def finish(self) -> None:
        """Put the file together."""
        self._book.close()
        self._remove_parts()

    def abandon(self) -> None:
        """Close what is open."""
        for sheet in self._sheets:
            sheet.row_data_fh.close()  # closing the book would put the whole file together first
        self._book.fileclosed = True
        self._remove_parts()

    def _add_sheet(self) -> None:
        sheet = self._book.add_worksheet()
        self._sheets.append(sheet)
        self._next = 0
        for position, column in enumerate(self._options.columns):
            title = column.title or column.name
            sheet.set_column(position, position, max(_WIDTHS.get(column.type, 12), min(len(title) + 2, 40)))
        if self._options.headers:
            sheet.freeze_panes(1, 0)
            for position, title in enumerate(self._options.titles):
                sheet.write_string(0, position, title, self._bold)
            self._next = 1

    def _write_cell(self, position: int, cell: Any) -> None:
        sheet, at = self._sheets[-1], self._next
        match cell:
            case bool():
                sheet.write_boolean(at, position, cell)
            case int() if abs(cell) < _LARGEST_INT:
                sheet.write_number(at, position, cell)
            case float() if math.isfinite(cell):
                sheet.write_number(at, position, cell)
            case datetime() if cell.tzinfo is None and cell.date() >= _FIRST_DATE:
                sheet.write_datetime(at, position, cell, self._datetime)
            case date() if not isinstance(cell, datetime) and cell >= _FIRST_DATE:
                sheet.write_datetime(at, position, cell, self._date)
            case date():
                sheet.write_string(at, position, iso_text(cell))
            case _:
                text = str(cell)
                if len(text) > _LONGEST_TEXT:
                    raise ExportError(
                        f"row {self._rows:,}, column {self._options.names[position]!r}: a cell of Excel holds "
                        f"{_LONGEST_TEXT:,} characters, this one has {len(text):,}; leave the column out, or take csv"
                    )
                sheet.write_string(at, position, text)

    def _remove_parts(self) -> None:
        shutil.rmtree(self._parts, ignore_errors=True)
