"""Whether two generations of a plugin's code promise the same on their channels."""

from __future__ import annotations

import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gridbus.channels import Channel
from gridbus.plugins.contract import contract_of, differences

Generation = Callable[[str], dict[str, str]]

IMPORTS = """
from __future__ import annotations
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import *
import attrs, msgspec
from typing import Optional
T = TypeVar("T")
"""


@pytest.fixture
def generation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Generation]:
    """Import a text as the next generation of a plugin and describe Channel("greeter:greet", Hello, Hi)."""
    made: list[str] = []

    def make(text: str) -> dict[str, str]:
        suffix = f"__{len(made) + 1}" if made else ""
        name = f"gridbus_plugin_greeter{suffix}.api"
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        made.append(name)
        exec(compile(IMPORTS + textwrap.dedent(text), name, "exec", dont_inherit=True), vars(module))
        scope = vars(module)
        return contract_of([Channel("greeter:greet", scope.get("Hello", str), scope.get("Hi", str))])

    yield make
    made.clear()


EVERYTHING = """
class Color(enum.Enum):
    RED = "red"
    BLUE = 2

UserId = NewType("UserId", int)

class Address(NamedTuple):
    street: str
    zip: Optional[str] = None

class Options(TypedDict, total=False):
    loud: Required[bool]
    often: int

class Point(msgspec.Struct):
    x: float
    y: float = 0.0

@dataclass
class Tree(Generic[T]):
    value: T
    children: list[Tree[T]] = field(default_factory=list)

@attrs.frozen
class Hello:
    name: str
    address: Address
    color: Color | None
    options: Options
    points: tuple[Point, ...]
    tree: Tree[Point]
    kind: Literal["a", "b"]
    user: UserId
    each: Callable[[int, str], Sequence[Color]]
    again: Hello | None = None
    lost: Missing = None

class Hi(msgspec.Struct):
    text: str
    tree: Tree[int]
"""


def test_generations_of_unchanged_code_promise_the_same(generation: Generation) -> None:
    """Their classes differ in identity and in the name of their package only."""
    first, second, third = (generation(EVERYTHING) for _ in range(3))
    assert first == second == third
    assert differences(first, third) == ()
    for word in ("street", "'red'", "often", "Literal['a', 'b']", "Missing", "Tree[gridbus_plugin_greeter.api.Point]"):
        assert word in first["greeter:greet"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("name: str", "name: int", "Hello(name: int), not Hello(name: str)"),
        ("name: str", "name: str; title: str", "Hello(name: str, title: str), not Hello(name: str)"),
        ("name: str; title: str = ''", "name: str", "Hello(name: str), not Hello(name: str, title: str = ...)"),
        ("name: str = ''", "name: str", "Hello(name: str), not Hello(name: str = ...)"),
        ("name: Missing", "name: Lost", "Hello(name: Lost), not Hello(name: Missing)"),
        ("name: Literal['a']", "name: Literal['b']", "Hello(name: Literal['b']), not Hello(name: Literal['a'])"),
        ("name: list[int]", "name: list[str]", "Hello(name: list[str]), not Hello(name: list[int])"),
    ],
)
@pytest.mark.parametrize("kind", ["@dataclass", "@attrs.frozen", "@attrs.define(kw_only=True)", "msgspec"])
def test_a_message_that_takes_other_fields_is_told(
    generation: Generation, old: str, new: str, told: str, kind: str
) -> None:
    """As the fields that there are, and those that there were."""
    head = "class Hello(msgspec.Struct):" if kind == "msgspec" else f"{kind}\nclass Hello:"
    found = differences(*(generation(f"{head}\n    {fields}") for fields in (old, new)))
    assert found == (f"greeter:greet takes {told}",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: str", "name: str; title: str = ''"),
        ("name: str; age: int", "age: int; name: str"),
        ("name: str", "name: str = ''"),
        ("name: Optional[str]", "name: None | str"),
        ("name: Literal['a', 'b']", "name: Literal['b', 'a']"),
        ("name: 'list [int]'", "name: list[int]"),
        ("name: str; kind: ClassVar[int] = 1", "name: str"),
    ],
)
def test_a_message_that_takes_all_that_it_took_is_no_difference(generation: Generation, old: str, new: str) -> None:
    """New fields that can be left out, another order, other words for the same type."""
    assert not differences(*(generation(f"@dataclass\nclass Hello:\n    {fields}") for fields in (old, new)))


def test_a_reply_may_gain_fields_but_lose_none(generation: Generation) -> None:
    """Whoever read it as it was still can."""
    less, more = (generation(f"@dataclass\nclass Hi:\n    {fields}") for fields in ("text: str", "text: str; at: int"))
    assert differences(less, more) == ()
    assert differences(more, less) == ("greeter:greet replies with Hi(text: str), not Hi(at: int, text: str)",)


