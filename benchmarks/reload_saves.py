"""From the end of a save to the first answer of the new code."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from benchmarks.isolation import percentiles
from benchmarks.reload_place import PATIENCE, Place, Reloads, application, asked_for_version
from benchmarks.reload_ticks import Ticks

_WARM = 3  # first saves, which load what is loaded once


def save_times(count: int, kind: str, modules: int = 0) -> dict[str, Any]:
    """Return p50 and p99, in milliseconds, of the time to the first answer and of that to ``plugin:reloaded``."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_save(Place(Path(folder) / "edited", "edited", modules), count, kind))


async def _save(place: Place, count: int, kind: str) -> dict[str, Any]:
    answered, told, unwanted = [], [], 0
    random = Random(4)  # so that saves fall anywhere between two looks of the watcher
    channel = asked_for_version(place.id)
    async with application(kind) as (bus, manager):
        await manager.register_and_initialize(place.write())
        await manager.enable_hot_reload(place.id)
        reloads = Reloads(bus, place.id)
        for version in range(1, count + _WARM + 1):
            await asyncio.sleep(0.05 + random.random() * 0.05)
            unwanted += reloads.waiting
            saved = place.save(version)
            serving = await first_answer(bus, channel, version)
            _, arrived = await reloads.next()
            await reloads.drained()
            if version > _WARM:
                answered.append(serving - saved)
                told.append(arrived - saved)
        await asyncio.sleep(0.2)
        unwanted += reloads.waiting
    return {"answered": percentiles(answered, 1e3), "told": percentiles(told, 1e3), "unwanted": unwanted}


async def first_answer(bus: Any, channel: Any, version: int) -> float:
    """Ask every half a millisecond; return the time at which this version was the one that answered."""
    async with asyncio.timeout(PATIENCE):
        with Ticks(500_000) as ticks:
            while await bus.ask(channel, 0, timeout=PATIENCE) != version:
                await ticks.next()
            return perf_counter()
