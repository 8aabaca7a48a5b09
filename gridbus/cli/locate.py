"""Where in a line of JSON a value stands."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import TypeAlias

Step: TypeAlias = str | int

_STEP = re.compile(r'\.([\w-]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def parse_path(text: str) -> list[Step]:
    """Read ``$.and[1].column`` as its steps; what cannot be read ends it."""
    steps: list[Step] = []
    position = 1 if text.startswith("$") else 0
    while match := _STEP.match(text, position):
        name, index, quoted = match.groups()
        steps.append(int(index) if index is not None else name if name is not None else quoted)
        position = match.end()
    return steps


def column_of(text: str, path: Sequence[Step]) -> int:
    """Return the column, from 1, of the key (or list item) that a path leads to in valid JSON.

    Where the path leads further than the text, it is that of the last part that is there.
    """
    position = _skip(text, 0)
    found = position
    for step in path:
        inside = _enter(text, position, step)
        if inside is None:
            break
        found, position = inside
    return found + 1


def _enter(text: str, position: int, step: Step) -> tuple[int, int] | None:
    """Return where the key or item of a step stands, and where its value does; None where it is not there."""
    opening = text[position : position + 1]
    if opening != ("{" if isinstance(step, str) else "["):
        return None
    found = None
    position = _skip(text, position + 1)
    index = 0
    while text[position] not in "}]":
        at = position
        key: Step = index
        if opening == "{":
            key, position = scanstring(text, position + 1)
            position = _skip(text, _skip(text, position) + 1)  # the colon
        if key == step:
            found = (at, position)  # of a key that comes twice, the last one counts
            if opening == "[":
                break
        _, position = _DECODER.raw_decode(text, position)
        position = _skip(text, position)
        if text[position] == ",":
            position = _skip(text, position + 1)
        index += 1
    return found


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match is not None else position