def test_a_nested_type_is_named_with_where_it_is(generation: Generation) -> None:
    """The change is told, not all that is around it."""
    text = """
    @attrs.frozen
    class Address:
        {}
    @attrs.frozen
    class Hello:
        addresses: dict[str, list[Address]]
    """
    found = differences(generation(text.format("street: str")), generation(text.format("street: str; zip: str")))
    assert found == ("greeter:greet takes Address(street: str, zip: str) in Hello, not Address(street: str)",)


def test_a_named_tuple_keeps_its_order_and_length(generation: Generation) -> None:
    """It may be unpacked; as a message it may be made shorter than it can be."""
    first, other, longer = (
        generation(f"class Hello(NamedTuple):\n    {fields}\nHi = Hello")
        for fields in ("x: int; y: int", "y: int; x: int", "x: int; y: int; z: int = 0")
    )
    assert differences(first, other) == (
        "greeter:greet takes Hello(y: int, x: int), not Hello(x: int, y: int)",
        "greeter:greet replies with Hello(y: int, x: int), not Hello(x: int, y: int)",
    )
    assert differences(first, longer) == (
        "greeter:greet replies with Hello(x: int, y: int, z: int = ...), not Hello(x: int, y: int)",
    )


def test_a_struct_that_travels_as_an_array_keeps_its_order(generation: Generation) -> None:
    """Others may gain fields anywhere."""
    head = "class Hello(msgspec.Struct{}):\n    {}\nHi = Hello"
    array, other, longer, loose = (
        generation(head.format(options, fields))
        for options, fields in (
            (", array_like=True", "x: int; y: int"),
            (", array_like=True", "y: int; x: int"),
            (", array_like=True", "x: int; y: int; z: int = 0"),
            ("", "x: int; y: int"),
        )
    )
    assert len(differences(array, other)) == 2
    assert differences(array, longer) == ()
    assert len(differences(array, loose)) == 2


def test_a_type_that_moved_is_told_with_where_it_is(generation: Generation) -> None:
    """A field of a type of the same name from elsewhere is another field."""
    elsewhere = "class Name:\n    pass\n{}@dataclass\nclass Hello:\n    name: Name"
    here, there = generation(elsewhere.format("")), generation(elsewhere.format("Name.__module__ = 'names'\n"))
    assert differences(here, there) == (
        "greeter:greet takes api.Hello(name: names.Name), not api.Hello(name: api.Name)",
    )


def test_what_is_no_expression_stands_as_it_is_written(generation: Generation) -> None:
    """Annotations may be anything."""
    text = "class Color(enum.Enum):\n    RED = 1\n@dataclass\nclass Hello:\n    a: Literal[Color.RED]\n    b: '{}'"
    first, second, other = (generation(text.format(written)) for written in ("a b", "a b", "a c"))
    assert first == second
    assert differences(first, other)


def test_keys_of_a_typed_dict_must_stay_in_replies(generation: Generation) -> None:
    """A key that may be missing breaks who reads it, and one that is required breaks who leaves it out."""
    always, sometimes = (
        generation(f"class Hello(TypedDict):\n    name: str\n    age: {age}\nHi = Hello")
        for age in ("int", "NotRequired[int]")
    )
    assert [text.split(" Hello")[0] for text in differences(always, sometimes)] == ["greeter:greet replies with"]
    assert [text.split(" Hello")[0] for text in differences(sometimes, always)] == ["greeter:greet takes"]


def test_enums_are_compared_with_their_values(generation: Generation) -> None:
    """More may be sent than before, and less come back."""
    less, more, other = (
        generation(f"class Hello(enum.Enum):\n    {members}\nHi = Hello")
        for members in ("RED = 1", "RED = 1; BLUE = 2", "RED = 3")
    )
    assert differences(less, more) == ("greeter:greet replies with Hello(RED = 1, BLUE = 2), not Hello(RED = 1)",)
    assert differences(more, less) == ("greeter:greet takes Hello(RED = 1), not Hello(RED = 1, BLUE = 2)",)
    assert len(differences(less, other)) == 2


def test_what_an_alias_stands_for_counts(generation: Generation) -> None:
    """Its name alone says nothing."""
    first, other = (
        generation(f"UserId = NewType('UserId', {of})\n@dataclass\nclass Hello:\n    id: UserId")
        for of in ("int", "str")
    )
    assert differences(first, other) == ("greeter:greet takes UserId = str in Hello, not UserId = int",)


def test_type_variables_are_filled_in_bases_too(generation: Generation) -> None:
    """A page of numbers is no page of texts."""
    text = (
        "@attrs.frozen\nclass Page(Generic[T]):\n    items: list[T]\n@attrs.frozen\nclass Hello(Page[{}]):\n    n: int"
    )
    assert differences(generation(text.format("int")), generation(text.format("str"))) == (
        "greeter:greet takes Hello(items: list[str], n: int), not Hello(items: list[int], n: int)",
    )


