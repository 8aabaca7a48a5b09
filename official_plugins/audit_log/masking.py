"""Takes personal data out of what is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

_OPERATORS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "startswith", "between"})
_MOST_PATHS = 4096  # keys come from outside, so what is remembered of them is bounded
_SHORTEST = 4  # characters of a masked value that is looked for in other texts; shorter ones are in too many
_QUOTED = 40  # characters of a value that error messages repeat at least


class Masker:
    """Replaces the values of certain keys, wherever they stand in plain data.

    A masked value also disappears from the other texts of the same entry (a row's id, the reason of a refusal), as far
    as it is a text of four characters or more. An empty value stays empty.
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
        hidden: list[str] = []
        masked = self._masked(data, (), hidden)
        found = sorted({text for text in hidden if len(text) >= _SHORTEST}, key=len, reverse=True)
        return self._scrubbed(masked, found) if found else masked

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

    def _masked(self, data: Any, path: tuple[str, ...], hidden: list[str]) -> Any:
        if isinstance(data, Mapping):
            return {key: self._item(data, str(key), value, path, hidden) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self._masked(item, path, hidden) for item in data]
        return data

    def _item(self, data: Mapping[Any, Any], key: str, value: Any, path: tuple[str, ...], hidden: list[str]) -> Any:
        here = (*path, key)
        is_operand = key in _OPERATORS and isinstance(data.get("column"), str)
        if self.hides(here) or (is_operand and self.hides((*path, data["column"]))):
            hidden.extend(_texts(value))
            return None if value is None else self._replacement
        return self._masked(value, here, hidden)

    def _scrubbed(self, data: Any, hidden: list[str]) -> Any:
        if isinstance(data, dict):
            return {key: self._scrubbed(value, hidden) for key, value in data.items()}
        if isinstance(data, list):
            return [self._scrubbed(item, hidden) for item in data]
        if isinstance(data, str):
            for text in hidden:
                data = data.replace(text, self._replacement)
                if len(text) > _QUOTED and text[:_QUOTED] in data:  # shortened, as messages quote long values
                    data = data[: data.index(text[:_QUOTED])] + self._replacement
        return data


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
