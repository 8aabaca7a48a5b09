"""Records of a delimited file with the lines they stand on; those that break the rules are mended, or refused."""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import BinaryIO

import attrs

from gridbus.tables.dialect import Dialect
from gridbus.tables.reading import Reading
from gridbus.tables.text import Pieces, count_line_ends

MAX_CELL = 1 << 24
"""Characters that a cell may have; a file with longer ones is refused before more of it is read."""


@attrs.define
class Batch:
    """Records in a row. A blank line is an empty one, and so is each line of a record that could not be read."""

    rows: list[list[str]]
    line: int  #: on which the first begins
    is_simple: bool = True  #: each takes one line
    _lines: list[int] = attrs.field(factory=list, init=False)

    def line_of(self, index: int) -> int:
        """Return the line on which a record begins."""
        if self.is_simple:
            return self.line + index
        if not self._lines:
            line = self.line
            for row in self.rows:
                self._lines.append(line)
                line += 1 + sum(map(count_line_ends, row))
        return self._lines[index]


class Records:
    """Reads records strictly, so that a quote out of place is noticed."""

    def __init__(self, reading: Reading, file: BinaryIO, encoding: str, dialect: Dialect) -> None:
        # The limit is one for the whole process; its default of 131,072 is too low for documents in cells.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))
        self._reading, self._options = reading, dialect.options()
        self._pieces = Pieces(reading, file, encoding)
        self._reader = csv.reader(self._pieces.lines(), strict=True, **self._options)

    def read(self, count: int) -> Batch:
        """Return the next records, at most ``count`` and not many more; none at the end.

        Raises:
            FileFormatError: a cell is too long, or a quote is never closed.
        """
        first = self._reader.line_num + 1
        batch = Batch([], first)
        while len(batch.rows) < count:
            try:
                # What was added before one record fails stays added.
                batch.rows.extend(islice(self._reader, count - len(batch.rows)))
                break
            except csv.Error as error:
                begun = first + len(batch.rows) + sum(count_line_ends(cell) for row in batch.rows for cell in row)
                batch.rows.extend(self._mend(str(error), begun))
        batch.is_simple = self._reader.line_num - first + 1 == len(batch.rows)
        return batch

    def _mend(self, error: str, first: int) -> list[list[str]]:
        """Return a record that is not written by the rules as it reads without them."""
        last = self._reader.line_num
        if "field limit" in error:
            raise self._reading.error(
                f"a cell of more than {MAX_CELL >> 20} million characters; is a quote left open?", first
            )
        if "end of data" in error and last > first:
            raise self._reading.error(
                "a quote is opened here and never closed: close it, double it where it is part of the text, "
                "or read the file with quoting=False",
                first,
            )
        start = first - self._pieces.line
        if start >= 0:
            lines = islice(io.StringIO(self._pieces.text, newline=""), start, last - self._pieces.line + 1)
            rows = list(csv.reader(lines, strict=False, **self._options))
            if len(rows) == 1:
                fault = "a quote is never closed" if "end of data" in error else "text follows a closing quote"
                self._reading.note(first, f"{fault}; the row is kept as it reads")
                return rows
        self._reading.skip(first, f"the quotes of this row do not match ({error})")
        return [[] for _ in range(first, last + 1)]
