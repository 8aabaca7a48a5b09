"""Handlers that count, the bare loop that everything is compared with, and a calm place to measure in."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from time import perf_counter_ns, process_time_ns
from typing import Self

import attrs

Handler = Callable[..., Awaitable[None]]

BARE_EVENTS = 50_000  # about 6 ms: long enough to be stable, short enough to stand on both sides of each round


class CountError(AssertionError):
    """A handler got more or fewer events than were published to it, so the figure would be worthless."""


@attrs.frozen
class Counter:
    """One handler of the kind that all peers get: async, never suspending, counting down what it has to get."""

    handler: Handler
    expect: Callable[[int], None]
    missing: Callable[[], int]  #: events still to come; negative where one came too often


def counter(name: str, arguments: int, done: Callable[[], None]) -> Counter:
    """Return a handler that takes the event as its last argument and calls ``done`` when it has had all."""
    left = 0

    async def handler(event: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            done()

    async def handler_of_two(_key: object, event: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            done()

    def expect(events: int) -> None:
        nonlocal left
        left = events

    chosen: Handler = handler if arguments == 1 else handler_of_two
    chosen.__name__ = chosen.__qualname__ = name  # bubus warns of handlers that share a name
    return Counter(chosen, expect, lambda: left)


@attrs.frozen
class Moment:
    """Now, on the processor's clock, which stands while other processes run, and on the wall's."""

    cpu_ns: int = attrs.field(factory=process_time_ns)
    wall_ns: int = attrs.field(factory=perf_counter_ns)

    def until(self, later: Self) -> Span:
        """Return the time from here to a later moment."""
        return Span(later.cpu_ns - self.cpu_ns, later.wall_ns - self.wall_ns)


@attrs.frozen
class Span:
    """How long something took on both clocks; they differ where a machine is busy, or where somebody sleeps."""

    cpu_ns: int
    wall_ns: int


class Gate:
    """Opens when each of its handlers has had all its events, and remembers when that was (``ended``)."""

    def __init__(self, handlers: int, arguments: int = 1) -> None:
        self.counters = [counter(f"handler_{number}", arguments, self._one_done) for number in range(handlers)]
        self.ended = Moment()
        self._pending = 0
        self._opened: asyncio.Future[None] | None = None

    def expect(self, counts: Sequence[int]) -> None:
        """Close the gate until handler number i has had ``counts[i]`` events."""
        for one, count in zip(self.counters, counts, strict=True):
            one.expect(count)
        self._pending = sum(count > 0 for count in counts)
        self._opened = asyncio.get_running_loop().create_future()

    async def opened(self) -> None:
        """Return when all events were handled."""
        assert self._opened is not None, "expect comes first"
        await self._opened

    async def check(self) -> None:
        """Wait a few turns for what should not come, then compare the counts.

        Raises:
            CountError: a handler got too many or too few events.
        """
        for _ in range(5):
            await asyncio.sleep(0)
        wrong = {one.handler.__name__: -one.missing() for one in self.counters if one.missing()}
        if wrong:
            raise CountError(f"events too many (or too few, where negative), by handler: {wrong}")

    def _one_done(self) -> None:
        self._pending -= 1
        if not self._pending:
            self.ended = Moment()
            if self._opened is not None and not self._opened.done():
                self._opened.set_result(None)


async def bare_loop(payload: object) -> float:
    """Return what one ``await handler(event)`` in a plain loop takes now, in nanoseconds of processor time."""
    events = BARE_EVENTS
    one = counter("bare", 1, lambda: None)
    one.expect(events)
    handler = one.handler
    began = process_time_ns()
    for _ in repeat(None, events):
        await handler(payload)
    ended = process_time_ns()
    if one.missing():
        raise CountError("the bare loop is wrong")
    return (ended - began) / events


@contextmanager
def calm(*, collect: bool) -> Iterator[None]:
    """Clear the garbage of whoever ran before, set what lives aside, and leave the collector on or off."""
    gc.collect()
    gc.freeze()
    if not collect:
        gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
