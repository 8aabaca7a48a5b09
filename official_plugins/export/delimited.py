"""CSV and TSV files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gridbus.grid import ColumnType
from official_plugins.export.messages import ExportError
from official_plugins.export.sheet import Cells, SheetOptions, iso_text

# What spreadsheets take for the beginning of a formula (OWASP), full-width forms included.
_LEADING = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_BOOLS: Mapping[bool | None, str | None] = {True: "true", False: "false", None: None}
_END = "\r\n"
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|\.\d+)([eE][+-]?\d+)?")


def escape_formula(text: str) -> str:
    """Return a text that a spreadsheet shows and does not run: what could be a formula gets a leading apostrophe.

    A text that is a number, such as ``-5``, computes nothing and stays as it is.
    """
    if not text or text[0] not in _LEADING or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


class DelimitedSheet:
    """Writes CSV or TSV in UTF-8, a line feed after each row, quotes where they are needed.

    Empty cells are empty, truth values ``true`` and ``false``, dates and times in ISO form.
    """

    def __init__(self, options: SheetOptions) -> None:
        """Open the file and write the titles.

        Raises:
            ExportError: the delimiter is none.
        """
        import csv  # needed by few programs that import this package

        if len(options.delimiter) != 1 or options.delimiter in '"\r\n':
            raise ExportError(f"a delimiter is one character, such as ',' or ';', not {options.delimiter!r}")
        self._convert = [_converter(column.type, options.escape_formulas) for column in options.columns]
        self._lines: list[str] = []
        # The csv module puts a lone carriage return into quotes only where it is a part of the line end.
        self._writer = csv.writer(_Appender(self._lines.append), delimiter=options.delimiter, lineterminator=_END)
        self._file = options.path.open("w", encoding="utf-8-sig" if options.bom else "utf-8", newline="")
        if options.headers:
            titles = options.titles
            self._writer.writerow(_escape_all(titles) if options.escape_formulas else titles)

    def write(self, rows: Sequence[Cells]) -> None:
        """Add rows."""
        if self._convert:
            columns = [convert(cells) for convert, cells in zip(self._convert, zip(*rows, strict=True), strict=False)]
            self._writer.writerows(zip(*columns, strict=True))
        else:
            self._writer.writerows(rows)
        self._flush()

    def finish(self) -> None:
        """Write what is left and close the file."""
        self._flush()
        self._file.close()

    def abandon(self) -> None:
        """Close the file."""
        self._file.close()

    def _flush(self) -> None:
        self._file.writelines([f"{line[: -len(_END)]}\n" for line in self._lines])
        self._lines.clear()


class _Appender:
    """What the csv module writes to: it hands over one whole row at a time."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write


def _converter(kind: ColumnType, escape_formulas: bool) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what makes the cells of a column ready for the csv module."""
    match kind:
        case ColumnType.TEXT:
            return _escape_all if escape_formulas else _as_they_are
        case ColumnType.BOOL:
            return lambda cells: [_BOOLS[cell] for cell in cells]
        case ColumnType.DATE | ColumnType.DATETIME:
            return lambda cells: [None if cell is None else iso_text(cell) for cell in cells]
        case _:
            return _as_they_are


def _as_they_are(cells: Sequence[Any]) -> Sequence[Any]:
    return cells


def _escape_all(cells: Sequence[Any]) -> Sequence[Any]:
    return [cell if cell is None or cell[:1] not in _LEADING else escape_formula(cell) for cell in cells]
