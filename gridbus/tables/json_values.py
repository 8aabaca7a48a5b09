"""Runs of cells that come from JSON, where most have a type already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridbus.tables.grammar import Kind, parse_any
from gridbus.tables.runs import Run, by_distinct, is_exact_float, written

_KINDS = {
    frozenset({bool}): Kind.BOOL,
    frozenset({int}): Kind.INT,
    frozenset({float}): Kind.FLOAT,
    frozenset({int, float}): Kind.FLOAT,
}


def read_values(values: Sequence[Any], column: Kind = Kind.EMPTY) -> Run:
    """Read values of JSON as one kind; what does not share a kind becomes text, as JSON writes it.

    A text may be a date or a datetime, and is nothing else: "5" is a text.

    Args:
        values: one value per row, None where it has none.
        column: what the column's values before were read as.
    """
    types = frozenset(map(type, values)) - {type(None)}
    if not types:
        return Run(Kind.EMPTY, values)
    if types == {str}:
        run = by_distinct(values, lambda some: _read_texts(some, column))
        if run.source is not None:
            run.source = "\n".join([value or "" for value in values] if None in values else values)
        return run
    kind = _KINDS.get(types, Kind.TEXT)
    if kind is Kind.FLOAT and int in types:
        if all(is_exact_float(value) for value in values if type(value) is int):
            source = "\n".join(written(value) or "" for value in values)
            return Run(kind, [None if value is None else float(value) for value in values], source)
        kind = Kind.TEXT
    if kind is Kind.TEXT:
        return Run(kind, list(map(written, values)), nested=dict in types or list in types)
    return Run(kind, values)


def _read_texts(values: Sequence[Any], column: Kind) -> Run:
    if column in (Kind.EMPTY, Kind.DATE, Kind.NAIVE, Kind.ZONED) and "" not in values:
        present = [value for value in values if value is not None] if None in values else values
        if found := parse_any(present, (Kind.DATE, Kind.NAIVE, Kind.ZONED)):
            kind, parsed = found
            if present is not values:
                rest = iter(parsed)
                parsed = [None if value is None else next(rest) for value in values]
            return Run(kind, parsed, None if kind is Kind.DATE else "")
    return Run(Kind.TEXT, values)
