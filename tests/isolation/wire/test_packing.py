"""Values as bytes and back."""

from __future__ import annotations

import gc
import math
import types
import uuid
import weakref
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest

from gridbus.errors import PackingError
from gridbus.events import Event, Topic
from gridbus.events.event import Origin, Trace
from gridbus.events.grid import RowCreated, RowUpdated
from gridbus.events.system import HandlerFailed
from gridbus.isolation.wire import pack, type_path, unpack
from gridbus.query import And, Compare, Filter, In, IsNull, Not
from tests.isolation.wire.payload_classes import (
    Access,
    Box,
    Checked,
    Colour,
    Defaults,
    Flat,
    Hashed,
    Id,
    Loose,
    Nested,
    Node,
    Odd,
    Private,
    Record,
    Renamed,
    Row,
    Typed,
)


def back(value: Any, kind: Any = None) -> Any:
    """Return a value after a trip."""
    return unpack(pack(value), type(value) if kind is None else kind)


PARIS = ZoneInfo("Europe/Paris")
SCALARS = [
    None,
    True,
    0,
    -1,
    2**64,
    -(2**63) - 1,
    -(10**4000),
    1.5,
    math.inf,
    "",
    "grün\0",
    b"\xff\0",
    bytearray(b"ab"),
    date(1, 1, 1),
    datetime(2026, 1, 2, 3, 4, 5, 6),
    datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
    datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    time(1, 2, 3, 4),
    time(1, 2, tzinfo=UTC),
    timedelta(days=-3, microseconds=1),
    timedelta.max,
    Decimal("1.50"),
    Decimal("-0"),
    uuid.UUID(int=5),
    (1, (2, [3])),
    {1, "a"},
    frozenset({date(2026, 1, 1)}),
    {(1, 2): "pair", date(2026, 1, 1): {Decimal("1"): 2**70}, None: 1, True: 2, 1.5: 3, b"k": 4},
]


@pytest.mark.parametrize("value", SCALARS, ids=lambda value: repr(value)[:40])
def test_plain_values_come_back_as_what_they_were(value: Any) -> None:
    """Also where nothing is declared, alone or within something else, and where their own type is."""
    for kind in (object, Any, type(value)):
        found = back(value, kind)
        assert (found, type(found)) == (value, type(value))
    within = {"a": [value, (value,)], "b": {"c": value}}
    assert back(within, object) == within
    assert repr(back(Loose("x", within))) == repr(Loose("x", within))


def test_nan_comes_back() -> None:
    """As no number."""
    assert math.isnan(back(math.nan))
    assert math.isnan(back({"a": math.nan}, object)["a"])
    assert back(Decimal("NaN"), object).is_nan()


def test_the_offset_of_a_time_is_kept() -> None:
    """Zones become their offset at that time."""
    summer = datetime(2026, 7, 1, 12, tzinfo=PARIS)
    found = back(Defaults(when=summer)).when
    assert found == summer
    assert found.utcoffset() == timedelta(hours=2)
    assert back(summer).utcoffset() == timedelta(hours=2)


def test_subclasses_of_scalars_come_back_as_the_scalar_where_nothing_is_declared() -> None:
    """A topic is a text, a member its value."""
    assert type(back([Topic("row:update")], object)[0]) is str
    assert back([Colour.RED, Odd.PAIR, Access.READ | Access.WRITE], object) == ["red", (1, 2), 3]
    assert back(OrderedDict(a=1), object) == {"a": 1}
    assert back(types.MappingProxyType({"a": 1}), object) == {"a": 1}
    assert back(Topic("row:update")) == "row:update"


@pytest.mark.parametrize(
    "value",
    [
        Flat("a", 1, 2.5, True),
        Private("a", 9),
        Loose("a", {"b": (1, date(2026, 1, 1))}),
        Nested(Private("a", 1), (Loose("b", {1}),), {"c": Private("d", 2)}, Colour.BLUE, Odd.PAIR),
        Checked(3, "a,b"),
        Defaults(),
        Defaults(when=datetime(2026, 1, 1), tags=[1, {2}]),
        Hashed("a"),
        Node(1, (Node(date(2026, 1, 1), (Node(None),)),)),
        Record(datetime(2026, 1, 1), 5),
        Renamed("a", {1}),
        Row(date(2026, 1, 1), time(1, 2)),
        Colour.RED,
        Odd.HALF,
        Access.READ | Access.WRITE,
        Flat("a", 2**65, 1.0, False),
        RowUpdated("1", {"a": 1, "d": date(2026, 1, 1)}, {"a": None, "d": datetime(2026, 1, 1)}),
        RowCreated("1", types.MappingProxyType({"a": 1})),
    ],
    ids=lambda value: type(value).__name__,
)
def test_objects_come_back_as_their_class(value: Any) -> None:
    """Whatever library it is of, private fields and all; alone, in a list, in a map and as an optional one."""
    kind = type(value)
    assert back(value) == value
    assert type(back(value)) is kind
    assert back([value], list[kind]) == [value]  # type: ignore[valid-type]
    assert back((value, None), tuple[kind | None, ...]) == (value, None)  # type: ignore[valid-type]
    assert back({"k": value}, dict[str, kind]) == {"k": value}  # type: ignore[valid-type]
    hash(back(Hashed("a")))


