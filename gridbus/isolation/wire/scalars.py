"""Values that msgpack has no form of its own for, marked so that they come back as what they were."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import msgspec

from gridbus.errors import PackingError

PLAIN = frozenset({type(None), bool, float, str, bytes})
_MOST_DEEP = 64
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_DATE, _DATETIME, _TIME, _DELTA, _DECIMAL, _UUID, _INT, _TUPLE, _SET, _FROZENSET = range(1, 11)

_TEXTS: dict[type[Any], tuple[int, Callable[[Any], str]]] = {
    date: (_DATE, date.isoformat),
    datetime: (_DATETIME, datetime.isoformat),
    time: (_TIME, time.isoformat),
    timedelta: (_DELTA, lambda value: f"{value.days},{value.seconds},{value.microseconds}"),
    Decimal: (_DECIMAL, str),
    UUID: (_UUID, str),
}
_READERS: dict[int, Callable[[str], Any]] = {
    _DATE: date.fromisoformat,
    _DATETIME: datetime.fromisoformat,
    _TIME: time.fromisoformat,
    _DELTA: lambda text: timedelta(*map(int, text.split(","))),
    _DECIMAL: Decimal,
    _UUID: UUID,
    _INT: int,
}
_CONTAINERS: dict[int, Callable[[list[Any]], Any]] = {_TUPLE: tuple, _SET: set, _FROZENSET: frozenset}


def mark(value: Any, path: str = "$", depth: int = 0) -> Any:
    """Return a value as msgpack has it, with marks on all that would come back as something else.

    Enums become their values, and objects with fields become maps: what they were, only a declared type can say.

    Raises:
        PackingError: something in it is no data.
    """
    kind = value.__class__
    if kind in PLAIN:
        return value
    if kind is int:
        return value if _SMALLEST <= value <= _LARGEST else msgspec.msgpack.Ext(_INT, str(value).encode())
    if depth > _MOST_DEEP:
        raise PackingError(f"it is nested more than {_MOST_DEEP} deep, or contains itself @ {path}")
    if kind is dict:
        return _mark_items(value, path, depth)
    if kind is list:
        return [mark(item, path, depth + 1) for item in value]
    known = _TEXTS.get(kind)
    if known is not None:
        return msgspec.msgpack.Ext(known[0], known[1](value).encode())
    return _mark_other(value, path, depth)


def _mark_items(value: Mapping[Any, Any], path: str, depth: int) -> dict[Any, Any]:
    return {
        (key if key.__class__ is str else mark(key, path, depth + 1)): mark(item, f"{path}.{key}", depth + 1)
        for key, item in value.items()
    }


def _mark_other(value: Any, path: str, depth: int) -> Any:
    for kind, code in ((tuple, _TUPLE), (set, _SET), (frozenset, _FROZENSET)):
        if value.__class__ is kind:
            items = [mark(item, path, depth + 1) for item in value]
            return msgspec.msgpack.Ext(code, msgspec.msgpack.encode(items))
    if isinstance(value, enum.Enum):
        return mark(value.value, path, depth + 1)
    if isinstance(value, str):  # a subclass, as topics are
        return str.__str__(value)
    if isinstance(value, int):
        return mark(int(value), path, depth + 1)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if attrs.has(type(value)):
        names = [field.name for field in attrs.fields(type(value))]
    elif isinstance(value, msgspec.Struct):
        names = list(value.__struct_fields__)
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        names = list(value.__dataclass_fields__)
    elif isinstance(value, Mapping):
        return _mark_items(value, path, depth)
    elif isinstance(value, AbstractSet | tuple):
        return [mark(item, path, depth + 1) for item in value]
    else:
        raise PackingError(
            f"a value of type {type(value).__qualname__} is no data and cannot cross a process border @ {path}: use "
            "plain values, attrs classes, dates and the like"
        )
    return {name: mark(getattr(value, name), f"{path}.{name}", depth + 1) for name in names}


def unmark(code: int, data: memoryview) -> Any:
    """Return what a mark stands for.

    Raises:
        ValueError: there is no such mark.
    """
    if code in _CONTAINERS:
        items = msgspec.msgpack.decode(data, type=list, ext_hook=unmark)
        return _CONTAINERS[code](items)
    read = _READERS.get(code)
    if read is None:
        raise ValueError(f"there is no mark {code}")
    try:
        return read(bytes(data).decode())
    except ArithmeticError as error:  # of Decimal
        raise ValueError(str(error)) from None
