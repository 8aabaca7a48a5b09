"""Plans of maps, lists, tuples and sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec.msgpack import Ext

from gridbus.isolation.wire.marks import PLAIN, MarkedKey
from gridbus.isolation.wire.misfits import REFUSALS, Misfit
from gridbus.isolation.wire.plan import Plan, is_plain

Function = Callable[[Any], Any]


def map_plan(origin: type[Any], key: Plan, value: Plan) -> Plan:
    """Return the plan of a map."""
    make = origin if issubclass(origin, dict) else dict
    form = dict[key.form, value.form]  # type: ignore[name-defined]
    return Plan(form, _map_finish(make, key, value), _map_writer(key.write, value.write), _map_check(key, value))


def items_plan(origin: type[Any], item: Plan) -> Plan:
    """Return the plan of a list, set or tuple of items of one type."""
    is_tuple = issubclass(origin, tuple)
    make = _maker(origin)
    form: Any = list[item.form]  # type: ignore[name-defined]
    if is_tuple and item.keeps:
        form = tuple[item.form, ...]  # type: ignore[name-defined]
    check: Callable[[Any], bool] | None = None
    is_listed = not issubclass(origin, AbstractSet)
    if item.write is None:
        check = _always
    elif item.is_plain is is_plain:
        check = is_plain_list
    elif item.is_plain is not None and is_listed:
        one = item.is_plain
        check = lambda items: all(map(one, items))  # noqa: E731
    return Plan(form, _items_finish(make, item, is_tuple), _items_writer(item.write), check)


def row_plan(items: Sequence[Plan]) -> Plan:
    """Return the plan of a tuple whose items have types of their own."""
    form: Any = tuple.__class_getitem__(tuple(item.form for item in items))
    checks = [item.is_plain or (_always if item.write is None else _never) for item in items]

    def check(values: Any) -> bool:
        return len(values) == len(checks) and all(fits(value) for fits, value in zip(checks, values, strict=True))

    def write(values: Any) -> list[Any]:
        found = list(values)
        if len(found) != len(items):
            raise Misfit(f"{len(items)} items are needed, not {len(found)}")
        return _each(found, [item.write for item in items])

    def finish(values: Any) -> tuple[Any, ...]:
        return tuple(_each(list(values), [item.finish for item in items]))

    return Plan(form, finish, write, check)


def _each(values: list[Any], functions: Sequence[Function | None]) -> list[Any]:
    for place, function in enumerate(functions):
        if function is not None:
            try:
                values[place] = function(values[place])
            except REFUSALS as error:
                raise Misfit.of(error).within(f"[{place}]") from None
    return values


def _always(value: Any) -> bool:
    return True


def _never(value: Any) -> bool:
    return False


def is_plain_map(items: Any) -> bool:
    """Tell whether msgpack has a form for each key and value."""
    return PLAIN.issuperset(map(type, items.values())) and PLAIN.issuperset(map(type, items))


def is_plain_list(items: Any) -> bool:
    """Tell whether msgpack has a form for each item."""
    return PLAIN.issuperset(map(type, items))


# --- maps --------------------------------------------------------------------------------------------------------


def _map_check(key: Plan, value: Plan) -> Callable[[Any], bool] | None:
    if key.write is not None and key.is_plain is not is_plain:
        return None
    if value.write is None:
        return lambda items: items.__class__ is dict and is_plain_list(items)
    if value.is_plain is is_plain:
        covers = PLAIN.issuperset
        if key.write is None:
            return lambda items: items.__class__ is dict and covers(map(type, items.values()))
        return lambda items: items.__class__ is dict and covers(map(type, items.values())) and covers(map(type, items))
    return None


def _map_writer(key: Function | None, value: Function | None) -> Function:
    def write(items: Mapping[Any, Any]) -> dict[Any, Any]:
        if not isinstance(items, Mapping):
            raise Misfit(f"a map is needed, not {type(items).__qualname__}")
        made: dict[Any, Any] = {}
        name: Any = None
        try:
            for name, item in items.items():
                written = name if key is None or name.__class__ is str else key(name)
                made[MarkedKey(written) if written.__class__ is Ext else written] = (
                    item if value is None or item.__class__ in _TEXTS else value(item)
                )
        except REFUSALS as error:
            raise Misfit.of(error).within(f".{name}") from None
        return made

    return write


_TEXTS = PLAIN - {int}  # no plan writes these otherwise


def _map_finish(make: Callable[[Any], Any], key: Plan, value: Plan) -> Function | None:
    if key.finish is None and value.finish is None:
        return None if make is dict else make
    take_key, take = key.finish, value.finish

    def finish(items: dict[Any, Any]) -> Any:
        made: dict[Any, Any] = {}
        name: Any = None
        try:
            for name, item in items.items():
                taken = name if take_key is None else take_key(name)
                made[taken] = item if take is None else take(item)
        except REFUSALS as error:
            raise Misfit.of(error).within(f".{name}") from None
        return make(made)

    if value.holds is None or take_key is not None or make is not dict:
        return finish
    covers = value.holds.issuperset
    return lambda items: items if covers(map(type, items.values())) else finish(items)


# --- items -------------------------------------------------------------------------------------------------------


def _items_writer(item: Function | None) -> Function:
    def write(items: Iterable[Any]) -> list[Any]:
        if isinstance(items, str | bytes | Mapping):
            raise Misfit(f"a list is needed, not {type(items).__qualname__}")
        made: list[Any] = []
        try:
            made.extend(one if item is None or one.__class__ in _TEXTS else item(one) for one in items)
        except REFUSALS as error:
            raise Misfit.of(error).within(f"[{len(made)}]") from None
        return made

    return write


def _items_finish(make: Callable[[Any], Any], item: Plan, is_tuple: bool) -> Function | None:
    take = item.finish
    if take is None:
        return None if make is list or is_tuple else make

    def finish(items: Iterable[Any]) -> Any:
        made: list[Any] = []
        try:
            made.extend(map(take, items))
        except REFUSALS as error:
            raise Misfit.of(error).within(f"[{len(made)}]") from None
        return make(made)

    if item.holds is None or not (make is list or is_tuple):
        return finish
    covers = item.holds.issuperset
    return lambda items: items if covers(map(type, items)) else finish(items)


def _maker(origin: type[Any]) -> Callable[[Any], Any]:
    if issubclass(origin, tuple):
        return tuple
    if issubclass(origin, AbstractSet):
        return set if issubclass(origin, set) else frozenset if issubclass(origin, frozenset) else set
    return list if origin.__module__ == "collections.abc" else origin
