"""Tells which events match one of several patterns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridbus import Event
from gridbus.events import matches

_MOST_REMEMBERED = 4_096  # topic names come from outside, so what is kept of them is bounded


class TopicFilter:
    """Several topics and patterns as the ``where`` of one subscription.

    A subscription for each of them would have a mailbox each: the order between them would be lost, and an event that
    two of them match would come twice.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        """Take the patterns."""
        self._patterns = tuple(patterns)
        self._known: dict[str, bool] = {}

    @property
    def subject(self) -> str:
        """What to subscribe to: the one pattern there is, or everything."""
        return self._patterns[0] if len(self._patterns) == 1 else "*"

    def __call__(self, event: Event[Any]) -> bool:
        """Tell whether an event matches."""
        answer = self._known.get(event.topic)
        if answer is None:
            answer = any(matches(pattern, event.topic) for pattern in self._patterns)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[event.topic] = answer
        return answer
