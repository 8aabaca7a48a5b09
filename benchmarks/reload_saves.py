"""From the end of a save to the first answer of the new code."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from benchmarks.isolation import percentiles
from benchmarks.reload_place import APART, PATIENCE, Place, Reloads, application, asked_for_version
from benchmarks.reload_ticks import Ticks

_WARM = 3  # first saves at most, which load what is loaded once


def save_times(count: int, kind: str, modules: int = 0, again: float | None = None) -> dict[str, Any]:
    """Return p50 and p99, in milliseconds, of the time to the first answer and of that to ``plugin:reloaded``.

    Args:
        count: saves that are measured.
        kind: inline or process.
        modules: that the plugin has besides.
        again: each save that is measured comes so many seconds after another, and not after a time of rest.
    """
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_save(Place(Path(folder) / "edited", "edited", modules), count, kind, again))


async def _save(place: Place, count: int, kind: str, again: float | None) -> dict[str, Any]:
    answered, told, unwanted = [], [], 0
    random = Random(4)  # so that saves fall anywhere between two looks of the watcher
    channel = asked_for_version(place.id)
    versions = iter(range(1, 1_000_000))
    async with application(kind) as (bus, manager):
        await manager.register_and_initialize(place.write())
        await manager.enable_hot_reload(place.id)
        reloads = Reloads(bus, place.id)

        async def save() -> tuple[float, float]:
            version = next(versions)
            saved = place.save(version)
            serving = await first_answer(bus, channel, version)
            _, arrived = await reloads.next()
            await reloads.drained()
            return serving - saved, arrived - saved

        warm = min(_WARM, (count + 4) // 5)
        for number in range(count + warm):
            await asyncio.sleep(APART + random.random() * 0.05)
            unwanted += reloads.waiting
            taken = await save()
            if again is not None:
                await asyncio.sleep(max(again - taken[0], 0.0))
                taken = await save()
            if number >= warm:
                answered.append(taken[0])
                told.append(taken[1])
        await asyncio.sleep(APART)
        unwanted += reloads.waiting
    return {"answered": percentiles(answered, 1e3), "told": percentiles(told, 1e3), "unwanted": unwanted}


async def first_answer(bus: Any, channel: Any, version: int) -> float:
    """Ask every half a millisecond; return the time at which this version was the one that answered."""
    async with asyncio.timeout(PATIENCE):
        with Ticks(500_000) as ticks:
            while await bus.ask(channel, 0, timeout=PATIENCE) != version:
                await ticks.next()
            return perf_counter()