def test_annotations_of_many_kinds() -> None:
    """Each field comes back as what it is declared to be."""
    value = Typed(
        Id("1"),
        "eq",
        Access.WRITE,
        time(1, 2, tzinfo=UTC),
        date(2026, 1, 1),
        timedelta(1),
        Decimal("1.10"),
        uuid.UUID(int=1),
        b"\0",
        [Row(date(2026, 1, 1), time(2))],
        frozenset({"a"}),
        (1, datetime(2026, 1, 1)),
        {"when": datetime(2026, 1, 1)},
        Decimal("2"),
        True,
    )
    found = back(value)
    assert found == value
    assert [type(getattr(found, field.name)) for field in attrs.fields(Typed)] == [
        type(getattr(value, field.name)) for field in attrs.fields(Typed)
    ]


def test_generic_classes_read_what_their_argument_says() -> None:
    """And anything where there is none."""
    box = Box(date(2026, 1, 1), [date(2026, 1, 2)])
    assert back(box) == box
    assert back(box, Box[date]) == box
    assert back(Box(1, [2]), Box[int]) == Box(1, [2])
    with pytest.raises(PackingError, match=r"@ \$\.more\[1\]"):
        back(Box(date(2026, 1, 1), [date(2026, 1, 1), 3]), Box[date])
    with pytest.raises(PackingError, match=r"@ \$\.content"):
        back(Box("a", []), Box[int])


FILTER = And((Compare("a", "eq", date(2026, 1, 1)), Not(In("b", (1, None))), IsNull("c")))


def test_classes_of_a_union_are_told_apart() -> None:
    """Alone where the type is given at both ends, and within a class by themselves."""

    @attrs.frozen
    class Asked:
        where: Filter | None
        many: list[Filter | str]

    assert back(Asked(FILTER, ["x", IsNull("c")])) == Asked(FILTER, ["x", IsNull("c")])
    assert unpack(pack([FILTER], list[Filter]), list[Filter]) == [FILTER]
    assert unpack(pack(FILTER, Filter), Filter) == FILTER
    assert back(FILTER) == FILTER
    with pytest.raises(
        PackingError, match=r"And is needed, not int @ \$.where|Compare .* is needed, not int @ \$.where"
    ):
        unpack(pack({"where": 3, "many": []}), Asked)
    with pytest.raises(PackingError, match=r"@ \$\.where\.parts\[0\]"):
        unpack(pack({"where": {"$type": "And", "parts": [{"$type": "Event"}]}, "many": []}), Asked)
    with pytest.raises(PackingError, match=r"@ \$\.where\.value"):
        unpack(pack({"where": {"$type": "Compare", "column": "a", "op": "eq", "value": [1]}, "many": []}), Asked)


def test_an_event_within_a_payload_comes_back() -> None:
    """Its own payload, of which nothing is declared, as plain data."""
    event = Event(Topic("a:b"), Flat("a", 1, 1.0, True), 3, 4, Origin("bus", "me"), Trace("c", "d", 1))
    found = back(HandlerFailed(event, "s", "o", "E", "m", "t"))
    assert found.event.topic == "a:b"
    assert isinstance(found.event, Event)
    assert found.event.trace == event.trace
    assert found.event.payload == {"name": "a", "age": 1, "size": 1.0, "alive": True}


def test_objects_where_nothing_is_declared_become_maps() -> None:
    """With all their fields, and what is in them as it was."""
    assert back(Loose("a", Private("b", date(2026, 1, 1)))).value == {"name": "b", "_secret": date(2026, 1, 1)}  # type: ignore[arg-type]
    assert back([Flat("a", 1, 1.0, True)], object)[0]["age"] == 1


def test_what_is_worked_out_goes_with_the_class() -> None:
    """So that a plugin that is loaded again and again leaves nothing behind."""

    @attrs.frozen
    class Passing:
        value: Any
        others: tuple[Any, ...] = ()

    value = Passing(1)
    assert back(value) == value
    assert back([value], list[Passing]) == [value]
    gone = weakref.ref(Passing)
    del Passing, value
    gc.collect()
    assert gone() is None


def test_the_path_of_a_class() -> None:
    """Module and name; none for plain values."""
    assert type_path(Flat) == f"{Flat.__module__}:Flat"
    assert type_path(int) is None
    assert type_path(list[int]) is None
    main = type("Thing", (), {"__module__": "__gridbus_main__"})
    assert type_path(main) == "__main__:Thing"
