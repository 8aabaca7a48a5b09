"""Events at 5,000 a second while a plugin is reloaded: how long they wait, and whether each is handled once."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from time import perf_counter_ns
from typing import Any

import attrs

from benchmarks.isolation import percentiles
from benchmarks.reload_place import APART, Place, Reloads, application
from benchmarks.reload_ticks import Ticks

_EVERY = 200_000  # nanoseconds between two events
_AROUND = 50  # events on either side of a swap that belong to its window, 10 ms each


@attrs.frozen
class Counts:
    """What became of the events."""

    published: int
    handled: int
    lost: int
    twice: int
    out_of_order: int


class Stream:
    """Publishes numbers at an even pace, and knows when each was due and when it was published."""

    def __init__(self, bus: Any) -> None:
        from gridbus import Topic

        self._bus, self._topic = bus, Topic("tick:new", int)
        self._stopped = False
        self._began = 0
        self.sent: list[int] = []  #: nanoseconds

    def due(self, number: int) -> int:
        """Return when an event should have been published: later, if at all, where the loop was busy elsewhere."""
        return self._began + (number + 1) * _EVERY

    async def run(self) -> None:
        """Publish until it is stopped."""
        with Ticks(_EVERY) as ticks:
            self._began = ticks.began
            while not self._stopped:
                for _ in range(await ticks.next()):
                    self.sent.append(perf_counter_ns())
                    await self._bus.publish(self._topic, len(self.sent) - 1)

    def stop(self) -> None:
        """Publish no more."""
        self._stopped = True


def flow(count: int, kind: str) -> dict[str, Any]:
    """Return counts, and percentiles of the longest waits at each of so many swaps, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_flow(Place(Path(folder) / "edited", "edited"), count, kind))


async def _flow(place: Place, count: int, kind: str) -> dict[str, Any]:
    from gridbus import Channel

    taken: Channel[int, list[int]] = Channel(f"{place.id}:taken", int, list)
    random = Random(4)
    seen: list[int] = []  # number, time and version of one event after the other
    calm, whole, pauses = [], [], []
    async with application(kind) as (bus, manager):
        await manager.register_and_initialize(place.write())
        await manager.enable_hot_reload(place.id)
        reloads = Reloads(bus, place.id)
        stream = Stream(bus)
        async with asyncio.TaskGroup() as group:
            group.create_task(stream.run())
            for version in range(1, count + 1):
                await asyncio.sleep(APART / 2)
                begin = len(stream.sent)
                await asyncio.sleep(APART / 2 + random.random() * 0.02)
                calm.append((begin, min(begin + 2 * _AROUND, len(stream.sent))))
                seen += await bus.ask(taken, 0)  # what is left, and what is heard from now on, is handed over
                begin = len(stream.sent)
                place.save(version)
                fact, _ = await reloads.next()
                await reloads.drained()
                whole.append((begin, len(stream.sent)))
                pauses.append(fact.pause_seconds)
            await asyncio.sleep(APART / 2)
            stream.stop()
        await bus.drain()
        seen += await bus.ask(taken, 0)
    numbers, times, versions = seen[0::3], dict(zip(seen[0::3], seen[1::3], strict=True)), seen[2::3]
    swaps = [
        (max(number - _AROUND, 0), min(number + _AROUND, len(stream.sent)))
        for number, version, before in zip(numbers[1:], versions[1:], versions, strict=False)
        if version > before
    ]
    waits = [times.get(number, sent) - sent for number, sent in enumerate(stream.sent)]
    delays = [times.get(number, 0) - stream.due(number) for number in range(len(stream.sent))]
    return {
        "counts": attrs.asdict(judge(len(stream.sent), numbers)),
        "swaps": len(swaps),
        "swap": longest(waits, swaps),
        "swap from due": longest(delays, swaps),
        "calm": longest(waits, calm),
        "calm from due": longest(delays, calm),
        "whole": longest(delays, whole),
        "worst": max(delays) / 1e6,
        "told": percentiles(pauses, 1e3),
    }


def judge(published: int, numbers: Sequence[int]) -> Counts:
    """Return what became of the events 0, 1, 2 and so on, of which these were handled, in this order."""
    handled = len(numbers)
    different = len(set(numbers))
    out_of_order = sum(after < before for before, after in pairwise(numbers))
    return Counts(published, handled, published - different, handled - different, out_of_order)


def longest(nanoseconds: Sequence[int], windows: Sequence[tuple[int, int]]) -> list[float]:
    """Return p50 and p99, over windows of events, of the longest in each; in milliseconds."""
    return percentiles([max(nanoseconds[begin:end]) / 1e9 for begin, end in windows], 1e3)
