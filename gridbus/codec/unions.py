"""Reading unions: the member is chosen by what the value is; filters have a form of their own."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, Union

import attrs

from gridbus.codec.containers import LISTS, MAPPINGS, origin_of
from gridbus.codec.scalars import Hook
from gridbus.codec.wording import Mismatch, type_name
from gridbus.query import And, Between, Compare, In, IsNull, Match, Not, Or, parse_filter

if TYPE_CHECKING:
    from cattrs import Converter

_FILTERS = frozenset({Compare, In, Match, Between, IsNull, And, Or, Not})


def _is_filter(kind: Any) -> bool:
    members = set(typing.get_args(kind)) - {type(None)} if _is_union(kind) else {kind}
    return members <= _FILTERS


def _make_filter(_: Converter, kind: Any) -> Hook:
    members = typing.get_args(kind) or (kind,)

    def structure_filter(value: Any, _: Any) -> Any:
        if isinstance(value, members):  # None too, where it is a member
            return value
        found = parse_filter(value)
        if not isinstance(found, members):
            raise Mismatch(f"expected a condition of the kind {type_name(kind)}, got {type_name(type(found))}")
        return found

    return structure_filter


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (Union, types.UnionType)


def _make_union(converter: Converter, kind: Any) -> Hook:
    members = sorted(typing.get_args(kind), key=_rank)
    names = [type_name(member) for member in typing.get_args(kind)]

    def structure_union(value: Any, _: Any) -> Any:
        fitting = [member for member in members if _may_be(member, value)]
        errors: list[Exception] = []
        for member in fitting:
            try:
                return converter.structure(value, member)
            except Exception as error:
                errors.append(error)
        if errors:
            raise min(errors, key=_count)  # what came closest
        raise Mismatch.of(" or ".join(sorted(names, key="null".__eq__)), value)  # null last

    return structure_union


def _rank(member: Any) -> int:
    """Order members so that the narrower one is tried first: literals, enums, a text as text, then as a date."""
    if typing.get_origin(member) is Literal:
        return 0
    if not isinstance(member, type):
        return 5
    if _is_enum(member):
        return 1
    if member is type(None) or issubclass(member, bool | str):
        return 2
    return {int: 2, float: 3}.get(member, 4)


def _may_be(member: Any, value: Any) -> bool:
    """Tell whether a value of this shape can be meant as this member."""
    origin = origin_of(member)
    if member in (Any, object) or (isinstance(member, type) and isinstance(value, member)):
        return not (isinstance(value, bool) and member in (int, float))
    if origin in MAPPINGS or attrs.has(origin) or typing.is_typeddict(origin):
        return isinstance(value, Mapping)
    if origin in LISTS:
        return isinstance(value, list | tuple | AbstractSet)
    if origin is float:
        return type(value) is int
    if origin is Literal or _is_enum(origin):
        choices = tuple(choice.value for choice in origin) if _is_enum(origin) else typing.get_args(member)
        return type(value) in map(type, choices)
    return isinstance(value, str) and isinstance(origin, type) and issubclass(origin, str | date | bytes | Path)


def _is_enum(kind: Any) -> TypeGuard[type[enum.Enum]]:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _count(error: BaseException) -> int:
    """Count the single problems in an error."""
    return sum(map(_count, error.exceptions)) if isinstance(error, BaseExceptionGroup) else 1


FACTORIES: Sequence[tuple[Callable[[Any], bool], Callable[[Any, Any], Hook]]] = (
    (_is_union, _make_union),
    (_is_filter, _make_filter),
)
