"""Values as bytes and back."""

from __future__ import annotations

import dataclasses
import enum
import gc
import math
import types
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pytest

from gridbus.errors import PackingError
from gridbus.events import Event, Topic
from gridbus.events.event import Origin, Trace
from gridbus.events.grid import RowCreated, RowUpdated
from gridbus.events.system import HandlerFailed
from gridbus.isolation.wire import pack, type_path, unpack
from gridbus.query import And, Compare, Filter, In, IsNull, Not, Value

T = TypeVar("T")
Id = NewType("Id", str)


class Colour(enum.Enum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


class Odd(enum.Enum):
    """A choice that msgspec does not take."""

    HALF = 0.5
    PAIR = (1, 2)


class Access(enum.IntFlag):
    """Flags."""

    READ = 1
    WRITE = 2


@attrs.frozen
class Flat:
    """Scalars only."""

    name: str
    age: int
    size: float
    alive: bool


@attrs.frozen
class Private:
    """A field whose name begins with an underscore."""

    name: str
    _secret: int = 7


@attrs.frozen
class Loose:
    """A place for anything."""

    name: str
    value: Any = None


@attrs.frozen
class Nested:
    """Objects within objects."""

    private: Private
    loose: tuple[Loose, ...]
    by_name: Mapping[str, Private]
    colour: Colour = Colour.RED
    odd: Odd = Odd.HALF


def _positive(instance: Any, attribute: Any, value: Any) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} is below 0")


class NotWanted(Exception):
    """An error of a class's own."""


