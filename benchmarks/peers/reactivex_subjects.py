"""reactivex: subjects whose observers start a task per event."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from benchmarks.peers.peer import Feature, Peer
from benchmarks.timing import Handler


class Reactivex(Peer):
    """One subject per topic; patterns are filters on a subject that carries topic and payload."""

    name = "reactivex"
    requires = ("reactivex",)
    features = frozenset({Feature.PUBLISH, Feature.PATTERN})
    note = "observers are synchronous: an async handler is a task per event"

    async def open(self) -> None:
        """Make the subjects' dict."""
        self._create_task = asyncio.get_running_loop().create_task
        self._subjects: dict[str, Any] = {}
        self._all: Any = None

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Observe a subject."""
        create_task = self._create_task
        self.key(topic).subscribe(lambda event: create_task(handler(event)))  # type: ignore[arg-type]

    def subscribe_pattern(self, pattern: str, handler: Handler) -> None:
        """Observe the events whose topic begins as the pattern does."""
        from reactivex import operators
        from reactivex.subject import Subject

        if self._all is None:
            self._all = Subject()
        create_task, prefix = self._create_task, pattern.removesuffix("*")

        def matches(event: Any) -> Any:
            return event[0].startswith(prefix)

        self._all.pipe(operators.filter(matches)).subscribe(
            lambda event: create_task(handler(event))  # type: ignore[arg-type]
        )

    def key(self, topic: str) -> Any:
        """Return the subject of a topic, or the topic where all goes over one subject."""
        from reactivex.subject import Subject

        if self._all is not None:
            return topic
        return self._subjects.setdefault(topic, Subject())

    async def burst(self, keys: Iterable[Any], payload: object) -> None:
        """Push each."""
        if self._all is not None:
            push = self._all.on_next
            for key in keys:
                push((key, payload))
            return
        for subject in keys:
            subject.on_next(payload)
