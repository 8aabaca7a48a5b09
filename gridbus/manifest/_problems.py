"""Reading fields so that one error lists everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import attrs

from gridbus.errors import GridbusError, PluginValidationError

A = TypeVar("A")
B = TypeVar("B")


class Problem:
    """Stands in a field for a value that could not be read, until ``problems_of`` collects it."""

    __slots__ = ("reasons",)

    def __init__(self, reasons: tuple[str, ...]) -> None:
        self.reasons = reasons  #: each may end with `` @ `` and a path below the field

    def at(self, path: str) -> list[str]:
        """Return the reasons as ``message @ path``."""
        parts = (reason.rpartition(" @ ") for reason in self.reasons)
        return [f"{message} @ {path}.{below}" if at else f"{below} @ {path}" for message, at, below in parts]


def attempt(parse: Callable[[A], B], value: A) -> B:
    """Return ``parse(value)``, or a ``Problem`` in its place; for converters, which must not raise one by one."""
    try:
        return parse(value)
    except GridbusError as error:
        return cast("B", Problem(reasons_in(error)))


def attempt_all(parse: Callable[[A], B], values: Iterable[A]) -> tuple[B, ...]:
    """Read each value of a list; a lone string or something that is no list is one problem."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        return cast("tuple[B, ...]", Problem((f"a list is needed, not {shown(values)}",)))
    return tuple(attempt(parse, value) for value in values)


def as_text(value: str) -> str:
    """Return ``value`` if it is a string."""
    if not isinstance(value, str):
        raise PluginValidationError(f"text is needed, not {shown(value)}")
    return value


def problems_of(instance: Any) -> list[str]:
    """List the problems that the fields of an attrs instance hold, as ``message @ field``."""
    found: list[str] = []
    for field in attrs.fields(type(instance)):
        value = getattr(instance, field.name)
        if isinstance(value, Problem):
            found += value.at(field.name)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                found += item.at(f"{field.name}[{index}]") if isinstance(item, Problem) else ()
    return found


def reasons_in(error: Exception) -> tuple[str, ...]:
    """Return the problems that an error lists, one string each."""
    if isinstance(error, PluginValidationError):
        return tuple(error.details.get("problems", ())) or (str(error),)
    return (str(error),)


def listed(subject: str, problems: list[str]) -> str:
    """Render problems under the name of what has them."""
    if len(problems) == 1:
        return f"{subject}: {problems[0]}"
    return f"{subject}:\n" + "\n".join(f"  - {problem}" for problem in problems)


def shown(value: object) -> str:
    """Return a repr that fits an error message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
