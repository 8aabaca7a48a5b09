"""What a view asks for, as data: filters, sort keys and pages, read from JSON with errors that name the path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

import attrs

from gridbus.errors import QueryError

Value: TypeAlias = bool | int | float | str | date | datetime | None

CompareOp: TypeAlias = Literal["eq", "ne", "lt", "le", "gt", "ge"]
TextOp: TypeAlias = Literal["contains", "startswith"]


@attrs.frozen
class Compare:
    """``column op value``; an empty cell satisfies only ``eq None`` and ``ne value``."""

    column: str
    op: CompareOp
    value: Value


@attrs.frozen
class In:
    """The cell is one of ``values``."""

    column: str
    values: tuple[Value, ...]


@attrs.frozen
class Match:
    """The cell's text contains or starts with ``text``; case counts."""

    column: str
    op: TextOp
    text: str


@attrs.frozen
class Between:
    """``low <= cell <= high``."""

    column: str
    low: Value
    high: Value


@attrs.frozen
class IsNull:
    """The cell is empty (``null=True``), or is not."""

    column: str
    null: bool = True


@attrs.frozen
class And:
    """All of ``parts`` hold; with no parts, always."""

    parts: tuple[Filter, ...]


@attrs.frozen
class Or:
    """One of ``parts`` holds at least; with no parts, never."""

    parts: tuple[Filter, ...]


@attrs.frozen
class Not:
    """``part`` does not hold."""

    part: Filter


Filter: TypeAlias = Compare | In | Match | Between | IsNull | And | Or | Not


@attrs.frozen
class SortKey:
    """One column to sort by; empty cells come last, either way."""

    column: str
    desc: bool = False


@attrs.frozen
class Page:
    """One page of the view: ``number`` counts from 1, ``size`` rows each; ``size=None`` shows all."""

    number: int = 1
    size: int | None = None


_COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
_TEXT = ("contains", "startswith")
_OPERATORS = (*_COMPARE, "in", *_TEXT, "between", "is_null")
_MAX_DEPTH = 50


def parse_filter(data: Any) -> Filter:
    """Read the JSON form of a filter.

    A condition is ``{"column": name, op: value}`` with one or more of eq, ne, lt, le, gt, ge, in, contains,
    startswith, between, is_null (several are joined by *and*); conditions are joined by ``{"and": [...]}``,
    ``{"or": [...]}`` and ``{"not": {...}}``.

    Raises:
        QueryError: the form is wrong; the message ends with the path, as in ``@ $.and[1].column``.
    """
    return _parse(data, "$", 0)


def columns_of(where: Filter) -> Iterator[str]:
    """Yield each column that a filter looks at, in order, possibly more than once."""
    match where:
        case And(parts) | Or(parts):
            for part in parts:
                yield from columns_of(part)
        case Not(part):
            yield from columns_of(part)
        case _:
            yield where.column


def filter_to_json(where: Filter) -> dict[str, Any]:
    """Return the JSON form of a filter: the inverse of ``parse_filter``.

    Dates and datetimes become ISO texts, as JSON has none; the grid reads them back by the type of their column.
    """
    match where:
        case And(parts):
            return {"and": [filter_to_json(part) for part in parts]}
        case Or(parts):
            return {"or": [filter_to_json(part) for part in parts]}
        case Not(part):
            return {"not": filter_to_json(part)}
        case Compare(column, op, value):
            return {"column": column, op: _plain(value)}
        case In(column, values):
            return {"column": column, "in": [_plain(value) for value in values]}
        case Match(column, match_op, text):
            return {"column": column, match_op: text}
        case Between(column, low, high):
            return {"column": column, "between": [_plain(low), _plain(high)]}
        case IsNull(column, null):
            return {"column": column, "is_null": null}


