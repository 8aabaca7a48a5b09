"""Which subscriptions a topic reaches: an index by name and by the parts of patterns."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from gridbus.events.topic import Topic, is_pattern


class Registered(Protocol):
    """What the index holds."""

    @property
    def order(self) -> Any:
        """The place in line: a number, or a priority and a number; what sorts first is reached first."""
        ...


R = TypeVar("R", bound=Registered)


class Registry(Generic[R]):
    """Finds all entries for a topic in a few look-ups, however many patterns there are."""

    def __init__(self) -> None:
        self._exact: defaultdict[str, list[R]] = defaultdict(list)
        self._nouns: defaultdict[str, list[R]] = defaultdict(list)
        self._verbs: defaultdict[str, list[R]] = defaultdict(list)
        self._all: list[R] = []

    def add(self, pattern: str, entry: R) -> None:
        """Register ``entry`` for a topic or pattern."""
        self._shelf(pattern).append(entry)

    def remove(self, pattern: str, entry: R) -> None:
        """Forget ``entry``; does nothing where it is not registered."""
        with suppress(ValueError):
            self._shelf(pattern).remove(entry)
        noun, _, verb = pattern.partition(":")
        for index, key in ((self._exact, pattern), (self._nouns, noun), (self._verbs, verb)):
            if key in index and not index[key]:
                del index[key]

    def find(self, topic: Topic[object]) -> list[R]:
        """Return the entries that match ``topic``, in order."""
        noun, _, verb = topic.partition(":")
        found = [
            *self._exact.get(topic, ()),
            *self._nouns.get(noun, ()),
            *self._verbs.get(verb, ()),
            *self._all,
        ]
        found.sort(key=lambda entry: entry.order)
        return found

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._all) + sum(
            len(shelf) for index in (self._exact, self._nouns, self._verbs) for shelf in index.values()
        )

    def _shelf(self, pattern: str) -> list[R]:
        if not is_pattern(pattern):
            return self._exact[pattern]
        noun, _, verb = pattern.partition(":")
        if noun == "*":
            return self._verbs[verb] if verb not in ("", "*") else self._all
        return self._nouns[noun]
