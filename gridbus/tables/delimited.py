"""CSV and TSV."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from gridbus.tables.columns import Columns
from gridbus.tables.dialect import Dialect, find_dialect
from gridbus.tables.names import Ids, column_names
from gridbus.tables.reading import Reading
from gridbus.tables.records import Batch, Records
from gridbus.tables.runs import read_cells
from gridbus.tables.text import read_sample

# Read before they are converted: so few that processor caches hold them, and that the garbage collector does not wake
# for each; more took half as long again.
_ROWS = 512
_CELLS = 200_000


def read_delimited(
    reading: Reading,
    file: BinaryIO,
    encoding: str,
    *,
    id_column: str | None,
    delimiter: str | None,
    quoting: bool,
    header: bool | None,
) -> tuple[Columns, Ids | None, Dialect]:
    """Read a file of cells between delimiters; what is None is found out.

    Raises:
        FileFormatError: it cannot be read, or has no column for ids.
    """
    dialect = find_dialect(read_sample(file, encoding), delimiter=delimiter, quoting=quoting, header=header)
    records = Records(reading, file, encoding, dialect)
    first = _first_record(reading, records, dialect)
    count = max(1, min(_ROWS, _CELLS // len(first.rows[0])))
    batch = records.read(count) if dialect.header else first
    names = _names(reading, first, batch, dialect)
    columns = Columns(names)
    ids = None if id_column is None else Ids(reading, id_column)
    id_position = 0 if ids is None else ids.position(names)
    while batch.rows:
        rows, line_of = _even_rows(reading, batch, len(names))
        if ids is not None:
            kept = ids.take([row[id_position] for row in rows], line_of)
            rows = rows if kept is None else [rows[index] for index in kept]
        if rows:
            columns.add_rows(len(rows), list(zip(*rows, strict=True)), read_cells)
        reading.rows += len(rows)
        batch = records.read(count)
    if not reading.rows and not reading.skipped:
        reading.note(first.line, "there are column names, but no rows")
    return columns, ids, dialect


def _first_record(reading: Reading, records: Records, dialect: Dialect) -> Batch:
    """Return the record of column names, or the first row where there are none."""
    before: list[int] = []
    while (batch := records.read(1)).rows:
        if batch.rows[0]:  # not a blank line
            if len(before) == dialect.preamble:
                break
            before.append(batch.line)
    else:
        raise reading.error("the file holds blank lines only; a table has a line of column names at least")
    if before:
        reading.note(before[0], f"what stands before the column names, to line {before[-1]}, is left out")
    return batch


def _names(reading: Reading, first: Batch, batch: Batch, dialect: Dialect) -> list[str]:
    """Return the column names; where all rows have more cells than there are names, the others get one too."""
    cells = first.rows[0]
    if not dialect.header:
        return [f"column_{number}" for number in range(1, len(cells) + 1)]
    rows = [row for row in batch.rows if row]
    widths = set(map(len, rows))
    if len(rows) > 1 and len(widths) == 1 and any(any(row[len(cells) :]) for row in rows):
        unnamed = [""] * (widths.pop() - len(cells))
        # R leaves out the name of the first column, which holds row names; others leave out the last.
        cells = unnamed + cells if len(unnamed) == 1 else cells + unnamed
    return column_names(cells, reading, first.line)


def _even_rows(reading: Reading, batch: Batch, width: int) -> tuple[list[list[str]], Callable[[int], int]]:
    """Return rows that all have a cell per column, and what tells their lines.

    A row that is too short is filled up with empty cells. One that is too long is left out: most likely a cell holds
    the delimiter, so that the cells after it stand in the wrong columns.
    """
    if set(map(len, batch.rows)) == {width}:
        return batch.rows, batch.line_of
    rows, lines = [], []
    for index, row in enumerate(batch.rows):
        line = batch.line_of(index)
        if len(row) > width and any(row[width:]):
            count = f"cells: {len(row)}, columns: {width}"
            reading.skip(
                line, f"{count}, the last cell is {row[-1][:40]!r} (one that holds the delimiter must be quoted)"
            )
            continue
        if 0 < len(row) < width:
            reading.note(line, f"cells: {len(row)}, columns: {width}; the others are empty")
        if row:
            rows.append(row[:width] + [""] * (width - len(row)))
            lines.append(line)
    return rows, lines.__getitem__
