"""Reading plain data as typed objects."""

from __future__ import annotations

import enum
import gc
import weakref
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

import attrs
import pytest

from gridbus.codec import structure
from gridbus.errors import ConfigError
from gridbus.events.grid import ROW_CREATE
from gridbus.events.topic import Topic
from gridbus.query import And, Compare, Filter, Not, Value

if TYPE_CHECKING:
    from decimal import Decimal

T = TypeVar("T")


class Colour(enum.StrEnum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.frozen
class Limits:
    memory: int = 64
    share: float = 1.0


@attrs.frozen
class Settings:
    name: str
    on: bool = False
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    limits: Limits = Limits()
    tags: tuple[str, ...] = ()
    pair: tuple[int, str] = (1, "x")
    by_name: Mapping[str, Limits] = attrs.field(factory=dict)
    mode: Literal["fast", "safe"] = "safe"
    most: int | None = None
    day: date | None = None
    at: datetime | None = None
    where: Filter | None = None
    path: Path = Path()
    cell: Value = None
    several: Limits | list[int] | Colour | str = "none"
    keys: frozenset[int] = frozenset()
    data: bytes = b""
    noted: Annotated[int, "a note"] = 0
    anything: Any = None
    sure: Not | None = None


@attrs.frozen
class Box(Generic[T]):
    content: T


@attrs.frozen
class Tree:
    children: tuple[Tree, ...] = ()
    parent: Tree | None = None


@attrs.frozen
class Checked:
    port: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    path: Path = attrs.field(default=Path(), converter=Path)


@attrs.frozen
class Unreadable:
    price: Decimal


def problems(data: Any, cls: Any = Settings) -> tuple[str, ...]:
    """Return the problems of data that is wrong."""
    with pytest.raises(ConfigError) as caught:
        structure(data, cls, what="config of 'x'")
    assert str(caught.value).startswith("config of 'x':")
    return caught.value.problems


def read(key: str, value: Any) -> Any:
    """Return what one setting is read as."""
    return getattr(structure({"name": "n", key: value}, Settings, what="settings"), key)


def test_what_is_left_out_keeps_its_default() -> None:
    """Only the name is required."""
    assert structure({"name": "n"}, Settings, what="settings") == Settings("n")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("colour", "green", Colour.GREEN),
        ("colour", Colour.GREEN, Colour.GREEN),
        ("level", 2, Level.HIGH),
        ("limits", {"memory": 1, "share": 2}, Limits(1, 2.0)),
        ("limits", Limits(3), Limits(3)),
        ("tags", ["a", "b"], ("a", "b")),
        ("pair", [7, "y"], (7, "y")),
        ("by_name", {"a": {"memory": 2}}, {"a": Limits(2)}),
        ("mode", "fast", "fast"),
        ("most", 5, 5),
        ("most", None, None),
        ("day", "2024-02-29", date(2024, 2, 29)),
        ("day", date(2024, 2, 29), date(2024, 2, 29)),
        ("at", "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("where", {"and": [{"column": "a", "eq": 1}]}, And((Compare("a", "eq", 1),))),
        ("where", Not(And(())), Not(And(()))),
        ("path", "/tmp/x", Path("/tmp/x")),
        ("cell", "2024-02-29", "2024-02-29"),
        ("cell", True, True),
        ("cell", 1, 1),
        ("cell", 1.5, 1.5),
        ("cell", date(2024, 2, 29), date(2024, 2, 29)),
        ("several", {"memory": 9}, Limits(9)),
        ("several", [1, 2], [1, 2]),
        ("several", "green", Colour.GREEN),
        ("several", "blue", "blue"),
        ("keys", [1, 2, 2], frozenset({1, 2})),
        ("data", "aGk=", b"hi"),
        ("noted", 4, 4),
        ("anything", {"a": [1]}, {"a": [1]}),
    ],
)
def test_values_are_read_by_their_type(key: str, value: Any, expected: Any) -> None:
    """Each kind of type takes its plain form."""
    found = read(key, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("name", 5, "expected str, got int 5 @ $.name"),
        ("on", 1, "expected bool, got int 1 @ $.on"),
        ("on", "true", 'expected bool, got str "true" @ $.on'),
        ("colour", "geren", 'expected one of "red", "green", got str "geren", did you mean "green"? @ $.colour'),
        ("level", True, "expected one of 1, 2, got bool true @ $.level"),
        ("limits", "big", 'expected mapping (Limits), got str "big" @ $.limits'),
        ("limits", {"memory": "5"}, 'expected int, got str "5" @ $.limits.memory'),
        ("limits", {"memory": True}, "expected int, got bool true @ $.limits.memory"),
        ("limits", {"memory": 5.0}, "expected int, got float 5.0 @ $.limits.memory"),
        ("limits", {"share": "1"}, 'expected float, got str "1" @ $.limits.share'),
        ("limits", {"share": True}, "expected float, got bool true @ $.limits.share"),
        ("limits", {"share": 10**400}, "expected float, got int 1000"),
        ("limits", {"memroy": 1}, 'unknown key "memroy", did you mean "memory"? @ $.limits.memroy'),
        ("tags", "abc", 'expected list, got str "abc" @ $.tags'),
        ("tags", ["a", 1], "expected str, got int 1 @ $.tags[1]"),
        ("pair", [1], "expected list of 2, got list of 1 @ $.pair"),
        ("by_name", {"two words": {"memory": None}}, 'expected int, got null @ $.by_name["two words"].memory'),
        ("by_name", [1], "expected mapping, got list of 1 @ $.by_name"),
        ("mode", "fats", 'expected one of "fast", "safe", got str "fats", did you mean "fast"? @ $.mode'),
        ("most", "x", 'expected int or null, got str "x" @ $.most'),
        ("most", True, "expected int or null, got bool true @ $.most"),
        ("day", "2024-02-30", 'expected a date (YYYY-MM-DD), got str "2024-02-30" @ $.day'),
        ("day", "20240229", 'expected a date (YYYY-MM-DD), got str "20240229" @ $.day'),
        ("at", "yesterday at noon", "expected a datetime (YYYY-MM-DDTHH:MM:SS), got str"),
        ("day", datetime(2024, 2, 29), "expected a date (YYYY-MM-DD), got datetime"),
        ("at", "2024-02-29", 'expected a datetime (YYYY-MM-DDTHH:MM:SS), got str "2024-02-29" @ $.at'),
        ("where", {"and": [{"column": "a", "eqq": 1}]}, "unknown operator 'eqq'"),
        ("cell", [1], "expected bool or int or float or str or date or datetime or null, got list of 1 @ $.cell"),
        ("several", {"memory": "x"}, 'expected int, got str "x" @ $.several.memory'),
        ("several", 5, "expected Limits or list[int] or Colour or str, got int 5 @ $.several"),
        ("keys", [1, "a"], 'expected int, got str "a" @ $.keys[1]'),
        ("data", "not base64!", "expected bytes in base64"),
        ("data", [1], "expected bytes in base64, got list of 1 @ $.data"),
        ("path", "a\0b", "expected a path"),
        ("sure", {"column": "a", "eq": 1}, "expected a condition of the kind Not | null, got Compare @ $.sure"),
        ("path", 3, "expected a path, got int 3 @ $.path"),
        ("noted", "x", 'expected int, got str "x" @ $.noted'),
    ],
)
def test_a_wrong_value_is_named_with_its_place(key: str, value: Any, problem: str) -> None:
    """The message says what was expected, what came, and where."""
    (found,) = problems({"name": "n"} | {key: value})
    assert found.startswith(problem)
    assert f" @ $.{key}" in found


