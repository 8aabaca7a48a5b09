"""Runs of cells: as many cells of one column as are read at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import attrs
import msgspec

from gridbus.tables.grammar import Kind, parse_any

MISSING = frozenset({"NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", r"\N"})
"""What programs write where they have no value. Among numbers, bools and dates it is an empty cell, among other text it
is text: ``NA`` may be Namibia."""


@attrs.define
class Run:
    """Cells read as one kind."""

    kind: Kind
    values: Sequence[Any]  #: None where empty
    source: str | None = None  #: the cells' own text, a line each, where the values do not tell it
    missing: int = 0  #: cells that were one of the words in MISSING
    nested: bool = False  #: some were lists or objects


def read_cells(cells: Sequence[str], column: Kind = Kind.EMPTY) -> Run:
    """Read text cells as the narrowest kind that fits all of them.

    Spaces and tabs around a typed value do not count.

    Args:
        cells: the text of each.
        column: what the column's cells before were read as; where that is text, these are too.
    """
    run = by_distinct(cells, lambda some: _read(some, column))
    if run.missing:
        run.missing = sum(map(MISSING.__contains__, map(_stripped, cells)))
    if run.source is not None:
        run.source = "\n".join(cells)
    return run


def by_distinct(cells: Sequence[Any], read: Callable[[Sequence[Any]], Run]) -> Run:
    """Read each of the cells once where they repeat, so that their values are one object too."""
    distinct = set(cells)
    if len(distinct) * 2 > len(cells):
        return read(cells)
    keys = list(distinct)
    run = read(keys)
    run.values = list(map(dict(zip(keys, run.values, strict=True)).__getitem__, cells))
    return run


def _read(cells: Sequence[str], column: Kind) -> Run:
    present = list(filter(None, cells)) if "" in cells else cells
    if not present:
        return Run(Kind.EMPTY, [None] * len(cells))
    if column is not Kind.TEXT:
        if found := parse_any(present):
            kind, values = found
            told = kind is Kind.INT or (kind is Kind.DATE and "/" not in ",".join(present))
            return Run(kind, values if present is cells else _spread(values, cells), None if told else "")
        if run := _read_loosely(cells):
            return run
    return Run(Kind.TEXT, cells if present is cells else [cell or None for cell in cells])


def _read_loosely(cells: Sequence[str]) -> Run | None:
    """Read cells of which some are padded, or say in a word that they are empty."""
    shown = ["" if cell in MISSING else cell for cell in map(_stripped, cells)]
    present = list(filter(None, shown))
    found = parse_any(present) if present else (Kind.EMPTY, [])
    if found is None:
        return None
    missing = sum(not there and cell.strip() != "" for there, cell in zip(shown, cells, strict=True))
    return Run(found[0], _spread(found[1], shown), "", missing)


def _stripped(cell: str) -> str:
    return cell.strip(" \t")


def _spread(values: Iterable[Any], places: Iterable[object]) -> list[Any]:
    """Put values where places are not empty, and None elsewhere."""
    rest = iter(values)
    return [next(rest) if place else None for place in places]


def convert(run: Run, kind: Kind) -> Sequence[Any]:
    """Return a run's values as the kind of its column, which is the run's own or a wider one."""
    values = run.values
    if kind is run.kind or (run.kind is Kind.EMPTY and kind is not Kind.TEXT):
        return values
    if kind is Kind.FLOAT:
        return [None if value is None else float(value) for value in values]
    if kind is Kind.NAIVE:
        return [None if value is None else datetime(value.year, value.month, value.day) for value in values]
    if run.source is not None:
        return [cell or None for cell in run.source.split("\n")]
    return list(map(written, values))


def is_exact(run: Run) -> bool:
    """Tell whether floats can hold the ints of a run."""
    return all(value is None or -(2**53) <= value <= 2**53 or is_exact_float(value) for value in run.values)


def is_exact_float(value: int) -> bool:
    """Tell whether a float can hold an int."""
    try:
        return float(value) == value
    except OverflowError:
        return False


def written(value: Any) -> str | None:
    """Return a value as a column of text holds it: as JSON writes it, texts and dates without quotes."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if type(value) is int else msgspec.json.encode(value).decode()
