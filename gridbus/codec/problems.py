"""What went wrong while reading, as ``message @ $.path``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from cattrs.errors import (
    AttributeValidationNote,
    ForbiddenExtraKeysError,
    IterableValidationNote,
    StructureHandlerNotFoundError,
)

from gridbus.codec.wording import Mismatch, quoted, step, suggestion, type_name
from gridbus.errors import ConfigError, PluginError, QueryError


def problems_in(error: BaseException, path: str) -> Iterator[str]:
    """Yield each problem that an exception of cattrs, of a hook or of a class's own validator stands for."""
    if isinstance(error, BaseExceptionGroup):
        cls = getattr(error, "cl", None)
        for inner in error.exceptions:
            yield from _problems_below(inner, path, cls)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [field.name for field in attrs.fields(error.cl)] if attrs.has(error.cl) else []
        for key in sorted(error.extra_fields, key=str):
            yield f"unknown key {quoted(key)}{suggestion(key, known)} @ {path}{step(key)}"
    elif isinstance(error, StructureHandlerNotFoundError):
        yield f"values of type {type_name(error.type_)} cannot be read from plain data @ {path}"
    else:
        for problem in _listed(error):
            message, at, below = problem.rpartition(" @ ")
            yield f"{message} @ {_joined(path, below)}" if at else f"{problem} @ {path}"


def _problems_below(error: BaseException, path: str, cls: Any) -> Iterator[str]:
    """Yield the problems of a part, whose place its note tells; a class's validator names its field in the text."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            if type(error) is KeyError and error.args == (note.name,):
                yield f"missing, expected {type_name(note.type)} @ {path}{step(note.name)}"
            else:
                yield from problems_in(error, path + step(note.name))
            return
        if isinstance(note, IterableValidationNote):
            yield from problems_in(error, path + step(note.index))
            return
    named = re.match(r"'(\w+)' ", str(error.args[0])) if error.args else None
    if named and attrs.has(cls) and named[1] in (field.name for field in attrs.fields(cls)):
        path += step(named[1])
    yield from problems_in(error, path)


def _listed(error: BaseException) -> Sequence[str]:
    """Return what an exception says; errors of gridbus may say several things, each with a path of its own."""
    if isinstance(error, ConfigError):
        return error.problems
    if isinstance(error, PluginError) and error.details.get("problems"):
        return tuple(error.details["problems"])
    if isinstance(error, Mismatch | QueryError):
        return (str(error),)
    text = str(error.args[0]) if error.args else ""  # the validators of attrs pass more than the text
    return (text.replace(" @ ", " at ") or type(error).__name__,)


def _joined(path: str, below: str) -> str:
    below = below.removeprefix("$")
    return path + (below if not below or below[0] in ".[" else f".{below}")