def test_all_problems_are_listed_at_once() -> None:
    """A missing key, an unknown one and a wrong value come together."""
    found = problems({"nam": "n", "on": 0, "limits": {"memory": "1", "share": "2"}})
    assert set(found) == {
        "missing, expected str @ $.name",
        'unknown key "nam", did you mean "name"? @ $.nam',
        "expected bool, got int 0 @ $.on",
        'expected int, got str "1" @ $.limits.memory',
        'expected float, got str "2" @ $.limits.share',
    }


def test_the_whole_may_be_of_a_wrong_shape() -> None:
    """The path of the whole is ``$``."""
    assert problems(["n"]) == ("expected mapping (Settings), got list of 1 @ $",)
    assert problems("abc", list[str]) == ('expected list, got str "abc" @ $',)


def test_any_type_can_be_asked_for() -> None:
    """Lists, mappings and unions are read like attrs classes."""
    assert structure([{"memory": 1}], list[Limits], what="x") == [Limits(1)]
    assert structure(None, Limits | None, what="x") is None
    assert structure(None, type(None), what="x") is None
    assert problems(1, type(None)) == ("expected null, got int 1 @ $",)
    assert structure(["row:create"], list[Topic], what="x") == [ROW_CREATE]
    assert type(structure("row:create", Topic, what="x")) is Topic
    assert structure([1, [2]], Sequence[int | list[int]], what="x") == (1, [2])


