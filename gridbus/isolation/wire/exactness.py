"""Which types msgspec writes and reads by itself so that each value comes back as what it was."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections import abc
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, get_args, get_origin
from uuid import UUID

import msgspec

from gridbus.isolation.wire.shapes import has_fields, hints_of, shape_of, substitute

_SCALARS = frozenset({type(None), bool, int, float, str, bytes, bytearray, date, timedelta, Decimal, UUID})
_CONTAINERS = frozenset(
    {list, dict, tuple, set, frozenset, abc.Mapping, abc.MutableMapping, abc.Sequence, abc.MutableSequence}
    | {abc.Collection, abc.Iterable, abc.Set, abc.MutableSet}
)
_WRAPPERS = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final)


def is_exact(annotation: Any) -> bool:
    """Tell whether msgspec alone will do for a type.

    Not for what it knows no type of (``Any``), not for datetimes (their offset would be lost) and times, and not for
    unions of classes, of which it cannot say which one came.

    Raises:
        Misfit: an annotation within cannot be resolved.
    """
    if not _is_exact(annotation, set()):
        return False
    try:
        msgspec.msgpack.Decoder(annotation)
    except (TypeError, NameError, AttributeError, RecursionError):
        return False
    return True


def bare(annotation: Any) -> Any:
    """Return a type without what it is wrapped in: ``Annotated``, ``Required``, ``NewType``, an alias."""
    while True:
        if hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif get_origin(annotation) in _WRAPPERS:
            annotation = get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return type(None) if annotation is None else annotation


def _is_exact(annotation: Any, seen: set[Any]) -> bool:
    annotation = bare(annotation)
    if annotation in _SCALARS:
        return True
    if annotation is Any or annotation is object or isinstance(annotation, typing.TypeVar):
        return False
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is typing.Literal:
        return all(type(value) in (str, int, type(None)) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return all(_is_exact(member, seen) for member in arguments)
    if origin in _CONTAINERS:
        return all(argument is Ellipsis or _is_exact(argument, seen) for argument in arguments)
    if annotation in seen:
        return True
    seen.add(annotation)
    return _has_exact_parts(origin or annotation, arguments, seen)


def _has_exact_parts(kind: Any, arguments: tuple[Any, ...], seen: set[Any]) -> bool:
    if has_fields(kind):
        replaced = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
        shape = shape_of(kind, replaced)
        is_native = shape.is_native or (issubclass(kind, msgspec.Struct) and kind.__struct_config__.tag is None)
        return is_native and not _wants_more(kind) and all(_is_exact(field.hint, seen) for field in shape.fields)
    if not isinstance(kind, type):
        return False
    if issubclass(kind, enum.Enum):
        return all(type(member.value) in (str, int) for member in kind)
    if typing.is_typeddict(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        return all(_is_exact(substitute(hint, {}), seen) for hint in hints_of(kind).values())
    return False


def _wants_more(kind: Any) -> bool:
    """Tell whether a dataclass has pseudo-fields that its ``__post_init__`` needs."""
    found = getattr(kind, "__dataclass_fields__", {})
    return dataclasses.is_dataclass(kind) and any("InitVar" in str(field.type) for field in found.values())
