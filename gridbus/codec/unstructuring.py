"""Typed objects to plain data, as JSON holds it."""

from __future__ import annotations

import enum
import os
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time
from typing import Any

import attrs
import msgspec

from gridbus.codec.wording import step
from gridbus.events.event import Event
from gridbus.query import And, Between, Compare, In, IsNull, Match, Not, Or, filter_to_json

_PLAIN = frozenset({type(None), bool, int, float, str})
_FILTERS = frozenset({Compare, In, Match, Between, IsNull, And, Or, Not})
_EVENT = ("id", "topic", "seq", "at", "source", "correlation_id", "causation_id", "hops", "payload")


def unstructure(value: Any) -> Any:
    """Return what JSON can hold: attrs classes and structs as dicts, enums by value, dates and datetimes in ISO form.

    Tuples and sets become lists, filters their JSON form, bytes base64, paths texts, an event a dict of what its
    properties say. Floats stay as they are, NaN included. It goes by what values are, not by what classes declare, so
    it keeps nothing of a class that it has seen.

    Raises:
        TypeError: something in it cannot be written; the message ends with ``@ path``.
    """
    try:
        return _plain(value)
    except _NotPlain as error:
        path = "".join(reversed(error.steps))
        raise TypeError(f"values of type {error} cannot be written as plain data @ ${path}") from None


class _NotPlain(TypeError):
    """Collects the steps to a value that cannot be written while it passes up."""

    def __init__(self, value: object) -> None:
        super().__init__(type(value).__qualname__)
        self.steps: list[str] = []


def _plain(value: Any) -> Any:
    cls = value.__class__
    if cls in _PLAIN:
        return value
    if cls is dict:
        return _plain_items(value.items())
    if cls is list or cls is tuple:
        return _plain_list(value)
    if cls in _FILTERS:
        return filter_to_json(value)
    if attrs.has(cls):
        return _plain_fields(value, [field.name for field in attrs.fields(cls)])
    return _plain_other(value)


def _plain_other(value: Any) -> Any:
    """Return what is met less often."""
    match value:
        case enum.Enum():
            return _plain(value.value)
        case str():  # a subclass, as topics are
            return str.__str__(value)
        case bool() | int():
            return int(value)
        case float():
            return float(value)
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray():
            return b64encode(value).decode()
        case os.PathLike():
            return os.fspath(value)
        case Mapping():
            return _plain_items(value.items())
        case list() | tuple() | deque():
            return _plain_list(value)
        case AbstractSet():
            return _plain_list(sorted(value, key=lambda item: (type(item).__name__, repr(item))))
        case Event():
            return _plain_fields(value, _EVENT)
        case msgspec.Struct():
            return _plain_fields(value, value.__struct_fields__)
    raise _NotPlain(value)


def _plain_fields(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return _plain_items((name, getattr(value, name)) for name in names)


def _plain_items(items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    found = {}
    key: Any = None
    try:
        for key, item in items:
            found[key if key.__class__ in _PLAIN else _plain_key(key)] = _plain(item)
    except _NotPlain as error:
        error.steps.append(step(key))
        raise
    return found


def _plain_key(key: Any) -> Any:
    plain = _plain(key)
    if plain.__class__ not in _PLAIN:  # a tuple, say, which JSON has no key for
        raise _NotPlain(key)
    return plain


def _plain_list(items: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    try:
        found.extend(map(_plain, items))  # what was added before one fails stays added
    except _NotPlain as error:
        error.steps.append(step(len(found)))
        raise
    return found
