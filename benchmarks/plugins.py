"""``python -m benchmarks.plugins``: what loading a plugin takes, and what a plugin weighs."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

from benchmarks.isolated import Figure, call
from benchmarks.report import figure_table, show

_HANDLERS = 10
_EVENTS = 20  # that each handler has had before plugins are weighed


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugins", description="loading and weight of plugins")
    parser.add_argument("--json", action="store_true", help="print a list of {figure, value, unit, goal}")
    parser.add_argument("--quick", action="store_true", help="20 plugins instead of 200")
    options = parser.parse_args(arguments)
    figures = measure(20 if options.quick else 200)
    if options.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=1))
    else:
        show(figure_table("Plugins", figures))
    return 0


def measure(count: int) -> list[Figure]:
    """Return all figures, over this many plugins."""
    times = call("benchmarks.plugins", "load_times", count)
    weight = call("benchmarks.plugins", "weight", count) / 1024
    what = f"register and initialize a plugin with {_HANDLERS} handlers"
    return [
        Figure(f"{what}, p50", times["p50_ms"], "ms"),
        Figure(f"{what}, p99", times["p99_ms"], "ms", 5.0),
        Figure(f"a plugin with {_HANDLERS} handlers, its class included", weight, "KB", 64.0),
    ]


def load_times(count: int) -> dict[str, float]:
    """Return percentiles of ``register_and_initialize`` in milliseconds, over plugins that stay."""
    from gridbus.bus import Bus
    from gridbus.plugins import PluginManager

    async def load() -> list[int]:
        times = []
        async with Bus() as bus, PluginManager(bus) as manager:
            await manager.register_and_initialize(make_plugin("warm-up"))
            plugins = [make_plugin(f"plugin-{number}") for number in range(count)]
            for plugin in plugins:
                began = perf_counter_ns()
                await manager.register_and_initialize(plugin)
                times.append(perf_counter_ns() - began)
        return sorted(times)

    times = asyncio.run(load())
    return {"p50_ms": times[count // 2] / 1e6, "p99_ms": times[min(count * 99 // 100, count - 1)] / 1e6}


def weight(count: int) -> float:
    """Return the bytes of one more plugin after some events: class, instance, scope, subscriptions and workers."""
    from gridbus.bus import Bus
    from gridbus.plugins import PluginManager

    async def weigh() -> float:
        async with Bus() as bus, PluginManager(bus) as manager:
            await manager.register_and_initialize(make_plugin("warm-up"))
            await _publish(bus)
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for number in range(count):
                await manager.register_and_initialize(make_plugin(f"plugin-{number}"))
            await _publish(bus)
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) / count

    return asyncio.run(weigh())


async def _publish(bus: Any) -> None:
    for number in range(_HANDLERS):
        for _ in range(_EVENTS):
            await bus.publish(f"row:n{number}", number)
    await bus.drain()


def make_plugin(plugin_id: str) -> Any:
    """Return an instance of a new plugin class with ten handlers, each of another topic."""
    from gridbus.manifest import PluginMetadata
    from gridbus.plugins import Plugin, on

    def handler(number: int) -> Any:
        async def handle(self: object, event: Any) -> None:
            pass

        handle.__name__ = f"handle_{number}"
        return on(f"row:n{number}")(handle)

    metadata = PluginMetadata(id=plugin_id, name=plugin_id, version="1.0.0", permissions=["subscribe:row:*"])
    body = {"metadata": metadata, **{f"handle_{number}": handler(number) for number in range(_HANDLERS)}}
    return type("Measured", (Plugin,), body)()


if __name__ == "__main__":
    sys.exit(main())
