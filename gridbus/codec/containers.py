"""Reading attrs classes, lists and mappings."""

from __future__ import annotations

import collections
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import attrs
from cattrs.errors import IterableValidationError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn

from gridbus.codec.scalars import Hook
from gridbus.codec.wording import Mismatch, type_name

if TYPE_CHECKING:
    from cattrs import Converter

LISTS: Mapping[Any, Callable[[Iterable[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.deque: collections.deque,
    AbstractSet: frozenset,
    Collection: tuple,
    Iterable: tuple,
    MutableSequence: list,
    Sequence: tuple,
}
"""What a list is read as, by the type that its place declares."""

MAPPINGS = frozenset({dict, Mapping, MutableMapping})


def origin_of(kind: Any) -> Any:
    """Return ``list`` of ``list[int]``, and a plain type as it is."""
    return typing.get_origin(kind) or kind


def _make_class(converter: Converter, kind: Any) -> Hook:
    cls = origin_of(kind)
    try:
        attrs.resolve_types(cls)
    except NameError as error:
        raise Mismatch(f"{type_name(cls)} cannot be read: {error} when its module runs, import it there") from None
    # The source of the generated function is not kept for tracebacks: it would stay when a plugin's class goes.
    read = make_dict_structure_fn(kind, converter, _cattrs_use_linecache=False)

    def structure_class(value: Any, _: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise Mismatch.of(f"mapping ({type_name(cls)})", value)
        return read(value, kind)

    return structure_class


def _make_list(converter: Converter, kind: Any) -> Hook:
    build, args = LISTS[origin_of(kind)], typing.get_args(kind)
    fixed = build is tuple and bool(args) and origin_of(kind) is tuple and args[-1] is not Ellipsis

    def structure_list(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple | AbstractSet | collections.deque):
            raise Mismatch.of("list", value)
        if fixed and len(value) != len(args):
            raise Mismatch.of(f"list of {len(args)}", value)
        kinds = args if fixed else (args[0] if args else Any,) * len(value)
        return build(_read_each(converter, kind, zip(range(len(value)), value, kinds, strict=True)))

    return structure_list


def _make_mapping(converter: Converter, kind: Any) -> Hook:
    key_kind, value_kind = typing.get_args(kind) or (Any, Any)

    def structure_mapping(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Mismatch.of("mapping", value)
        keys = _read_each(converter, kind, ((key, key, key_kind) for key in value))
        values = _read_each(converter, kind, ((key, item, value_kind) for key, item in value.items()))
        return dict(zip(keys, values, strict=True))

    return structure_mapping


def _read_each(converter: Converter, kind: Any, items: Iterable[tuple[Any, Any, Any]]) -> list[Any]:
    """Read items given as (place, value, type), and raise what went wrong with any of them together."""
    found, errors = [], []
    for place, value, item_kind in items:
        try:
            found.append(converter.structure(value, item_kind))
        except Exception as error:
            error.add_note(IterableValidationNote(f"at {place!r}", place, item_kind))
            errors.append(error)
    if errors:
        group: Any = IterableValidationError  # its third argument is hidden behind ExceptionGroup's own signature
        raise group("while reading items", errors, kind)
    return found


FACTORIES: Sequence[tuple[Callable[[Any], bool], Callable[[Any, Any], Hook]]] = (
    (lambda kind: origin_of(kind) in LISTS, _make_list),
    (lambda kind: origin_of(kind) in MAPPINGS, _make_mapping),
    (attrs.has, _make_class),
)
