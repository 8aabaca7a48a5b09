"""How a delimited file is written: its delimiter, its quotes, and where its column names stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any

import attrs

from gridbus.tables.grammar import Kind, join
from gridbus.tables.runs import read_cells

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ROWS = 200  # rows of the sample that are looked at


@attrs.frozen
class Dialect:
    """The arguments of ``csv.reader`` that fit a file, and its first lines."""

    delimiter: str = ","
    quoting: bool = True  #: False: a quote is a character like others
    escape: str | None = None  #: what stands before a quote in quotes, where it is not another quote
    space: bool = False  #: a space follows each delimiter
    preamble: int = 0  #: rows before that of the column names, or before the first row
    header: bool = True

    def options(self) -> dict[str, Any]:
        """Return the arguments of ``csv.reader``."""
        import csv  # only programs that read such files need it

        return {
            "delimiter": self.delimiter,
            "quoting": csv.QUOTE_MINIMAL if self.quoting else csv.QUOTE_NONE,
            "escapechar": self.escape,
            "doublequote": self.escape is None,
            "skipinitialspace": self.space,
        }

    def __str__(self) -> str:
        parts = [f"{DELIMITERS.get(self.delimiter, repr(self.delimiter))}-separated"]
        parts += ["quotes are plain text"] * (not self.quoting)
        parts += ["quotes escaped by a backslash"] * (self.escape is not None)
        parts += ["text before the table"] * bool(self.preamble)
        parts.append("column names first" if self.header else "no column names")
        return ", ".join(parts)


def find_dialect(sample: str, *, delimiter: str | None, quoting: bool, header: bool | None) -> Dialect:
    """Return how the first lines of a file are written; what is given is not guessed."""
    dialect = Dialect(delimiter or find_delimiter(sample, quoting=quoting) or ",", quoting=quoting)
    if quoting and _is_escaped(sample, dialect):
        dialect = attrs.evolve(dialect, escape="\\")
    rows = parse(sample, dialect)
    if dialect.delimiter != "\t" and _has_spaces(rows):
        dialect = attrs.evolve(dialect, space=True)
        rows = parse(sample, dialect)
    preamble = _count_preamble(rows)
    if header is None:
        header = has_header(rows[preamble:])
    return attrs.evolve(dialect, preamble=preamble, header=header)


def parse(sample: str, dialect: Dialect, *, strict: bool = False) -> list[list[str]]:
    """Return the first rows of the sample that hold anything."""
    import csv
    import io

    reader = csv.reader(io.StringIO(sample, newline=""), strict=strict, **dialect.options())
    return list(islice(filter(None, reader), _ROWS))


def find_delimiter(sample: str, *, quoting: bool = True, least: float = 0.0) -> str | None:
    """Return the delimiter that cuts the rows most evenly, None where none cuts them.

    The first row counts most, as it holds the names.

    Args:
        sample: the first lines.
        quoting: whether delimiters in quotes are none.
        least: the share of rows that must have the same number of cells.
    """
    best, best_score = None, (False, 0.0, 0)
    for delimiter in DELIMITERS:
        widths = [len(row) for row in parse(sample, Dialect(delimiter, quoting=quoting))]
        width, count = Counter(widths).most_common(1)[0] if widths else (1, 1)
        score = (widths[:1] == [width], round(count / max(len(widths), 1), 1), width)
        if width > 1 and score > best_score and count >= least * len(widths):
            best, best_score = delimiter, score
    return best


def _is_escaped(sample: str, dialect: Dialect) -> bool:
    r"""Tell whether quotes in quotes are written ``\"``: only then such a file can be read strictly."""
    import csv

    if '\\"' not in sample:
        return False
    try:
        parse(sample, dialect, strict=True)
    except csv.Error:
        try:
            parse(sample, attrs.evolve(dialect, escape="\\"), strict=True)
        except csv.Error:
            return False
        return True
    return False


def _has_spaces(rows: Sequence[Sequence[str]]) -> bool:
    after = [cell for row in rows for cell in row[1:] if cell]
    return bool(after) and all(cell.startswith(" ") for cell in after)


def _count_preamble(rows: Sequence[Sequence[str]]) -> int:
    """Count the first rows that are titles or remarks: one cell each, where the rows of the table have several."""
    usual = Counter(map(len, rows)).most_common(1)[0][0] if rows else 1
    if usual < 2:
        return 0
    return next(index for index, row in enumerate(rows) if len(row) > 1)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row holds names.

    It does not if it fits the types of the rows below, of which at least one is not text; numbers that count upwards
    in equal steps, as years do, are names all the same.
    """
    if not rows:
        return True
    first, below = rows[0], rows[1:]
    typed = [
        (cell, kind)
        for index, cell in enumerate(first)
        if (kind := read_cells([row[index] for row in below or [first] if index < len(row)]).kind)
        not in (Kind.EMPTY, Kind.TEXT)
    ]
    if not any(cell for cell, _ in typed) or any(
        join(kind, read_cells([cell]).kind) is not kind for cell, kind in typed
    ):
        return True
    ints = [int(cell) for cell in first if read_cells([cell]).kind is Kind.INT]
    steps = {after - before for before, after in pairwise(ints)}
    return len(ints) > 2 and len(steps) == 1 and steps.pop() > 0