def test_a_generic_that_nests_itself_ends(generation: Generation) -> None:
    """Some types have no end when they are written out."""
    text = "@attrs.frozen\nclass Nest(Generic[T]):\n    inner: Nest[list[T]] | None\nHello = Nest[int]"
    first, second = generation(text), generation(text)
    assert first == second


def test_another_type_of_the_same_name_is_told_by_its_full_name() -> None:
    """What is brief would be the same."""
    one, two = (type("Hello", (), {"__module__": f"gridbus_plugin_greeter__3.{name}"}) for name in ("api", "words"))
    old, new = (contract_of([Channel("greeter:greet", kind, str)]) for kind in (one, two))
    assert differences(old, new) == ("greeter:greet takes words.Hello, not api.Hello",)


def test_types_that_are_known_by_name_only_are_compared_by_name() -> None:
    """Plugins in processes of their own declare no more than that."""

    class Named(Channel[Any, Any]):
        __slots__ = ("message_name", "reply_name")

        def __init__(self, message_name: str, reply_name: str) -> None:
            super().__init__("greeter:greet", object, object)
            self.message_name, self.reply_name = message_name, reply_name

    old, same, other = (
        contract_of([Named(f"gridbus_plugin_greeter{suffix}.api:{name}", "str")])
        for suffix, name in (("", "Hello"), ("__2", "Hello"), ("__3", "Hullo"))
    )
    assert old == same
    assert differences(old, other) == ("greeter:greet takes Hullo, not Hello",)


def test_what_is_known_by_name_only_agrees_with_what_is_known_in_full(generation: Generation) -> None:
    """A plugin may move to a process of its own."""
    known = generation("@dataclass\nclass Hello:\n    name: str")
    named = Channel("greeter:greet", object, object)
    remote = types.SimpleNamespace(
        name=named.name, message_type=object, reply_type=object, message_name="gridbus_plugin_greeter__2.api:Hello"
    )
    remote.reply_name = "str"
    found: Any = remote
    assert differences(known, contract_of([found])) == ()
    assert differences(contract_of([found]), known) == ()


def test_channels_come_and_go_and_begin_to_stream() -> None:
    """A new one is no difference: nobody depends on it."""
    one, two = Channel("greeter:greet", str, str), Channel("greeter:wave", int, list[int])
    old, new = contract_of([one]), contract_of([one, two])
    assert differences(old, new) == ()
    assert differences(new, old) == ("greeter:wave is no longer served",)
    assert differences(old, contract_of([one], {"greeter:greet"})) == (
        "greeter:greet replies with a stream now, no longer with one reply",
    )
    assert differences(contract_of([one], {"greeter:greet"}), old) == (
        "greeter:greet replies with one reply now, no longer with a stream",
    )


def test_a_long_difference_shows_what_differs_within_200_characters(generation: Generation) -> None:
    """Not what is the same around it."""
    fields = "; ".join(f"field_number_{number}: str" for number in range(30))
    old, new = (generation(f"@dataclass\nclass Hello:\n    {fields}; last: {kind}") for kind in ("int", "str"))
    assert differences(old, new) == ("greeter:greet takes Hello(..., last: str), not Hello(..., last: int)",)
    old, new = (generation(f"@dataclass\nclass Hello:\n    {fields}".replace("str", kind)) for kind in ("int", "str"))
    (text,) = differences(old, new)
    assert len(text) == 200
    assert text.endswith("...")


def test_a_type_that_becomes_something_else_is_told(generation: Generation) -> None:
    """Its name is the same, and what it is made of is no longer known or held in another way."""
    known, plain, held = (
        generation(text)
        for text in (
            "@dataclass\nclass Hello:\n    name: str",
            "class Hello:\n    pass",
            "class Hello(TypedDict):\n    name: str",
        )
    )
    assert differences(known, plain) == ("greeter:greet takes Hello, not Hello(name: str)",)
    assert differences(known, held) == ("greeter:greet takes Hello(name: str) as dict, not Hello(name: str) as object",)


def test_plain_types_are_compared_as_they_are_written() -> None:
    """Containers, unions, and what annotations cannot say."""
    channel = Channel[Any, Any]
    old = contract_of([channel("a:b", tuple[int, ...], None), channel("c:d", dict[str, Any], int | None)])  # type: ignore[arg-type]
    new = contract_of([channel("a:b", tuple[int], None), channel("c:d", dict[str, Any], str | None)])  # type: ignore[arg-type]
    assert differences(old, new) == (
        "a:b takes tuple[int], not tuple[int, ...]",
        "c:d replies with str | None, not int | None",
    )
