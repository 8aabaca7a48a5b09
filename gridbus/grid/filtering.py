"""Filters checked against columns and made ready to run over many rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import compress
from operator import and_, itemgetter, not_, or_
from typing import Any, TypeAlias

import attrs

from gridbus.errors import QueryError
from gridbus.events.grid import Column, ColumnType
from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells, described, fit
from gridbus.query import And, Between, Compare, Filter, In, IsNull, Match, Not, Or, Value, columns_of

Mask: TypeAlias = Callable[[Sequence[Cells]], list[bool]]
"""Tells of each row whether it passes."""

_NUMBERS = (ColumnType.INT, ColumnType.FLOAT)


class RowFilter:
    """A filter that fits its columns: ``select`` returns the rows that pass, in order.

    The parts of an outer *and* run one after the other, each over the rows that the ones before it left. There is no
    eval: each operator is one comprehension over the rows, with its column and operand bound.
    """

    __slots__ = ("_masks", "columns", "where")

    def __init__(self, where: Filter, schema: Schema) -> None:
        """Check the filter and make it ready.

        Raises:
            QueryError: a column does not exist, or an operand or operator does not fit its column.
        """
        self.where = where
        parts = where.parts if isinstance(where, And) else (where,)
        paths = [f"$.and[{index}]" for index in range(len(parts))] if isinstance(where, And) else ["$"]
        self._masks = [_compile(part, schema, path) for part, path in zip(parts, paths, strict=True)]
        self.columns = frozenset(columns_of(where))

    def select(self, rows: Sequence[Cells]) -> Sequence[Cells]:
        """Return the rows that pass."""
        for mask in self._masks:
            if not rows:
                break
            rows = list(compress(rows, mask(rows)))
        return rows


def _compile(where: Filter, schema: Schema, path: str) -> Mask:
    match where:
        case And(parts):
            return _joined([_compile(part, schema, f"{path}.and[{i}]") for i, part in enumerate(parts)], and_, True)
        case Or(parts):
            return _joined([_compile(part, schema, f"{path}.or[{i}]") for i, part in enumerate(parts)], or_, False)
        case Not(part):
            inner = _compile(part, schema, f"{path}.not")
            return lambda rows: list(map(not_, inner(rows)))
    if not isinstance(where, Compare | In | Match | Between | IsNull):
        raise QueryError(f"a filter is made of conditions (parse_filter reads JSON), not {described(where)} @ {path}")
    position = schema.index.get(where.column)
    if position is None:
        raise QueryError(f"{schema.unknown(where.column)} @ {path}.column")
    column = schema.columns[position]
    match where:
        case IsNull(_, null):
            return _is_null(position) if null else _is_filled(position)
        case Match(_, op, text):
            return _match(column, position, op, text, f"{path}.{op}")
        case In(_, values):
            operands = [_operand(column, value, f"{path}.in[{i}]", null=True) for i, value in enumerate(values)]
            return _one_of(column, position, operands)
        case Between(_, low, high):
            lowest = _operand(column, low, f"{path}.between[0]")
            highest = _operand(column, high, f"{path}.between[1]")
            return _between(column, position, lowest, highest)
        case Compare(_, op, value):
            operand = _operand(column, value, f"{path}.{op}", null=op in ("eq", "ne"))
            return _compare(column, position, op, operand, path)


def _operand(column: Column, value: object, path: str, *, null: bool = False) -> Value:
    """Return an operand as the column's cells can be compared with it."""
    if value is None:
        if null:
            return None
        raise QueryError(f"an empty cell is neither less nor greater: use is_null, or eq or ne null @ {path}")
    if column.type in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        if value != value:
            raise QueryError(f"NaN compares with nothing: use is_null @ {path}")
        return value
    try:
        return fit(column.type, value)
    except ValueError:
        raise QueryError(
            f"column {column.name!r} is {column.type.value}, so it cannot be compared with {described(value)} @ {path}"
        ) from None


def _joined(masks: list[Mask], join: Callable[[bool, bool], bool], empty: bool) -> Mask:
    if not masks:
        return lambda rows: [empty] * len(rows)
    first, rest = masks[0], masks[1:]

    def mask(rows: Sequence[Cells]) -> list[bool]:
        found = first(rows)
        for other in rest:
            found = list(map(join, found, other(rows)))
        return found

    return mask


