"""What it costs to watch files that nobody changes."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.reload_place import Place, application


def idle_cpu(seconds: float, plugins: int) -> float:
    """Return the percentage of one core that a process which sleeps uses more with so many plugins watched."""

    async def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            async with application("inline") as (_, manager):
                ids = [f"idle{number}" for number in range(plugins)]
                for plugin_id in ids:
                    await manager.register_and_initialize(Place(Path(folder) / plugin_id, plugin_id).write())
                await asyncio.sleep(0.2)
                without = await _share(seconds)
                for plugin_id in ids:
                    await manager.enable_hot_reload(plugin_id)
                await asyncio.sleep(0.5)  # until the watcher has come to rest
                return await _share(seconds) - without

    return asyncio.run(run())


async def _share(seconds: float) -> float:
    """Return the percentage of one core that this process, with all its threads, uses while it sleeps."""
    spent, began = process_time(), perf_counter()
    await asyncio.sleep(seconds)
    return (process_time() - spent) / (perf_counter() - began) * 100
