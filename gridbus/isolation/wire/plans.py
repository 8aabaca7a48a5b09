"""How values of a declared type cross a process border: worked out once per type."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_args, get_origin

import msgspec
from msgspec.structs import astuple

from gridbus.isolation.wire.containers import is_plain_list, is_plain_map, items_plan, map_plan, row_plan
from gridbus.isolation.wire.exactness import bare, is_exact
from gridbus.isolation.wire.marking import Marker
from gridbus.isolation.wire.marks import MARKS, PLAIN, unmark
from gridbus.isolation.wire.misfits import REFUSALS, Misfit
from gridbus.isolation.wire.plan import Plan, is_plain
from gridbus.isolation.wire.shapes import Shape, has_fields, hints_of, names_of, shape_of, substitute
from gridbus.isolation.wire.unions import literal_plan, scalar_plan, union_plan

_OWN = "__gridbus_plan__"  # on a class: its own plan
_KEPT = "__gridbus_plans__"  # on a class: those of types that are made of it
_MOST_KEPT = 64
_IMMUTABLE, _MADE = 1 << 8, 1 << 9  # flags of classes: nothing can be set on them; they were made at run time

Function = Callable[[Any], Any]
_CHECKS = {dict: is_plain_map, list: is_plain_list}  # of what comes back as it is in any case
_UNKNOWN: tuple[str, ...] = ("",)


class Ready:
    """The plan of a type, ready for use.

    A value that is packed by its class alone is written by ``write_alone``: it may be read as plain data.
    """

    __slots__ = ("decode", "finish", "form", "is_plain", "names", "plain_alone", "plan", "write", "write_alone")

    def __init__(self, plan: Plan, kind: Any = None, mark: Function | None = None) -> None:
        self.plan = plan
        self.form, self.finish, self.write, self.is_plain = plan.form, plan.finish, plan.write, plan.is_plain
        self.write_alone, self.plain_alone = plan.write, plan.is_plain
        if kind is not None and not has_fields(kind) and kind not in PLAIN:
            self.write_alone, self.plain_alone = mark, _CHECKS.get(kind)
        self.names: tuple[str, ...] | None = _UNKNOWN
        self.decode = msgspec.msgpack.Decoder(plan.form, ext_hook=unmark).decode


class Plans:
    """Plans of types. Those of a class are kept on the class, so that they go with it."""

    def __init__(self) -> None:
        self.mark = Marker(self._fields_of).mark
        self._fixed: dict[Any, Ready] = {}  # of what nothing can be kept on: types of the language itself
        self._building: set[Any] = set()

    def of(self, annotation: Any) -> Ready:
        """Return the plan of a type.

        Raises:
            Misfit: a class within has annotations that cannot be resolved.
        """
        if isinstance(annotation, type):
            found = annotation.__dict__.get(_OWN) or self._fixed.get(annotation)
            return self._keep(annotation) if found is None else found
        owner = _owner(annotation)
        kept: dict[Any, Ready] = self._fixed if owner is None else owner.__dict__.get(_KEPT, {})
        try:
            found = kept.get(annotation)
        except TypeError:  # it cannot be hashed
            return Ready(self._plan_of(annotation))
        if found is None:
            found = Ready(self._plan_of(annotation))
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            kept[annotation] = found
            if owner is not None:
                setattr(owner, _KEPT, kept)
        return found

    def plan(self, annotation: Any) -> Plan:
        """Return the plan of a part; what contains itself is looked up when it is needed."""
        if annotation in self._building:
            return Plan(Any, lambda value: self.take(annotation, value), lambda value: self._written(annotation, value))
        return self.of(annotation).plan

    def take(self, annotation: Any, value: Any) -> Any:
        """Make a value of what was read as plain data."""
        ready = self.of(annotation)
        found = msgspec.convert(value, ready.form, builtin_types=(bytes, bytearray))
        return found if ready.finish is None else ready.finish(found)

    # --- within --------------------------------------------------------------------------------------------------

    def _keep(self, kind: type[Any]) -> Ready:
        ready = Ready(self._plan_of(kind), kind, self.mark)
        try:
            if _may_go(kind):
                setattr(kind, _OWN, ready)
                return ready
        except (TypeError, AttributeError):  # its metaclass does not let it
            pass
        self._fixed[kind] = ready
        return ready

    def _fields_of(self, kind: type[Any]) -> tuple[tuple[str, ...] | None, Function | None]:
        ready = self.of(kind)
        if ready.names is _UNKNOWN:
            ready.names = names_of(kind)
        return ready.names, ready.write

    def _written(self, annotation: Any, value: Any) -> Any:
        write = self.of(annotation).write
        return self.mark(value) if write is None else write(value)

    def _plan_of(self, annotation: Any) -> Plan:
        annotation = bare(annotation)
        if is_exact(annotation):
            return Plan(annotation)
        if annotation is Any or annotation is object or isinstance(annotation, typing.TypeVar):
            return Plan(Any, None, self.mark, is_plain)
        self._building.add(annotation)
        try:
            return self._inexact(annotation)
        finally:
            self._building.discard(annotation)

    def _inexact(self, annotation: Any) -> Plan:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin in (typing.Union, types.UnionType):
            return union_plan(self, arguments)
        if origin is typing.Literal:
            return literal_plan(self, arguments)
        kind = origin or annotation
        if not isinstance(kind, type):
            return self._nothing(str(annotation))
        if has_fields(kind):
            return self._fields_plan(shape_of(kind, dict(zip(_variables(kind), arguments, strict=False))))
        if typing.is_typeddict(kind):
            return self._typed_dict_plan(kind)
        if kind in MARKS:
            return scalar_plan(self, {kind})
        if issubclass(kind, enum.Enum):
            return literal_plan(self, list(kind.__members__.values()))
        if issubclass(kind, str | int | float | bytes):
            return _scalar_subclass_plan(self, kind)
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return self._named_tuple_plan(kind)
        if issubclass(kind, Collection) or kind in _ITERABLE:
            return self._collection_plan(kind, arguments)
        return self._nothing(kind.__qualname__)

    def _collection_plan(self, kind: type[Any], arguments: tuple[Any, ...]) -> Plan:
        if issubclass(kind, Mapping):
            key, value = arguments or (Any, Any)
            return map_plan(kind, self.plan(key), self.plan(value))
        if issubclass(kind, tuple) and arguments and not (len(arguments) == 2 and arguments[1] is Ellipsis):
            return row_plan([self.plan(argument) for argument in arguments])
        return items_plan(kind, self.plan(arguments[0] if arguments else Any))

    def _named_tuple_plan(self, kind: Any) -> Plan:
        hints = hints_of(kind)
        row = row_plan([self.plan(substitute(hints.get(name, Any), {})) for name in kind._fields])
        finish: Function = row.finish or list
        return Plan(row.form, lambda values: kind(*finish(values)), row.write, row.is_plain)

    def _typed_dict_plan(self, kind: Any) -> Plan:
        plans = {name: self.plan(substitute(hint, {})) for name, hint in hints_of(kind).items()}
        needed = kind.__required_keys__

        def each(items: dict[str, Any], part: str) -> dict[str, Any]:
            made = {}
            for name, value in items.items():
                if name in plans:
                    try:
                        convert = getattr(plans[name], part)
                        found = value
                        if part == "finish":
                            found = msgspec.convert(value, plans[name].form, builtin_types=(bytes, bytearray))
                        made[name] = found if convert is None else convert(found)
                    except REFUSALS as error:
                        raise Misfit.of(error).within(f".{name}") from None
            if missing := needed - made.keys():
                raise Misfit(f"{kind.__qualname__} needs {', '.join(sorted(missing))}")
            return made

        return Plan(dict[str, Any], lambda items: each(items, "finish"), lambda items: each(items, "write"))

    def _nothing(self, name: str) -> Plan:
        def refuse(value: Any) -> Any:
            raise Misfit(f"what is declared as {name} cannot cross a process border")

        return Plan(Any, refuse, self.mark)

    def _fields_plan(self, shape: Shape) -> Plan:
        plans = [(field.name, self.plan(field.hint)) for field in shape.fields]
        defined = [
            (field.name, plan.form) if field.default is None else (field.name, plan.form, msgspec.UNSET)
            for field, (_, plan) in zip(shape.fields, plans, strict=True)
        ]
        form = msgspec.defstruct(shape.kind.__name__, defined, kw_only=True)
        finishes = [(place, name, plan.finish) for place, (name, plan) in enumerate(plans) if plan.finish is not None]
        writes = [(name, plan.write) for name, plan in plans]
        return Plan(form, _object_finish(shape, finishes), _object_writer(writes), _object_check(shape, plans))


_ITERABLE = (typing.get_origin(typing.Iterable[int]), typing.get_origin(typing.Collection[int]))


def _variables(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__parameters__", ())


def _may_go(kind: type[Any]) -> bool:
    """Tell whether a class may be gone some day; something can be kept on it then."""
    return kind.__flags__ & (_IMMUTABLE | _MADE) == _MADE and kind.__module__ != "typing"


def _owner(annotation: Any) -> Any:
    """Return a class that a type is made of and that something can be kept on; None where there is none."""
    for part in (get_origin(annotation), *get_args(annotation)):
        if isinstance(part, type):
            if _may_go(part):
                return part
        else:
            found = None if part is None else _owner(part)
            if found is not None:
                return found
    return None


def _scalar_subclass_plan(plans: Plans, kind: type[Any]) -> Plan:
    base = next(base for base in (str, int, float, bytes) if issubclass(kind, base))
    return Plan(base, kind, plans.mark)


def _object_writer(writes: list[tuple[str, Function | None]]) -> Function:
    def write(value: Any) -> dict[str, Any]:
        made: dict[str, Any] = {}
        name = ""
        try:
            for name, convert in writes:
                found = getattr(value, name)
                made[name] = found if convert is None else convert(found)
        except REFUSALS as error:
            raise Misfit.of(error).within(f".{name}") from None
        return made

    return write


def _object_check(shape: Shape, plans: list[tuple[str, Plan]]) -> Callable[[Any], bool] | None:
    checks: list[tuple[str, Callable[[Any], bool]]] = []
    for name, plan in plans:
        if plan.write is not None:
            if plan.is_plain is None:
                return None
            checks.append((name, plan.is_plain))
    if not shape.is_native:
        return None

    def check(value: Any) -> bool:
        for name, fits in checks:  # noqa: SIM110
            if not fits(getattr(value, name)):
                return False
        return True

    return check


def _object_finish(shape: Shape, finishes: list[tuple[int, str, Function]]) -> Function:
    make, unset = shape.make, msgspec.UNSET

    def finish(found: Any) -> Any:
        values = list(astuple(found))
        name = ""
        try:
            for place, field, take in finishes:
                name, value = field, values[place]
                if value is not unset:
                    values[place] = take(value)
        except REFUSALS as error:
            raise Misfit.of(error).within(f".{name}") from None
        return make(*values)

    return finish
