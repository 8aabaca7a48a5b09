"""Classes of many libraries and kinds, to be packed."""

from __future__ import annotations

import dataclasses
import enum
import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import attrs
import msgspec

from gridbus.query import Value

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
