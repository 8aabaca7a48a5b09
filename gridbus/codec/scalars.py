"""Reading single values: numbers, texts, dates, paths, enums and literals."""

from __future__ import annotations

import base64
import binascii
import enum
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gridbus.codec.wording import Mismatch, quoted, shown, suggestion

Hook: TypeAlias = Callable[[Any, Any], Any]


def read_scalar(value: Any, kind: Any) -> Any:
    """Read one value as ``kind``: a scalar type, or a subclass of one, as cattrs looks hooks up by class."""
    if issubclass(kind, enum.Enum):
        return _read_enum(value, kind)
    if type(value) is kind or (isinstance(value, kind) and kind not in _EXACT):
        return value
    base = next(base for base in kind.__mro__ if base in READERS)
    plain = READERS[base](value)
    subclass: Any = kind
    return plain if kind is base else subclass(plain)


def _reader(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, kind) and (type(value) is kind or kind is str):
            return value
        raise Mismatch.of(kind.__name__, value)

    return read


def _read_float(value: Any) -> float:
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            pass
    raise Mismatch.of("float", value)


def _read_date(value: Any) -> date:
    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Mismatch.of("a date (YYYY-MM-DD)", value)


def _read_datetime(value: Any) -> datetime:
    if isinstance(value, str) and len(value) > 10:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise Mismatch.of("a datetime (YYYY-MM-DDTHH:MM:SS)", value)


def _read_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error):
            pass
    raise Mismatch.of("bytes in base64", value)


def _read_path(value: Any) -> Path:
    if isinstance(value, str) and "\0" not in value:
        return Path(value)
    raise Mismatch.of("a path", value)


def read_null(value: Any, _: Any) -> None:
    """Read None, which nothing else stands for."""
    if value is not None:
        raise Mismatch.of("null", value)


READERS: Mapping[type, Callable[[Any], Any]] = {
    str: _reader(str),
    int: _reader(int),
    bool: _reader(bool),
    float: _read_float,
    bytes: _read_bytes,
    date: _read_date,
    datetime: _read_datetime,
    Path: _read_path,
}
"""How each scalar type is read from a value that is not of it yet."""

_EXACT = frozenset({int, date})  # a bool is an int to Python and a datetime a date, but not here


def _read_enum(value: Any, kind: type[enum.Enum]) -> enum.Enum:
    return value if isinstance(value, kind) else kind(_choice(value, [member.value for member in kind]))


def _choice(value: Any, choices: Sequence[Any]) -> Any:
    """Return the choice that ``value`` is, or the enum member that it is the value of."""
    plain = [choice.value if isinstance(choice, enum.Enum) else choice for choice in choices]
    for choice, written in zip(choices, plain, strict=True):
        if value is choice or (type(value) is type(written) and value == written):
            return choice
    near = suggestion(value, [written for written in plain if isinstance(written, str)])
    raise Mismatch(f"expected one of {', '.join(map(quoted, plain))}, got {shown(value)}{near}")


def _make_enum(_: Any, kind: Any) -> Hook:
    return lambda value, _: _read_enum(value, kind)


def _make_literal(_: Any, kind: Any) -> Hook:
    choices = typing.get_args(kind)
    return lambda value, _: _choice(value, choices)


FACTORIES: Sequence[tuple[Callable[[Any], bool], Callable[[Any, Any], Hook]]] = (
    (lambda kind: isinstance(kind, type) and issubclass(kind, enum.Enum), _make_enum),
    (lambda kind: typing.get_origin(kind) is Literal, _make_literal),
)
