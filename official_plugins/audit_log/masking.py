"""Takes personal data out of what is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import Any

import attrs

_OPERATORS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "startswith", "between"})
_MOST_PATHS = 4096  # keys come from outside, so what is remembered of them is bounded
_SHORTEST = 4  # characters of a masked value that is looked for in other texts; shorter ones are in too many
_QUOTED = 40  # characters of a value that error messages repeat at least


class Masker:
    """Replaces the values of certain keys, wherever they stand in plain data.

    A masked value also disappears from the other texts of the same entry: where it is repeated, as far as it is a text
    of four characters or more, and where a message tells of its column. An empty value stays empty. What a load says
    about single lines of a file may quote any cell, so it is cut to the line.
    """

    def __init__(self, patterns: Sequence[str], replacement: str = "***") -> None:
        """Prepare; see ``PiiConfig.mask`` for the patterns."""
        self._patterns = [tuple(pattern.casefold().split(".")) for pattern in patterns]
        self._replacement = replacement
        self._known: dict[tuple[str, ...], bool] = {}

    def mask(self, data: Any) -> Any:
        """Return plain data without the values that are to be kept out of it."""
        if not self._patterns:
            return data
        hidden = _Hidden()
        masked = self._masked(data, (), hidden)
        return self._scrubbed(masked, hidden.columns, hidden.needles()) if hidden.columns else masked

    def hides(self, path: Sequence[str]) -> bool:
        """Tell whether the value at a path of keys is masked."""
        key = tuple(path)
        answer = self._known.get(key)
        if answer is None:
            folded = [step.casefold() for step in key]
            answer = any(_matches(pattern, folded) for pattern in self._patterns)
            if len(self._known) >= _MOST_PATHS:
                self._known.clear()
            self._known[key] = answer
        return answer

    def _masked(self, data: Any, path: tuple[str, ...], hidden: _Hidden) -> Any:
        if isinstance(data, Mapping):
            return {key: self._item(data, str(key), value, path, hidden) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self._masked(item, path, hidden) for item in data]
        return data

    def _item(self, data: Mapping[Any, Any], key: str, value: Any, path: tuple[str, ...], hidden: _Hidden) -> Any:
        here = (*path, key)
        column = data.get("column") if key in _OPERATORS else None  # of a filter's condition
        if self.hides(here) or (isinstance(column, str) and self.hides((*path, column))):
            hidden.columns.add(column if isinstance(column, str) else key)
            hidden.texts.update(_texts(value))
            return None if value is None else self._replacement
        if key == "problems" and isinstance(value, list):
            return [self._place(str(item)) for item in value]
        return self._masked(value, here, hidden)

    def _place(self, problem: str) -> str:
        place, told, _ = problem.partition(": ")
        return f"{place}: {self._replacement}" if told else self._replacement

    def _scrubbed(self, data: Any, columns: Set[str], texts: Sequence[str]) -> Any:
        if isinstance(data, dict):
            return {key: self._scrubbed(value, columns, texts) for key, value in data.items()}
        if isinstance(data, list):
            return [self._scrubbed(item, columns, texts) for item in data]
        return self._without(data, columns, texts) if isinstance(data, str) else data

    def _without(self, text: str, columns: Set[str], texts: Sequence[str]) -> str:
        for column in columns:
            before, told, _ = text.partition(f"column {column!r}: ")
            text = f"{before}{told}{self._replacement}" if told else text
        for secret in texts:
            text = text.replace(secret, self._replacement)
            start = secret[:_QUOTED]
            if len(secret) > _QUOTED and start in text:  # shortened, as messages quote long values
                text = text[: text.index(start)] + self._replacement
        return text


@attrs.define
class _Hidden:
    """What was masked in one entry."""

    columns: set[str] = attrs.field(factory=set)
    texts: set[str] = attrs.field(factory=set)

    def needles(self) -> list[str]:
        """Return the texts that are looked for elsewhere: the longest first, as one may be a part of another."""
        return sorted((text for text in self.texts if len(text) >= _SHORTEST), key=len, reverse=True)


def _matches(pattern: tuple[str, ...], path: Sequence[str]) -> bool:
    """Tell whether the last steps of a path are those of the pattern."""
    if len(pattern) > len(path):
        return False
    return all(fnmatchcase(step, part) for part, step in zip(reversed(pattern), reversed(path), strict=False))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
