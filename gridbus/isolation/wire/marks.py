"""Values that msgpack has no form of its own for, marked so that they come back as what they were."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.msgpack import Decoder, Encoder, Ext

PLAIN = frozenset({type(None), bool, int, float, str, bytes})
"""Classes that msgpack has a form for; integers beyond 64 bits it has none for, and says so."""

SMALLEST, LARGEST = -(2**63), 2**64 - 1

_DATE, _DATETIME, _TIME, _DELTA, _DECIMAL, _UUID, _INT, _TUPLE, _SET, _FROZENSET, _BYTEARRAY = range(1, 12)

_FOLD = "~"  # behind a time that the clocks show twice, where it is the second of them


class MarkedKey:
    """A mark that can be the key of a map, which ``Ext`` itself cannot."""

    __slots__ = ("mark",)

    def __init__(self, mark: Ext) -> None:
        self.mark = mark


def _reveal(value: Any) -> Ext:
    if value.__class__ is MarkedKey:
        return value.mark
    raise TypeError(f"a value of type {type(value).__qualname__} is no data")


encode = Encoder(enc_hook=_reveal).encode
"""Write what is marked as far as it needs to be."""


def _mark_text(code: int, text: Callable[[Any], str]) -> Callable[[Any], Ext]:
    return lambda value: Ext(code, text(value).encode())


def _iso(value: datetime | time) -> str:
    kind = datetime if isinstance(value, datetime) else time  # a subclass may have a form of its own
    text = kind.isoformat(value)  # type: ignore[arg-type]
    return f"{text}{_FOLD}" if value.fold else text


def mark_int(value: int) -> int | Ext:
    """Return an integer, marked where it has more than 64 bits."""
    if SMALLEST <= value <= LARGEST:
        return value
    return Ext(_INT, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def mark_items(kind: type[Any], items: list[Any]) -> Ext | list[Any]:
    """Return items that are marked already as what they came in: a tuple, set or frozenset."""
    code = _ITEMS.get(kind)
    return items if code is None else Ext(code, encode(items))


MARKS: dict[type[Any], Callable[[Any], Ext]] = {
    date: lambda value: Ext(_DATE, value.toordinal().to_bytes(3, "little")),
    datetime: _mark_text(_DATETIME, _iso),
    time: _mark_text(_TIME, _iso),
    timedelta: _mark_text(_DELTA, lambda value: f"{value.days},{value.seconds},{value.microseconds}"),
    Decimal: _mark_text(_DECIMAL, str),
    UUID: lambda value: Ext(_UUID, value.bytes),
    bytearray: lambda value: Ext(_BYTEARRAY, bytes(value)),
}
"""How to mark scalars of these very classes."""

_ITEMS: dict[type[Any], int] = {tuple: _TUPLE, set: _SET, frozenset: _FROZENSET}


def unmark(code: int, data: memoryview) -> Any:
    """Return what a mark stands for.

    Raises:
        ValueError: there is no such mark, or it holds something else.
    """
    read = _READERS.get(code)
    if read is None:
        raise ValueError(f"there is no mark {code}")
    try:
        return read(data)
    except (ArithmeticError, TypeError) as error:  # of Decimal and date; of sets, where an item is no hashable value
        raise ValueError(f"mark {code} holds something else: {error}") from None


def _text(read: Callable[[str], Any]) -> Callable[[memoryview], Any]:
    return lambda data: read(str(data, "utf-8"))


decode = Decoder(ext_hook=unmark).decode
"""Read plain data, with what is marked in it."""


def _folded(read: Callable[[str], Any]) -> Callable[[memoryview], Any]:
    def read_folded(data: memoryview) -> Any:
        text = str(data, "utf-8")
        return read(text[:-1]).replace(fold=1) if text[-1:] == _FOLD else read(text)

    return read_folded


_read_list = Decoder(list, ext_hook=unmark).decode

_READERS: dict[int, Callable[[memoryview], Any]] = {
    _DATE: lambda data: date.fromordinal(int.from_bytes(data, "little")),
    _DATETIME: _folded(datetime.fromisoformat),
    _TIME: _folded(time.fromisoformat),
    _DELTA: _text(lambda text: timedelta(*map(int, text.split(",")))),
    _DECIMAL: _text(Decimal),
    _UUID: lambda data: UUID(bytes=bytes(data)),
    _INT: lambda data: int.from_bytes(data, "little", signed=True),
    _TUPLE: lambda data: tuple(_read_list(data)),
    _SET: lambda data: set(_read_list(data)),
    _FROZENSET: lambda data: frozenset(_read_list(data)),
    _BYTEARRAY: bytearray,
}
