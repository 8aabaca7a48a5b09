"""How values of a declared type cross a process border: worked out once per class."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, get_args, get_origin
from uuid import UUID
from weakref import WeakKeyDictionary

import attrs
import msgspec

from gridbus.errors import PackingError
from gridbus.isolation.wire.scalars import PLAIN, mark

Write = Callable[[Any], Any]
Read = Callable[[Any, str], Any]

_NATIVE = (type(None), bool, int, float, str, bytes)
_MARKED = (date, datetime, time, timedelta, Decimal, UUID)
_TAG = "$"


class Plan(NamedTuple):
    """The way out and the way in; None where msgspec does all of it by itself."""

    write: Write | None
    read: Read | None


_BY_ITSELF = Plan(None, None)


class Plans:
    """Plans of classes; those of classes that are gone go too."""

    def __init__(self) -> None:
        self._of_class: WeakKeyDictionary[type[Any], Plan] = WeakKeyDictionary()
        self._within: set[type[Any]] = set()

    def of(self, annotation: Any) -> Plan:
        """Return the plan of a type."""
        if isinstance(annotation, type) and get_origin(annotation) is None:
            plan = self._of_class.get(annotation)
            if plan is None:
                plan = self._of_class[annotation] = self._class_plan(annotation)
            return plan
        return self._made(annotation)

    def _class_plan(self, kind: type[Any]) -> Plan:
        if kind in _NATIVE:
            return _BY_ITSELF
        if kind in _MARKED:
            return Plan(mark, _instance(kind))
        if kind is object:
            return Plan(mark, _anything)
        if issubclass(kind, enum.Enum):
            return _BY_ITSELF
        if attrs.has(kind):
            return self._fields_plan(kind)
        if issubclass(kind, msgspec.Struct) or hasattr(kind, "__dataclass_fields__"):
            return self._structs_plan(kind)
        if kind in (list, dict, tuple, set, frozenset):
            return Plan(mark, _instance(kind) if kind in (list, dict) else _container(kind, _anything))
        if issubclass(kind, str | int | float):  # a subclass, as topics are
            base = next(one for one in (str, int, float) if issubclass(kind, one))
            return Plan(lambda value: base.__str__(value) if base is str else base(value), _instance(base))
        return Plan(mark, _instance(kind))

    def _made(self, annotation: Any) -> Plan:
        if annotation is None:
            return _BY_ITSELF
        if annotation is Any or isinstance(annotation, typing.TypeVar):
            return Plan(mark, _anything)
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.of(annotation.__supertype__)
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is typing.Literal:
            return Plan(None, _one_of(arguments)) if all(type(value) in _NATIVE for value in arguments) else _BY_ITSELF
        if origin is typing.Annotated:
            return self.of(arguments[0])
        if origin in (typing.Union, types.UnionType):
            return self._union_plan(arguments)
        if isinstance(origin, type) and issubclass(origin, Collection):
            return self._collection_plan(origin, arguments)
        if isinstance(origin, type) and (attrs.has(origin) or issubclass(origin, msgspec.Struct)):
            return self.of(origin)
        return Plan(mark, _anything)

    # --- objects with fields -------------------------------------------------------------------------------------

    def _fields_plan(self, kind: type[Any]) -> Plan:
        if kind in self._within:  # a class that contains itself
            return Plan(lambda value: self.of(kind).write(value), lambda value, path: self.of(kind).read(value, path))  # type: ignore[misc]
        self._within.add(kind)
        try:
            hints = _hints(kind)
            fields = attrs.fields(kind)
            plans = {field.name: self.of(hints.get(field.name, Any)) for field in fields}
        finally:
            self._within.discard(kind)
        is_plain = all(plan == _BY_ITSELF for plan in plans.values()) and not any(
            field.name.startswith("_") or not field.init or field.validator or field.converter for field in fields
        )
        if is_plain:
            return _BY_ITSELF
        names = [field.name for field in fields]
        writes = [(name, plans[name].write) for name in names]

        def write(value: Any) -> dict[str, Any]:
            return {
                name: getattr(value, name) if convert is None else convert(getattr(value, name))
                for name, convert in writes
            }

        reads = [
            (field.name, field.alias, plans[field.name].read or _by_msgspec(hints.get(field.name, Any)))
            for field in fields
            if field.init
        ]
        needed = {field.name for field in fields if field.init and field.default is attrs.NOTHING}

        def read(value: Any, path: str) -> Any:
            found = _fields_of(value, kind, names, needed, path)
            arguments = {
                alias: convert(found[name], f"{path}.{name}") for name, alias, convert in reads if name in found
            }
            try:
                return kind(**arguments)
            except (TypeError, ValueError) as error:
                raise PackingError(f"it is no {kind.__qualname__}: {error} @ {path}") from None

        return Plan(write, read)

    def _structs_plan(self, kind: type[Any]) -> Plan:
        if kind in self._within:
            return Plan(lambda value: self.of(kind).write(value), lambda value, path: self.of(kind).read(value, path))  # type: ignore[misc]
        self._within.add(kind)
        try:
            hints = _hints(kind)
            names = [name for name in hints if typing.get_origin(hints[name]) is not typing.ClassVar]
            plans = {name: self.of(hints[name]) for name in names}
        finally:
            self._within.discard(kind)
        if all(plan == _BY_ITSELF for plan in plans.values()):
            return _BY_ITSELF

        def write(value: Any) -> dict[str, Any]:
            return {name: (plans[name].write or _same)(getattr(value, name)) for name in names}

        def read(value: Any, path: str) -> Any:
            found = _fields_of(value, kind, names, set(), path)
            made = {
                name: (plans[name].read or _by_msgspec(hints[name]))(found[name], f"{path}.{name}")
                for name in names
                if name in found
            }
            try:
                return kind(**made)
            except (TypeError, ValueError) as error:
                raise PackingError(f"it is no {kind.__qualname__}: {error} @ {path}") from None

        return Plan(write, read)

    # --- unions and collections ----------------------------------------------------------------------------------

    def _union_plan(self, members: Sequence[Any]) -> Plan:
        objects = {member.__name__: member for member in members if isinstance(member, type) and _has_fields(member)}
        others = [member for member in members if not (isinstance(member, type) and _has_fields(member))]
        if len(objects) <= 1 and len(others) == 1 and others[0] is type(None):
            [only] = objects.values() or [None]
            inner = self.of(only) if only is not None else _BY_ITSELF
            if inner == _BY_ITSELF:
                return _BY_ITSELF
            return Plan(_or_none(inner.write), _or_none_read(inner.read))
        if not objects:
            if all(member in _NATIVE for member in others):
                return _BY_ITSELF
            kinds = tuple(_runtime(member) for member in others)
            if all(member in (*_NATIVE, *_MARKED) for member in others):
                return Plan(mark, _one_kind_of(kinds))
            return self._optional_or_any(others)

        def write(value: Any) -> Any:
            if type(value).__name__ in objects:
                plan = self.of(type(value))
                fields = value if plan.write is None else plan.write(value)
                return {_TAG: type(value).__name__, "value": fields}
            return mark(value)

        def read(value: Any, path: str) -> Any:
            if isinstance(value, dict) and value.get(_TAG) in objects:
                kind = objects[value[_TAG]]
                return (self.of(kind).read or _by_msgspec(kind))(value.get("value"), path)
            if any(isinstance(value, _runtime(member)) for member in others):
                return value
            raise PackingError(f"it is none of {', '.join((*objects, *map(str, others)))} @ {path}")

        return Plan(write, read)

    def _optional_or_any(self, members: Sequence[Any]) -> Plan:
        rest = [member for member in members if member is not type(None)]
        if len(rest) == 1:
            inner = self.of(rest[0])
            if inner == _BY_ITSELF:
                return _BY_ITSELF
            return Plan(_or_none(inner.write), _or_none_read(inner.read or _by_msgspec(rest[0])))
        return Plan(mark, _anything)

    def _collection_plan(self, origin: type[Any], arguments: Sequence[Any]) -> Plan:
        if issubclass(origin, Mapping):
            keys, values = arguments
            key, value = self.of(keys), self.of(values)
            if key == _BY_ITSELF and value == _BY_ITSELF:
                return _BY_ITSELF
            return Plan(_map_writer(key.write, value.write), _map_reader(key.read, value.read, keys, values))
        if issubclass(origin, tuple) and not (len(arguments) == 2 and arguments[1] is Ellipsis):
            plans = [self.of(argument) for argument in arguments]
            if all(plan == _BY_ITSELF for plan in plans):
                return _BY_ITSELF
            return Plan(_row_writer(plans), _row_reader(plans, arguments))
        item = self.of(arguments[0])
        make = _maker(origin)
        if item == _BY_ITSELF and make in (list, tuple, set, frozenset):
            return _BY_ITSELF
        return Plan(_list_writer(item.write), _container(make, item.read or _by_msgspec(arguments[0])))


def _hints(kind: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind)
    except (NameError, TypeError):  # a name that is there for type checkers only
        return {}


def _has_fields(kind: type[Any]) -> bool:
    return attrs.has(kind) or issubclass(kind, msgspec.Struct) or hasattr(kind, "__dataclass_fields__")


def _runtime(member: Any) -> Any:
    if member is None:
        return type(None)
    if member is float:
        return (float, int)
    found = get_origin(member) or member
    return found if isinstance(found, type) else object


def _fields_of(value: Any, kind: type[Any], names: Iterable[str], needed: set[str], path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PackingError(f"a {kind.__qualname__} is needed, not {type(value).__name__} @ {path}")
    missing = needed - value.keys()
    if missing:
        raise PackingError(f"{kind.__qualname__} needs {', '.join(sorted(missing))} @ {path}")
    return {name: value[name] for name in names if name in value}


# --- ways out ----------------------------------------------------------------------------------------------------


def _same(value: Any) -> Any:
    return value


def _or_none(write: Write | None) -> Write | None:
    return None if write is None else lambda value: None if value is None else write(value)


def _map_writer(key: Write | None, value: Write | None) -> Write:
    if key is None and value is mark:

        def write_cells(items: Mapping[Any, Any]) -> dict[Any, Any]:
            for item in items.values():
                kind = item.__class__
                if kind not in PLAIN and (kind is not int or not -(2**63) <= item < 2**64):
                    return {name: mark(item) for name, item in items.items()}
            return items if items.__class__ is dict else dict(items)

        return write_cells
    one, other = key or _same, value or _same
    return lambda items: {one(name): other(item) for name, item in items.items()}


def _list_writer(item: Write | None) -> Write:
    return list if item is None else lambda items: [item(one) for one in items]


def _row_writer(plans: Sequence[Plan]) -> Write:
    writes = [plan.write or _same for plan in plans]
    return lambda items: [write(item) for write, item in zip(writes, items, strict=True)]


# --- ways in -----------------------------------------------------------------------------------------------------


def _anything(value: Any, path: str) -> Any:
    return value


def _instance(kind: type[Any]) -> Read:
    def read(value: Any, path: str) -> Any:
        if isinstance(value, kind) and (kind is not date or not isinstance(value, datetime)):
            return value
        raise PackingError(f"a {kind.__name__} is needed, not {type(value).__name__} @ {path}")

    return read


def _one_of(values: Sequence[Any]) -> Read:
    def read(value: Any, path: str) -> Any:
        if value in values:
            return value
        raise PackingError(f"one of {', '.join(map(repr, values))} is needed, not {value!r} @ {path}")

    return read


def _one_kind_of(kinds: tuple[Any, ...]) -> Read:
    flat = tuple(one for kind in kinds for one in (kind if isinstance(kind, tuple) else (kind,)))

    def read(value: Any, path: str) -> Any:
        if isinstance(value, flat):
            return value
        names = ", ".join(kind.__name__ for kind in flat)
        raise PackingError(f"one of {names} is needed, not {type(value).__name__} @ {path}")

    read.flat = flat  # type: ignore[attr-defined]
    return read


def _or_none_read(read: Read | None) -> Read | None:
    return None if read is None else lambda value, path: None if value is None else read(value, path)


def _by_msgspec(annotation: Any) -> Read:
    def read(value: Any, path: str) -> Any:
        try:
            return msgspec.convert(value, Any if annotation is object else annotation)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise PackingError(f"{error} @ {path}") from None

    return read


def _map_reader(key: Read | None, value: Read | None, keys: Any, values: Any) -> Read:
    one = None if keys is str and key is None else key or _by_msgspec(keys)
    other = value or _by_msgspec(values)
    flat: tuple[type[Any], ...] | None = getattr(other, "flat", None)

    def read(items: Any, path: str) -> Any:
        if not isinstance(items, dict):
            raise PackingError(f"a map is needed, not {type(items).__name__} @ {path}")
        if one is None and flat is not None:  # the cells of a row
            for name, item in items.items():
                if name.__class__ is not str or not isinstance(item, flat):
                    other(item, f"{path}.{name}")
                    raise PackingError(f"a text is needed as a key, not {type(name).__name__} @ {path}")
            return items
        if one is None:
            for name in items:
                if not isinstance(name, str):
                    raise PackingError(f"a text is needed as a key, not {type(name).__name__} @ {path}")
            return {name: other(item, f"{path}.{name}") for name, item in items.items()}
        return {one(name, path): other(item, f"{path}.{name}") for name, item in items.items()}

    return read


def _container(make: Callable[[Iterable[Any]], Any], item: Read) -> Read:
    def read(items: Any, path: str) -> Any:
        if not isinstance(items, list | tuple | set | frozenset):
            raise PackingError(f"a list is needed, not {type(items).__name__} @ {path}")
        return make([item(one, f"{path}[{place}]") for place, one in enumerate(items)])

    return read


def _row_reader(plans: Sequence[Plan], arguments: Sequence[Any]) -> Read:
    reads = [plan.read or _by_msgspec(argument) for plan, argument in zip(plans, arguments, strict=True)]

    def read(items: Any, path: str) -> Any:
        if not isinstance(items, list | tuple) or len(items) != len(reads):
            raise PackingError(f"{len(reads)} items are needed @ {path}")
        return tuple(
            convert(one, f"{path}[{place}]") for place, (convert, one) in enumerate(zip(reads, items, strict=True))
        )

    return read


def _maker(origin: type[Any]) -> Callable[[Iterable[Any]], Any]:
    if issubclass(origin, tuple):
        return tuple
    if issubclass(origin, frozenset):
        return frozenset
    if issubclass(origin, AbstractSet):
        return set if issubclass(origin, set) else frozenset
    return list
