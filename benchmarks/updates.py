"""One ``grid.update`` and three who hear it, as a ratio to the bare loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, islice
from statistics import median
from typing import Any

from benchmarks.timing import Gate, Handler, Moment, bare_loop, calm

_ROWS = 1_000


def update_ratio(updates: int, rounds: int, as_plugins: bool) -> dict[str, float]:
    """Return nanoseconds of an update and its ratio to a bare ``await handler(event)``.

    From the first ``await grid.update(...)`` of a burst until the last of three handlers ran; each update changes one
    cell. Who hears it is three plugins with a manager, or three plain subscriptions; all options are defaults.
    """
    samples = [asyncio.run(_round(updates, as_plugins)) for _ in range(rounds)]
    return {"ns": median(ns for ns, _ in samples), "ratio": median(ns / bare for ns, bare in samples)}


async def _round(updates: int, as_plugins: bool) -> tuple[float, float]:
    from gridbus.bus import Bus
    from gridbus.grid import Grid

    gate = Gate(3, arguments=2 if as_plugins else 1)  # methods have self as their first
    rows = [{"name": f"row {number}", "delay": 0, "price": 1.5} for number in range(_ROWS)]
    listening = _plugins if as_plugins else _subscriptions
    async with Bus() as bus, listening(bus, [one.handler for one in gate.counters]), Grid(bus, rows=rows) as grid:
        ids = [row.id for row in grid.rows()]

        async def burst(count: int, first: int) -> float:
            gate.expect([count] * 3)
            began = Moment()
            for value, row_id in enumerate(islice(cycle(ids), count), first):
                await grid.update(row_id, {"delay": value})
            await gate.opened()
            await gate.check()
            return began.until(gate.ended).cpu_ns

        await burst(_ROWS, 1)
        with calm(collect=True):
            before = await bare_loop(ids)
            took = await burst(updates, 1_000_000)
            after = await bare_loop(ids)
    return took / updates, (before + after) / 2


@asynccontextmanager
async def _subscriptions(bus: Any, handlers: list[Handler]) -> AsyncIterator[None]:
    from gridbus.events.grid import ROW_UPDATE

    for handler in handlers:
        bus.on(ROW_UPDATE, handler)
    yield


@asynccontextmanager
async def _plugins(bus: Any, handlers: list[Handler]) -> AsyncIterator[None]:
    from gridbus.plugins import PluginManager

    async with PluginManager(bus) as manager:
        for number, handler in enumerate(handlers):
            await manager.register_and_initialize(_listener(f"listener-{number}", handler))
        yield


def _listener(plugin_id: str, method: Handler) -> Any:
    """Return a plugin with one handler, which is the given one."""
    from gridbus.events.grid import ROW_UPDATE
    from gridbus.manifest import PluginMetadata
    from gridbus.plugins import Plugin, on

    metadata = PluginMetadata(id=plugin_id, name=plugin_id, version="1.0.0", permissions=["subscribe:row:*"])
    return type("Listener", (Plugin,), {"metadata": metadata, "heard": on(ROW_UPDATE)(method)})()