def _is_null(i: int) -> Mask:
    return lambda rows: [row[i] is None for row in rows]


def _is_filled(i: int) -> Mask:
    return lambda rows: [row[i] is not None for row in rows]


def _match(column: Column, i: int, op: str, text: object, path: str) -> Mask:
    if column.type is not ColumnType.TEXT:
        raise QueryError(f"{op} is for text, and column {column.name!r} is {column.type.value} @ {path}")
    if not isinstance(text, str):
        raise QueryError(f"{op} takes a text, not {described(text)} @ {path}")
    if op == "contains":
        return lambda rows: [(v := row[i]) is not None and text in v for row in rows]
    if op == "startswith":
        return lambda rows: [(v := row[i]) is not None and v.startswith(text) for row in rows]
    raise QueryError(f"unknown operator {op!r} @ {path}")


def _one_of(column: Column, i: int, operands: list[Value]) -> Mask:
    values = frozenset(operands)
    if column.type is ColumnType.DATETIME:
        instants = frozenset(map(instant, operands))
        return lambda rows: [instant(row[i]) in instants for row in rows]
    return lambda rows: [row[i] in values for row in rows]


def _between(column: Column, i: int, low: Any, high: Any) -> Mask:
    if column.type is ColumnType.DATETIME:
        return _zoned(i, [low, high], lambda at, ends: _between_values(at, ends[0], ends[1]))
    return _between_values(i, low, high)


def _between_values(i: int, low: Any, high: Any) -> Mask:
    return lambda rows: [(v := row[i]) is not None and low <= v <= high for row in rows]


def _compare(column: Column, i: int, op: str, x: Any, path: str) -> Mask:
    if op not in _COMPARISONS:
        raise QueryError(f"unknown operator {op!r} @ {path}")
    if x is None:
        return _is_null(i) if op == "eq" else _is_filled(i)
    make = _COMPARISONS[op]
    if column.type is ColumnType.DATETIME:
        return _zoned(i, [x], lambda at, operands: make(at, operands[0]))
    return make(i, x)


_COMPARISONS: dict[str, Callable[[int, Any], Mask]] = {
    "eq": lambda i, x: lambda rows: [row[i] == x for row in rows],
    "ne": lambda i, x: lambda rows: [row[i] != x for row in rows],
    "lt": lambda i, x: lambda rows: [(v := row[i]) is not None and v < x for row in rows],
    "le": lambda i, x: lambda rows: [(v := row[i]) is not None and v <= x for row in rows],
    "gt": lambda i, x: lambda rows: [(v := row[i]) is not None and v > x for row in rows],
    "ge": lambda i, x: lambda rows: [(v := row[i]) is not None and v >= x for row in rows],
}


def _zoned(i: int, operands: list[datetime], make: Callable[[int, list[Any]], Mask]) -> Mask:
    """Compare datetimes of which some may have a zone and others not, see ``instant``.

    Where no cell and no operand has a zone, or all have one, they are compared as they are.
    """
    direct, converted = make(i, operands), make(0, [instant(operand) for operand in operands])
    zoned = {operand.tzinfo is not None for operand in operands}

    def mask(rows: Sequence[Cells]) -> list[bool]:
        if len(zoned.union(zones(map(itemgetter(i), rows)))) == 1:
            return direct(rows)
        return converted([(instant(row[i]),) for row in rows])

    return mask


def renamed(where: Filter, names: Mapping[str, str]) -> Filter:
    """Return a filter with other column names."""
    match where:
        case And(parts) | Or(parts):
            return attrs.evolve(where, parts=tuple(renamed(part, names) for part in parts))
        case Not(part):
            return Not(renamed(part, names))
        case _:
            return attrs.evolve(where, column=names.get(where.column, where.column))


def zones(datetimes: Iterable[datetime | None]) -> set[bool]:
    """Return whether datetimes have a zone: the answers that occur."""
    return {when.tzinfo is not None for when in datetimes if when is not None}


def instant(when: Any) -> datetime | None:
    """Return a datetime with a zone: one that has none counts as UTC, so that any two can be compared."""
    if when is None:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when  # type: ignore[no-any-return]
