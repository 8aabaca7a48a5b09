"""What the core itself says on topics and channels crosses a process border whole."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from datetime import UTC, timedelta, timezone
from types import ModuleType
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gridbus.channels
import gridbus.events
from gridbus.channels import Channel
from gridbus.channels.hub import ServedChannel
from gridbus.channels.plugins import ConfigurePlugin, RegisterPlugin, ReloadPlugin
from gridbus.errors import PackingError
from gridbus.events import Event, Topic
from gridbus.events.event import Origin, Trace
from gridbus.events.system import HealthStatus
from gridbus.isolation.wire import pack, unpack
from gridbus.manifest import Permission, PluginHealth, PluginMetadata
from gridbus.query import And, Between, Compare, Filter, In, IsNull, Match, Not, Or


def _modules() -> list[ModuleType]:
    return [
        importlib.import_module(info.name)
        for package in (gridbus.events, gridbus.channels)
        for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]


def _classes() -> list[type[Any]]:
    return [
        kind
        for module in _modules()
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
        and (attrs.has(kind) or issubclass(kind, msgspec.Struct))
        and kind is not ServedChannel  # is never sent
    ]


def _declared() -> list[Any]:
    found: list[Any] = []
    for module in _modules():
        for value in vars(module).values():
            if isinstance(value, Topic):
                found.append(value.payload_type)
            elif isinstance(value, Channel):
                found += [value.message_type, value.reply_type]
    return found


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.binary(max_size=8),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4) | st.integers(), inner, max_size=3),
        st.frozensets(_scalars, max_size=3),
        st.sets(_scalars, max_size=3),
    ),
    max_leaves=8,
)

_columns = st.text("abc", max_size=3)
_values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("xy") | st.dates() | st.datetimes()
)
_filters: st.SearchStrategy[Filter] = st.recursive(
    st.one_of(
        st.builds(Compare, _columns, st.sampled_from(["eq", "lt"]), _values),
        st.builds(In, _columns, st.lists(_values, max_size=3).map(tuple)),
        st.builds(Match, _columns, st.just("contains"), _columns),
        st.builds(Between, _columns, _values, _values),
        st.builds(IsNull, _columns, st.booleans()),
    ),
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)

for _kind in (And, Or):
    st.register_type_strategy(_kind, st.builds(_kind, st.lists(_filters, max_size=3).map(tuple)))
st.register_type_strategy(Not, st.builds(Not, _filters))
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(RegisterPlugin, st.builds(RegisterPlugin, _anything, _anything))
st.register_type_strategy(ConfigurePlugin, st.builds(ConfigurePlugin, st.text(), _anything))
st.register_type_strategy(ReloadPlugin, st.builds(ReloadPlugin, st.text(), st.booleans(), st.text(), source=_anything))
st.register_type_strategy(
    PluginHealth,
    st.builds(
        PluginHealth,
        st.sampled_from(HealthStatus),
        details=st.dictionaries(_columns, _anything, max_size=2),
        checked_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    ),
)
st.register_type_strategy(Topic, st.just(Topic("some:thing")))
st.register_type_strategy(str, st.text(st.characters(codec="utf-8"), max_size=8))
st.register_type_strategy(object, _anything)
st.register_type_strategy(Permission, st.sampled_from([Permission("publish"), Permission("storage")]))
st.register_type_strategy(
    PluginMetadata,
    st.builds(
        PluginMetadata,
        id=st.just("some-plugin"),
        name=st.text("abc", min_size=1, max_size=5),
        version=st.sampled_from(["1.0.0", "0.2.1"]),
        permissions=st.just(["subscribe"]),
    ),
)
st.register_type_strategy(
    Event,
    st.builds(
        Event,
        topic=st.just(Topic("some:thing")),
        payload=_anything,
        seq=st.integers(1, 2**60),
        at_ns=st.integers(0, 2**60),
        origin=st.builds(Origin),
        trace=st.none() | st.builds(Trace),
    ),
)


def _same(one: Any, other: Any) -> bool:
    """Compare, also events, which are told apart by identity otherwise."""
    if isinstance(one, Event):
        return isinstance(other, Event) and all(
            _same(getattr(one, name), getattr(other, name)) for name in Event.__struct_fields__
        )
    if attrs.has(type(one)):
        return type(one) is type(other) and all(
            _same(getattr(one, field.name), getattr(other, field.name)) for field in attrs.fields(type(one))
        )
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and one.keys() == other.keys()
            and all(_same(one[key], other[key]) for key in one)
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("kind", _classes(), ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_each_class_of_the_core_comes_back_whole(kind: type[Any], data: st.DataObject) -> None:
    """Alone, and in the containers that channels declare."""
    value = data.draw(st.from_type(kind))
    assert _same(value, unpack(pack(value), kind))
    assert _same((value,), unpack(pack((value,)), tuple[kind, ...]))  # type: ignore[valid-type]
    assert _same({"a": value}, unpack(pack({"a": value}), dict[str, kind]))  # type: ignore[valid-type]
    unpack(pack(value), object)


def test_there_are_classes_to_test() -> None:
    """All that topics and channels of the core declare is among them."""
    classes = set(_classes())
    assert len(classes) > 50
    assert {kind for kind in _declared() if isinstance(kind, type) and attrs.has(kind)} <= classes | {
        kind for kind in _declared() if getattr(kind, "__module__", "").startswith("gridbus.manifest")
    }


@settings(max_examples=200, deadline=None)
@given(_anything)
def test_plain_data_comes_back_as_what_it_was(value: Any) -> None:
    """Down to the last type."""
    found = unpack(pack(value), object)
    assert found == value
    assert _told(found) == _told(value)


def _told(value: Any) -> Any:
    """Return a value as something that also tells types apart, whatever the order of sets."""
    if isinstance(value, dict):
        return dict, tuple((_told(key), _told(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_told, value))
    if isinstance(value, set | frozenset):
        return type(value), frozenset(map(_told, value))
    return type(value), repr(value)


@settings(max_examples=60, deadline=None)
@given(_filters)
def test_filters_come_back(where: Filter) -> None:
    """However they are nested; also by way of somebody who knows them as plain data only."""
    assert unpack(pack(where, Filter), Filter) == where
    passed_on = pack(unpack(pack(where), object))
    assert unpack(passed_on, type(where)) == where


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(_classes()))
def test_noise_is_refused_with_an_error_of_its_own(data: bytes, kind: type[Any]) -> None:
    """Nothing else comes out of it."""
    try:
        found = unpack(data, kind)
    except PackingError:
        return
    assert isinstance(found, kind)
