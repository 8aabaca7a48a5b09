"""Values of no declared type, on their way out."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from msgspec.msgpack import Ext

from gridbus.isolation.wire.marks import MARKS, PLAIN, MarkedKey, mark_int, mark_items
from gridbus.isolation.wire.misfits import Misfit

_MOST_DEEP = 64
_KEYS = (str, MarkedKey)
_BASES = (datetime, date, time, timedelta, Decimal)

#: The names of the fields of a class, None where it has none; and what writes it where msgspec does not by itself.
FieldsOf = Callable[[type[Any]], tuple[tuple[str, ...] | None, Callable[[Any], Any] | None]]


class Marker:
    """Marks all that would come back as something else.

    Enums become their values, and objects with fields become maps: what they were, only a declared type can say.
    """

    __slots__ = ("_fields_of",)

    def __init__(self, fields_of: FieldsOf) -> None:
        self._fields_of = fields_of

    def mark(self, value: Any, depth: int = 0) -> Any:
        """Return a value as msgpack has it.

        Raises:
            Misfit: something in it is no data.
        """
        kind = value.__class__
        if kind is int:
            return mark_int(value)
        if kind in PLAIN or kind is Ext:
            return value
        known = MARKS.get(kind)
        if known is not None:
            return known(value)
        if depth > _MOST_DEEP:
            raise Misfit(f"it is nested more than {_MOST_DEEP} deep, or contains itself")
        if kind is dict:
            return self._items(value, depth)
        if kind is list:
            return self._list(value, depth)
        if kind in (tuple, set, frozenset):
            return mark_items(kind, self._list(value, depth))
        return self._other(value, depth)

    def _list(self, items: Iterable[Any], depth: int) -> list[Any]:
        made: list[Any] = []
        try:
            made.extend(item if item.__class__ is str else self.mark(item, depth + 1) for item in items)
        except Misfit as misfit:
            raise misfit.within(f"[{len(made)}]") from None
        return made

    def _items(self, items: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        key: Any = None
        try:
            for key, item in items.items():
                made[key if key.__class__ in _KEYS else self._key(key, depth)] = self.mark(item, depth + 1)
        except Misfit as misfit:
            raise misfit.within(f".{key}") from None
        return made

    def _key(self, key: Any, depth: int) -> Any:
        marked = self.mark(key, depth + 1)
        return MarkedKey(marked) if marked.__class__ is Ext else marked

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, enum.Enum):
            return self.mark(value.value, depth + 1)
        if isinstance(value, str):  # of a class of its own, as topics are
            return str.__str__(value)
        if isinstance(value, int):
            return mark_int(int.__int__(value))
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, bytes | memoryview):
            return bytes(value)
        for base in _BASES:
            if isinstance(value, base):
                return MARKS[base](value)
        names, write = self._fields_of(type(value))
        if names is not None:
            return self._object(value, names, write, depth)
        if isinstance(value, Mapping):
            return self._items(value, depth)
        if isinstance(value, tuple):
            return mark_items(tuple, self._list(value, depth))
        if isinstance(value, AbstractSet):
            return mark_items(frozenset, self._list(value, depth))
        kind = type(value)
        raise Misfit(
            f"a value of type {kind.__module__}.{kind.__qualname__} is no data: give plain values, dates and the like, "
            "or a class with fields (attrs, dataclass, msgspec)"
        )

    def _object(
        self, value: Any, names: tuple[str, ...], write: Callable[[Any], Any] | None, depth: int
    ) -> dict[str, Any]:
        if write is not None:
            return self._items(write(value), depth)
        return self._items({name: getattr(value, name) for name in names if hasattr(value, name)}, depth)
