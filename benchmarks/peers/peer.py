"""What a bus has to do to take part in the benchmarks."""

from __future__ import annotations

import enum
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from benchmarks.timing import Handler

Answer = Callable[[str], Awaitable[str]]


class Feature(enum.Enum):
    """What some peers have and others lack."""

    PUBLISH = "publish"
    PATTERN = "pattern"
    ASK = "ask"


class Peer:
    """One bus behind the calls that the workloads make; an instance lives for one round."""

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()  #: packages to import
    features: ClassVar[frozenset[Feature]] = frozenset({Feature.PUBLISH})
    arguments: ClassVar[int] = 1  #: of its handlers; where 2, the event is the second
    uvloop: ClassVar[bool] = False  #: runs on uvloop, with a bare loop of its own
    compared: ClassVar[bool] = False  #: also runs the variants that its figures are compared with
    note: ClassVar[str] = ""  #: what a reader of the table has to know

    capacity: int | None = None  #: of mailboxes, where the workload asks for other than the default

    @classmethod
    def missing(cls) -> str | None:
        """Return the first package that is not installed."""
        return next((name for name in cls.requires if importlib.util.find_spec(name) is None), None)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep the bus open."""
        await self.open()
        try:
            yield
        finally:
            await self.close()

    async def open(self) -> None:
        """Make the bus, with its default options unless the class says why not."""
        raise NotImplementedError

    async def close(self) -> None:
        """End it, and what runs for it."""

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Add a handler of a topic ``noun:verb``."""
        raise NotImplementedError

    def subscribe_pattern(self, pattern: str, handler: Handler) -> None:
        """Add a handler of all topics that match ``noun:*``."""
        raise NotImplementedError

    def key(self, topic: str) -> Any:
        """Return what is published to for a topic: a name, a signal object, ..."""
        return topic

    async def burst(self, keys: Iterable[Any], payload: object) -> None:
        """Publish an event to each key as fast as the bus takes them; they need not be handled yet."""
        raise NotImplementedError

    def serve(self, answer: Answer) -> None:
        """Answer requests."""
        raise NotImplementedError

    def asker(self, message: str) -> Callable[[], Awaitable[object]]:
        """Return a call that makes one request, with nothing around it, and returns the reply."""
        raise NotImplementedError
