"""Records what a bus publishes, for tests to look at."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TypeVar

from gridbus.bus import Bus
from gridbus.events.event import Event
from gridbus.events.topic import Topic, matches

T = TypeVar("T")


class Recorder:
    """Each event that a bus publishes, in order: ``with Recorder(bus) as events``."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.events: list[Event[Any]] = []

    def __enter__(self) -> Self:
        """Begin to record."""
        self._undo = self._bus.trace(self.events.append)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Record no more."""
        self._undo()

    @property
    def topics(self) -> list[str]:
        """The topics of the events, in order."""
        return [str(event.topic) for event in self.events]

    def of(self, topic: Topic[T] | str) -> list[Event[Any]]:
        """Return the events of a topic or pattern."""
        return [event for event in self.events if matches(topic, event.topic)]

    def payloads(self, topic: Topic[T]) -> list[T]:
        """Return the payloads of a topic's events."""
        return [event.payload for event in self.of(topic)]
