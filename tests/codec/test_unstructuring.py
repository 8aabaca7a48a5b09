"""Writing typed objects as plain data, and reading them back."""

from __future__ import annotations

import enum
import json
from collections import deque
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.codec import structure, unstructure
from gridbus.events import grid, system
from gridbus.events.event import Event, Origin, Trace
from gridbus.events.grid import ROW_CREATE, Column, ColumnType, RowCreated
from gridbus.events.topic import Topic
from gridbus.query import (
    And,
    Between,
    Compare,
    Filter,
    In,
    IsNull,
    Match,
    Not,
    Or,
    Page,
    SortKey,
    Value,
    filter_to_json,
    parse_filter,
)


class Size(enum.Enum):
    SMALL = (1, 2)


class Count(int):
    pass


class Share(float):
    pass


@attrs.frozen
class Everything:
    content: Any = None


texts = st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
cells = st.dictionaries(texts, scalars, max_size=4)
columns = st.builds(Column, texts, st.sampled_from(ColumnType), st.none() | texts, st.booleans())
conditions = st.one_of(
    st.builds(Compare, texts, st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), scalars),
    st.builds(In, texts, st.lists(scalars, max_size=3).map(tuple)),
    st.builds(Match, texts, st.sampled_from(["contains", "startswith"]), texts),
    st.builds(Between, texts, scalars, scalars),
    st.builds(IsNull, texts, st.booleans()),
)
filters: st.SearchStrategy[Filter] = st.recursive(
    conditions,
    lambda parts: st.one_of(
        st.builds(And, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Or, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Not, parts),
    ),
    max_leaves=6,
)
by_type: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    Column: columns,
    Page: st.builds(Page, st.integers(), st.none() | st.integers()),
    SortKey: st.builds(SortKey, texts, st.booleans()),
}


def of_field(kind: Any) -> st.SearchStrategy[Any]:
    """Return values of a declared type."""
    if kind in by_type:
        return by_type[kind]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    if kind == Value:
        return scalars
    if kind == Filter | None:
        return st.none() | filters
    if kind == str | None:
        return st.none() | texts
    if kind == int | None:
        return st.none() | by_type[int]
    if kind == float | None:
        return st.none() | by_type[float]
    if getattr(kind, "__origin__", None) is tuple:
        return st.lists(of_field(kind.__args__[0]), max_size=3).map(tuple)
    return cells


PAYLOADS = [
    topic.payload_type
    for module in (grid, system)
    for topic in vars(module).values()
    if isinstance(topic, Topic) and topic.payload_type is not system.HandlerFailed  # an event is not read back
]


@pytest.mark.parametrize("cls", PAYLOADS, ids=lambda cls: cls.__name__)
@given(data=st.data())
def test_payloads_of_core_topics_come_back_from_json(cls: Any, data: st.DataObject) -> None:
    """What a payload is written as is JSON, and is read as an equal payload."""
    attrs.resolve_types(cls)
    payload = cls(**{field.name: data.draw(of_field(field.type), field.name) for field in attrs.fields(cls)})
    written = json.loads(json.dumps(unstructure(payload)))
    assert structure(written, cls, what="payload") == payload


@given(filters)
def test_filters_come_back_from_json(where: Filter) -> None:
    """``filter_to_json`` and ``parse_filter`` are each other's inverse, and ``unstructure`` uses them."""
    written = json.loads(json.dumps(filter_to_json(where)))
    assert parse_filter(written) == where
    assert unstructure(where) == filter_to_json(where)


def test_dates_in_filters_are_written_as_text() -> None:
    """JSON has no dates; the grid reads the text by the type of the column."""
    assert filter_to_json(Between("d", date(2024, 1, 2), None)) == {"column": "d", "between": ["2024-01-02", None]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), "2024-01-02T03:00:00+01:00"),
        (ColumnType.INT, "int"),
        (Size.SMALL, [1, 2]),
        (ROW_CREATE, "row:create"),
        ((1, (2,)), [1, [2]]),
        ({3, 1, 2}, [1, 2, 3]),
        (b"hi", "aGk="),
        (Path("a/b"), "a/b"),
        (time(12, 30), "12:30:00"),
        (deque([1, (2,)]), [1, [2]]),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (Count(3), 3),
        (Share(0.5), 0.5),
        ({ColumnType.INT: Column("a")}, {"int": {"name": "a", "type": "text", "title": None, "hidden": False}}),
    ],
)
def test_values_are_written_plainly(value: Any, expected: Any) -> None:
    """Wherever it stands, a value has the same plain form, of exact types."""
    assert unstructure(value) == expected
    assert unstructure([Everything(value)]) == [{"content": expected}]
    assert json.loads(json.dumps(unstructure(value))) == expected
    assert type(unstructure(value)) is type(expected)


def test_an_event_is_written_with_what_its_properties_say() -> None:
    """Id, time, source, cause and payload are there; the bus's own record is not."""
    event = Event(ROW_CREATE, RowCreated("7", {"a": 1}), 3, 1_500_000_000, Origin("b", "app"), Trace("b-1", "b-2", 2))
    assert unstructure(event) == {
        "id": "b-3",
        "topic": "row:create",
        "seq": 3,
        "at": datetime.fromtimestamp(1.5, UTC).isoformat(),
        "source": "app",
        "correlation_id": "b-1",
        "causation_id": "b-2",
        "hops": 2,
        "payload": {"id": "7", "values": {"a": 1}},
    }
    failed = system.HandlerFailed(event, "s", "o", "ValueError", "no", "")
    assert unstructure(failed)["event"]["id"] == "b-3"


def test_structs_are_written_field_by_field() -> None:
    """Structs of msgspec are records like attrs classes."""

    class Point(msgspec.Struct):
        x: int
        y: Any

    assert unstructure(Point(1, (2,))) == {"x": 1, "y": [2]}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "object cannot be written as plain data @ $"),
        ({"a": [1, object()]}, "object cannot be written as plain data @ $.a[1]"),
        (Everything({"b c": Everything(1j)}), 'complex cannot be written as plain data @ $.content["b c"].content'),
        ({(1, 2): 3}, "tuple cannot be written"),
    ],
)
def test_what_has_no_plain_form_is_named_with_its_place(value: Any, place: str) -> None:
    """Nothing is passed through that JSON could not hold."""
    with pytest.raises(TypeError, match="cannot be written") as caught:
        unstructure(value)
    assert place in str(caught.value)
