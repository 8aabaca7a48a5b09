"""What a column takes: checks and conversions of cell values, and types inferred from Python values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, TypeAlias

from gridbus.errors import ValueRejected
from gridbus.events.grid import Column, ColumnType
from gridbus.query import Value

Cells: TypeAlias = tuple[Any, ...]
"""One row as it is stored: its cells in column order, then its id."""

EXACT: Mapping[ColumnType, type] = {
    ColumnType.INT: int,
    ColumnType.FLOAT: float,
    ColumnType.BOOL: bool,
    ColumnType.DATE: date,
    ColumnType.DATETIME: datetime,
    ColumnType.TEXT: str,
}
"""The one Python type that the cells of a column have, empty ones aside."""

_EXPECTED = {
    ColumnType.INT: "a whole number",
    ColumnType.FLOAT: "a number",
    ColumnType.BOOL: "true or false",
    ColumnType.DATE: "a date (YYYY-MM-DD)",
    ColumnType.DATETIME: "a date and time (YYYY-MM-DDTHH:MM:SS)",
    ColumnType.TEXT: "a text",
}


def fit(kind: ColumnType, value: object) -> Value:
    """Return ``value`` as a column of this type stores it.

    An int fits a float column and ISO text fits date and datetime columns; a bool is no int; NaN is an empty cell, as
    in SQL, since nothing can be compared with it. None fits everywhere.

    Raises:
        ValueError: it does not fit; the message says what was expected and what came.
    """
    if value is None:
        return None
    found = _fitting(kind, value)
    if found is None:
        raise ValueError(f"expected {_EXPECTED[kind]}, got {described(value)}")
    return None if found != found else found


def fit_cell(column: Column, value: object, where: str) -> Value:
    """Return ``value`` as ``column`` stores it.

    Raises:
        ValueRejected: it does not fit; the message begins with ``where`` and names the column.
    """
    try:
        return fit(column.type, value)
    except ValueError as error:
        raise ValueRejected(f"{where}, column {column.name!r}: {error}") from None


def described(value: object) -> str:
    """Return a value as an error message shows it: kind and content, shortened."""
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        text = repr(value)
    except Exception:  # whatever a foreign __repr__ raises must not hide what is being reported
        text = "..."
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"{_kind_of(type(value))} {text}"


def cell_text(value: Value) -> str:
    """Return a cell as the text that ids are made of."""
    return value.isoformat() if isinstance(value, date) else str(value)


def infer_type(kinds: Iterable[type], name: str) -> ColumnType:
    """Return the column type that holds values of all these Python types; TEXT where there are none.

    Raises:
        ValueRejected: no column type holds them all.
    """
    found = {_closest(kind, name) for kind in kinds if kind is not type(None)}
    if not found:
        return ColumnType.TEXT
    if len(found) == 1:
        return found.pop()
    if found == {ColumnType.INT, ColumnType.FLOAT}:
        return ColumnType.FLOAT
    if found == {ColumnType.DATE, ColumnType.DATETIME}:
        return ColumnType.DATETIME
    listing = " and ".join(sorted(kind.value for kind in found))
    raise ValueRejected(f"column {name!r} mixes {listing}: convert the values, or say which columns there are")


def plain(values: object) -> Mapping[str, Value]:
    """Return what somebody tried to write as data that a fact can carry, whatever it was."""
    if not isinstance(values, Mapping):
        return {}
    return {
        str(name): value if value is None or isinstance(value, bool | int | float | str | date) else described(value)
        for name, value in values.items()
    }


def _fitting(kind: ColumnType, value: object) -> Value:
    """Return the value as the exact type, None where it does not fit."""
    match kind:
        case ColumnType.INT:
            return int(value) if isinstance(value, int) and not isinstance(value, bool) else None
        case ColumnType.FLOAT:
            return _float(value)
        case ColumnType.BOOL:
            return value if isinstance(value, bool) else None
        case ColumnType.DATE:
            return _date(value)
        case ColumnType.DATETIME:
            return _datetime(value)
        case ColumnType.TEXT:
            return str.__str__(value) if isinstance(value, str) else None


def _float(value: object) -> float | None:
    if isinstance(value, float):
        return float(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number == value else None  # a number of more digits than a float has would change


def _date(value: object) -> date | None:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


def _datetime(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, time()) if isinstance(value, date) else None


def _closest(kind: type, name: str) -> ColumnType:
    for column_type in (ColumnType.BOOL, ColumnType.INT, ColumnType.FLOAT, ColumnType.DATETIME, ColumnType.DATE):
        if issubclass(kind, EXACT[column_type]):
            return column_type
    if issubclass(kind, str):
        return ColumnType.TEXT
    raise ValueRejected(
        f"column {name!r} holds values of type {kind.__qualname__}: "
        f"a cell is a text, int, float, bool, date, datetime or None"
    )


def _kind_of(kind: type) -> str:
    for word, known in (("text", str), ("int", int), ("float", float), ("datetime", datetime), ("date", date)):
        if issubclass(kind, known):
            return word
    return kind.__qualname__