@attrs.frozen
class Checked:
    """Validated, converted, and with a field that is worked out."""

    age: int = attrs.field(validator=_positive)
    words: list[Any] = attrs.field(
        converter=lambda text: text.split(",") if isinstance(text, str) else [*text, "again"]
    )
    double: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Work out the double."""
        if self.age == 13:
            raise NotWanted("no 13")
        object.__setattr__(self, "double", 2 * self.age)


@attrs.frozen(cache_hash=True)
class Hashed:
    """Keeps its hash."""

    name: str


@attrs.define(kw_only=True)
class Defaults:
    """Fields that may be left out."""

    when: datetime | None = None
    tags: list[Any] = attrs.field(factory=list)


@attrs.define
class Box(Generic[T]):
    """A class with a type variable."""

    content: T
    more: list[T]


@attrs.frozen
class Node:
    """A class that contains itself."""

    value: Value
    children: tuple[Node, ...] = ()


@dataclasses.dataclass
class Record:
    """A dataclass."""

    when: datetime
    _hidden: int = 3
    derived: int = dataclasses.field(init=False, default=0)

    def __post_init__(self) -> None:
        """Work something out."""
        self.derived = self._hidden + 1


class Renamed(msgspec.Struct, rename="camel", tag="renamed"):
    """A struct of another look outside."""

    first_name: str
    any_value: Any = None


class Row(NamedTuple):
    """A tuple with names."""

    day: date
    at: time


class Options(TypedDict, total=False):
    """A dict with declared keys."""

    when: datetime
    name: str


@attrs.frozen
class Typed:
    """Annotations of many kinds."""

    id: Id
    op: Literal["eq", "ne"]
    flags: Access
    at: time
    day: date
    took: timedelta
    price: Decimal
    key: uuid.UUID
    raw: bytes
    rows: Sequence[Row]
    names: frozenset[str]
    pair: tuple[int, datetime]
    options: Options
    either: Decimal | date | None
    choice: Literal[True, "x"]


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


@pytest.mark.parametrize(
    ("data", "kind", "path"),
    [
        ({"id": "1", "old": {}, "new": {"age": [1]}}, RowUpdated, "$.new.age"),
        ({"id": "1", "old": {}, "new": {"age": Decimal(1)}}, RowUpdated, "$.new.age"),
        ({"id": 1, "old": {}, "new": {}}, RowUpdated, "$.id"),
        ({"id": "1", "old": {}, "new": {3: 1}}, RowUpdated, "$.new"),
        ({"id": "1", "old": {}}, RowUpdated, "$"),
        ({"id": "1", "old": [], "new": {}}, RowUpdated, "$.old"),
        ([], RowUpdated, "$"),
        ({"name": "a", "age": "1", "size": 1.0, "alive": True}, Flat, "$.age"),
        ({"name": "a", "_secret": "x"}, Private, "$._secret"),
        ({"age": -1, "words": [], "double": 3}, Checked, "$"),
        ({"age": 13, "words": [], "double": 3}, Checked, "$"),
        ({"when": "2026-01-01"}, Defaults, "$.when"),
        ({"value": 1, "children": [{"value": {}}]}, Node, "$.children[0].value"),
        ("green", Colour, "$"),
        (0.75, Odd, "$"),
        (1, bool, "$"),
        ("x", bytes, "$"),
        (True, int, "$"),
        ([1, "a"], tuple[int, ...], "$[1]"),
        ([1], tuple[int, date], "$"),
        ({"a": 1}, Options, "$"),
    ],
    ids=repr,
)
def test_what_is_not_of_the_declared_type_is_refused(data: Any, kind: Any, path: str) -> None:
    """The message says where it is."""
    if kind is Options:
        assert unpack(pack(data), Options) == {}  # unknown keys are left out
        return
    with pytest.raises(PackingError) as refused:
        unpack(pack(data), kind)
    assert str(refused.value).startswith(f"what came is no {getattr(kind, '__qualname__', kind)}: ")
    assert str(refused.value).endswith(f"@ {path}")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Loose("a", object()), "$.value"),
        (Loose("a", {"b": [1, lambda: None]}), "$.value.b[1]"),
        ({"a": {1, open}}, "$.a"),
        ([1, type("Custom", (), {})()], "$[1]"),
        (RowCreated("1", {"a": 1j}), "$.values.a"),  # type: ignore[dict-item]
        (Nested(Private("a", object()), (), {}), "$.private._secret"),  # type: ignore[arg-type]
        (gc, "$"),
        (Flat, "$"),
        ("\ud800", "$"),
    ],
    ids=repr,
)
def test_what_is_no_data_is_refused(value: Any, path: str) -> None:
    """The message names type and place."""
    with pytest.raises(PackingError, match="cannot cross a process border") as refused:
        pack(value)
    assert f" @ {path}" in str(refused.value)


def test_what_contains_itself_is_refused() -> None:
    """Rather than to run out of stack."""
    loop: list[Any] = []
    loop.append(loop)
    node = {"a": loop}
    for value in (loop, node, Loose("a", loop)):
        with pytest.raises(PackingError, match="deep"):
            pack(value)


def test_an_annotation_that_cannot_be_resolved_is_told() -> None:
    """Nothing is let through unchecked."""

    @attrs.frozen
    class Hidden:
        value: OnlyForTypeCheckers  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(PackingError, match=r"OnlyForTypeCheckers.*run time"):
        pack(Hidden(1))
    with pytest.raises(PackingError, match="OnlyForTypeCheckers"):
        unpack(pack({"value": 1}), Hidden)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 60_000 + b"\xc0",
        b"\x81\xa1a" * 20_000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xd4\x63\x00",
        b"\xc7\x04\x01\xff\xff\xff\xff",
        b"\xc7\x03\x02abc",
        b"\xc7\x04\x051E+x",
        b"\xc7\x02\x09\x91\x80",
        b"\xc7\x01\x08\xc1",
        b"\xa1\xff",
        pack([1]) + b"x",
    ],
    ids=lambda data: repr(data[:8]),
)
@pytest.mark.parametrize("kind", [object, RowUpdated, Filter, int, list[Any], Flat, dict[str, date]])
def test_malformed_bytes_are_refused(data: bytes, kind: Any) -> None:
    """Whatever is declared."""
    with pytest.raises(PackingError):
        unpack(data, kind)


def test_marks_within_marks_do_not_crash() -> None:
    """However deep they are nested."""
    data = b"\xc0"
    while len(data) < 60_000:
        data = b"\xc9" + (len(data) + 1).to_bytes(4, "big") + b"\x08\x91" + data
    with pytest.raises(PackingError):
        unpack(data, object)
    deep = b"\x82\xa5$type\xa3Not\xa4part" * 2_000 + b"\xc0"
    with pytest.raises(PackingError):
        unpack(deep, Filter)


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
    assert type_path(Flat) == f"{__name__}:Flat"
    assert type_path(int) is None
    assert type_path(list[int]) is None
    main = type("Thing", (), {"__module__": "__gridbus_main__"})
    assert type_path(main) == "__main__:Thing"
