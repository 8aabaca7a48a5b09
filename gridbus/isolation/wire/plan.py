"""A plan: how the values of one type are written and read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from gridbus.isolation.wire.marks import PLAIN


@attrs.frozen
class Plan:
    """How the values of one type are written and read; parts that are None are left to msgspec."""

    form: Any  #: the type that msgspec reads them as
    finish: Callable[[Any], Any] | None = None  #: checks what was read, or makes the value of it
    write: Callable[[Any], Any] | None = None  #: makes what msgspec writes
    is_plain: Callable[[Any], bool] | None = None  #: whether msgspec writes this one right without ``write``
    holds: frozenset[type[Any]] | None = None  #: the classes that ``finish`` lets pass, where it does no more

    @property
    def is_exact(self) -> bool:
        """Whether msgspec does all of it by itself."""
        return self.finish is None and self.write is None

    @property
    def keeps(self) -> bool:
        """Whether what msgspec read is the value already, if it fits."""
        return self.finish is None or self.holds is not None


class Planner(Protocol):
    """Knows the plans of all types."""

    def plan(self, annotation: Any) -> Plan:
        """Return the plan of a type."""
        ...

    def take(self, annotation: Any, value: Any) -> Any:
        """Make a value of what was read as plain data."""
        ...

    def mark(self, value: Any) -> Any:
        """Return a value of no declared type as msgspec may write it."""
        ...


def is_plain(value: Any) -> bool:
    """Tell whether msgpack has a form for a value."""
    return value.__class__ in PLAIN