def test_generic_and_recursive_classes_are_read() -> None:
    """Type arguments and references to oneself are resolved."""
    assert structure({"content": [1]}, Box[list[int]], what="x") == Box([1])
    assert problems({"content": "a"}, Box[int]) == ('expected int, got str "a" @ $.content',)
    assert structure({"children": [{}], "parent": {}}, Tree, what="x") == Tree((Tree(),), Tree())


def test_validators_and_converters_of_the_class_are_heard() -> None:
    """A validator's complaint gets the path of its field; a converter gets the value as it came."""
    assert problems({"port": 0}, Checked) == ("'port' must be >= 1: 0 @ $.port",)
    assert structure({"path": "a/b"}, Checked, what="x").path == Path("a/b")


def test_errors_of_gridbus_keep_their_own_paths() -> None:
    """What a converter lists with paths below its field is spliced in."""

    def fail(value: Any) -> int:
        raise ConfigError("inner", ["bad @ $.a[0]", "worse @ b", "worst"])

    @attrs.frozen
    class Outer:
        inner: int = attrs.field(default=0, converter=fail)

    assert problems([{"inner": 1}], list[Outer]) == ("bad @ $[0].a[0]", "worse @ $[0].b", "worst @ $[0]")


def test_a_type_that_has_no_plain_form_is_named() -> None:
    """Such a field is an error of the class, and still names it."""

    @attrs.frozen
    class Odd:
        number: complex = 0j

    assert problems({"number": 1}, Odd) == ("values of type complex cannot be read from plain data @ $",)


def test_a_type_that_is_imported_for_type_checkers_only_is_named() -> None:
    """The message says which name is missing and that it has to be imported."""
    (problem,) = problems({"price": 1}, Unreadable)
    assert "Decimal" in problem
    assert "import it" in problem


def test_classes_of_plugins_are_not_kept_alive() -> None:
    """Reading and failing to read leave no reference to the class."""

    def use() -> list[weakref.ref[Any]]:
        Inner = attrs.make_class("Inner", {"value": attrs.field(type=int, default=0)})
        fields = {"inner": attrs.field(type=Inner | None), "many": attrs.field(type=tuple[Inner, ...], default=())}
        Config = attrs.make_class("Config", fields)
        assert structure({"inner": {}, "many": [{}]}, Config, what="x") == Config(Inner(), (Inner(),))
        problems({"inner": 1}, Config)
        return [weakref.ref(Inner), weakref.ref(Config)]

    references = use()
    gc.collect()
    assert [reference() for reference in references] == [None, None]
