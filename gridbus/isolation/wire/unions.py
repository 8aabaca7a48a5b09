"""Plans of unions, literals and the cells of a grid."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, get_origin

from gridbus.isolation.wire.exactness import bare
from gridbus.isolation.wire.marks import MARKS, PLAIN
from gridbus.isolation.wire.misfits import REFUSALS, Misfit
from gridbus.isolation.wire.plan import Plan, Planner, is_plain
from gridbus.isolation.wire.shapes import has_fields

TAG = "$type"
"""The key that says which class of a union a map is."""

_SCALARS = PLAIN | MARKS.keys()


def union_plan(planner: Planner, members: Sequence[Any]) -> Plan:
    """Return the plan of a union that msgspec alone cannot tell apart."""
    members = [bare(member) for member in members]
    scalars = {member for member in members if isinstance(member, type) and member in _SCALARS}
    if scalars.issuperset(members):
        return scalar_plan(planner, scalars)
    rest = [member for member in members if member is not type(None)]
    if len(rest) == 1:
        return _optional(planner.plan(rest[0]))
    return _Union(planner, members, scalars).plan()


def scalar_plan(planner: Planner, kinds: set[type[Any]]) -> Plan:
    """Return the plan of what is of one of some scalar classes, such as the cells of a grid."""
    holds = frozenset(kinds | {int} if float in kinds else kinds)
    return Plan(Any, _passer(holds, kinds), planner.mark, is_plain, holds)


def literal_plan(planner: Planner, values: Sequence[Any]) -> Plan:
    """Return the plan of a choice of values."""

    def finish(value: Any) -> Any:
        for one in values:
            same = one.value if isinstance(one, enum.Enum) else one
            if same == value and type(same) is type(value):
                return one
        raise Misfit(f"one of {', '.join(map(repr, values))} is needed, not {value!r:.80}")

    return Plan(Any, finish, planner.mark)


def _passer(holds: frozenset[type[Any]], kinds: set[type[Any]]) -> Callable[[Any], Any]:
    names = ", ".join(sorted("None" if kind is type(None) else kind.__name__ for kind in kinds))

    def finish(value: Any) -> Any:
        if value.__class__ in holds:
            return value
        raise Misfit(f"{'one of ' if len(kinds) > 1 else ''}{names} is needed, not {type(value).__name__}")

    return finish


def _optional(plan: Plan) -> Plan:
    finish, write, fits = plan.finish, plan.write, plan.is_plain
    form = plan.form if plan.form is Any or plan.form is object else plan.form | None
    return Plan(
        form,
        None if finish is None else lambda value: None if value is None else finish(value),
        None if write is None else lambda value: None if value is None else write(value),
        None if fits is None else lambda value: value is None or fits(value),
    )


class _Union:
    """Classes with fields, which are told apart by their name, among other types."""

    def __init__(self, planner: Planner, members: Sequence[Any], scalars: set[type[Any]]) -> None:
        self._planner = planner
        self._scalars = scalars | {int} if float in scalars else scalars
        classes = [member for member in members if has_fields(get_origin(member) or member)]
        self._others = [member for member in members if member not in scalars and member not in classes]
        self._by_name = {_tag(member, classes): member for member in classes}
        self._names = {get_origin(member) or member: name for name, member in self._by_name.items()}
        self._all = " | ".join(getattr(member, "__name__", str(member)) for member in members)

    def plan(self) -> Plan:
        """Return the plan."""
        return Plan(Any, self._finish, self._write)

    def _write(self, value: Any) -> Any:
        name = self._names.get(type(value))
        if name is not None:
            plan = self._planner.plan(self._by_name[name])
            written = plan.write(value) if plan.write is not None else self._planner.mark(value)
            return {TAG: name, **written}
        for member in self._others:
            origin = get_origin(member) or member
            if isinstance(origin, type) and isinstance(value, origin):
                write = self._planner.plan(member).write
                return self._planner.mark(value) if write is None else write(value)
        return self._planner.mark(value)

    def _finish(self, value: Any) -> Any:
        if value.__class__ in self._scalars:
            return value
        if isinstance(value, dict):
            member = self._by_name.get(value.get(TAG))  # type: ignore[arg-type]
            if member is not None:
                return self._planner.take(member, {name: item for name, item in value.items() if name != TAG})
        misfits = []
        for member in self._others:
            try:
                return self._planner.take(member, value)
            except REFUSALS as error:
                misfits.append(Misfit.of(error))
        if len(misfits) == 1 and not isinstance(value, dict):
            raise misfits[0]
        told = f"a map without {TAG}" if isinstance(value, dict) and TAG not in value else type(value).__name__
        raise Misfit(f"one of {self._all} is needed, not {told}")


def _tag(member: Any, classes: Sequence[Any]) -> str:
    kind = get_origin(member) or member
    alike = [other for other in classes if (get_origin(other) or other).__name__ == kind.__name__]
    return str(kind.__name__) if len(alike) == 1 else f"{kind.__module__}.{kind.__qualname__}"
