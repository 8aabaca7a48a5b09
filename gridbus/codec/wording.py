"""How messages show values, types and places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_SHOWN = 60  # characters of a value that a message repeats


class Mismatch(ValueError):
    """A value is not what its place takes."""

    @classmethod
    def of(cls, expected: str, value: object) -> Mismatch:
        """Say what was expected and what came."""
        return cls(f"expected {expected}, got {shown(value)}")


def step(place: object) -> str:
    """Return one step of a path: ``.name``, ``[3]`` or ``["any text"]``."""
    return f".{place}" if isinstance(place, str) and re.fullmatch(r"[\w-]+", place) else f"[{quoted(place)}]"


def shown(value: object) -> str:
    """Return a value with its type, shortened, as in ``str "x"``."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return f"mapping of {len(value)}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"list of {len(value)}"
    return f"{type(value).__name__} {quoted(value)}"


def quoted(value: object) -> str:
    """Return a value as it would be written, shortened; texts in double quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def suggestion(word: object, known: Iterable[str]) -> str:
    """Return ``, did you mean "x"?`` where one of the known words is near."""
    from difflib import get_close_matches  # only where something is wrong

    near = get_close_matches(word, list(known), n=1) if isinstance(word, str) else []
    return f', did you mean "{near[0]}"?' if near else ""


def type_name(kind: Any) -> str:
    """Return the name of a type as a reader of the message would write it."""
    if kind is type(None):
        return "null"
    name = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", name.replace("NoneType", "null").replace("None", "null"))