def _plain(value: Value) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def parse_sort(data: Any) -> tuple[SortKey, ...]:
    """Read ``[{"column": name, "desc": bool}, ...]``; a plain name stands for an ascending key.

    Raises:
        QueryError: the form is wrong.
    """
    if isinstance(data, str | Mapping):
        data = [data]
    if not isinstance(data, list | tuple):
        raise QueryError(f"a sort is a list of keys, not {type(data).__name__} @ $")
    return tuple(_parse_key(item, f"$[{index}]") for index, item in enumerate(data))


def _parse_key(item: Any, path: str) -> SortKey:
    if isinstance(item, str):
        return SortKey(item)
    if not isinstance(item, Mapping) or not isinstance(item.get("column"), str):
        raise QueryError(f'a sort key is {{"column": name, "desc": true or false}} @ {path}')
    if unknown := set(item) - {"column", "desc"}:
        raise QueryError(f"unknown key {sorted(map(str, unknown))[0]!r} @ {path}")
    if not isinstance(desc := item.get("desc", False), bool):
        raise QueryError(f"desc is true or false, not {desc!r} @ {path}.desc")
    return SortKey(item["column"], desc)


def _parse(data: Any, path: str, depth: int) -> Filter:
    if depth > _MAX_DEPTH:
        raise QueryError(f"nested deeper than {_MAX_DEPTH} levels @ {path[:80]}")
    if not isinstance(data, Mapping):
        raise QueryError(f"a condition is an object, not {type(data).__name__} @ {path}")
    for word, kind in (("and", And), ("or", Or)):
        if word in data:
            _only(data, word, path)
            parts = data[word]
            if not isinstance(parts, list | tuple):
                raise QueryError(f"{word!r} takes a list of conditions @ {path}.{word}")
            return kind(tuple(_parse(part, f"{path}.{word}[{i}]", depth + 1) for i, part in enumerate(parts)))
    if "not" in data:
        _only(data, "not", path)
        return Not(_parse(data["not"], f"{path}.not", depth + 1))
    return _parse_condition(data, path)


def _only(data: Mapping[str, Any], word: str, path: str) -> None:
    if len(data) > 1:
        raise QueryError(f"{word!r} stands alone in its object @ {path}")


def _parse_condition(data: Mapping[str, Any], path: str) -> Filter:
    column = data.get("column")
    if not isinstance(column, str):
        raise QueryError(f"a condition names its column, or is and, or, not @ {path}.column")
    operators = [key for key in data if key != "column"]
    if not operators:
        raise QueryError(f"no operator: give one of {', '.join(_OPERATORS)} @ {path}")
    parts = tuple(_parse_operator(column, str(op), data[op], f"{path}.{op}") for op in operators)
    return parts[0] if len(parts) == 1 else And(parts)


def _parse_operator(column: str, op: str, value: Any, path: str) -> Filter:
    if op in _COMPARE:
        return Compare(column, op, _scalar(value, path))  # type: ignore[arg-type]
    if op in _TEXT:
        if not isinstance(value, str):
            raise QueryError(f"{op} takes a text @ {path}")
        return Match(column, op, value)  # type: ignore[arg-type]
    if op == "in":
        if not isinstance(value, list | tuple):
            raise QueryError(f"in takes a list @ {path}")
        return In(column, tuple(_scalar(item, f"{path}[{i}]") for i, item in enumerate(value)))
    if op == "between":
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise QueryError(f"between takes [low, high] @ {path}")
        return Between(column, _scalar(value[0], f"{path}[0]"), _scalar(value[1], f"{path}[1]"))
    if op == "is_null":
        if not isinstance(value, bool):
            raise QueryError(f"is_null is true or false @ {path}")
        return IsNull(column, value)
    raise QueryError(f"unknown operator {op!r}: one of {', '.join(_OPERATORS)} @ {path}")


def _scalar(value: Any, path: str) -> Value:
    if value is None or isinstance(value, bool | int | float | str | date):
        return value
    raise QueryError(
        f"a value is a text, number, true, false, null, date or datetime, not {type(value).__name__} @ {path}"
    )
