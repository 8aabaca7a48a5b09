"""``python -m benchmarks.plugins``: what loading a plugin takes, and what a plugin weighs."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import Sequence
from time import perf_counter_ns, process_time_ns
from typing import Any

from benchmarks.isolated import Figure, call
from benchmarks.report import figure_table, show
from benchmarks.timing import calm

_HANDLERS = 10
_ROUNDS = 7  # of which the quietest counts: on a busy machine two plugins in 200 are interrupted in most rounds
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
        Figure(f"{what}, p99 of processor time", times["cpu_p99_ms"], "ms", 5.0),
        Figure(f"a plugin with {_HANDLERS} handlers, its class included", weight, "KB", 64.0),
    ]


def load_times(count: int) -> dict[str, float]:
    """Return percentiles of ``register_and_initialize`` in milliseconds; all plugins stay."""
    rounds = [asyncio.run(_load(count)) for _ in range(_ROUNDS)]
    last = min(count * 99 // 100, count - 1)
    return {
        "p50_ms": min(sorted(wall)[count // 2] for wall, _ in rounds) / 1e6,
        "p99_ms": min(sorted(wall)[last] for wall, _ in rounds) / 1e6,
        "cpu_p99_ms": min(sorted(cpu)[last] for _, cpu in rounds) / 1e6,
    }


async def _load(count: int) -> tuple[list[int], list[int]]:
    """Return the nanoseconds that each of ``count`` plugins took, by the clock and on the processor."""
    from gridbus.bus import Bus
    from gridbus.plugins import PluginManager

    wall, cpu = [], []
    async with Bus() as bus, PluginManager(bus) as manager:
        await manager.register_and_initialize(make_plugin("warm-up"))
        plugins = [make_plugin(f"plugin-{number}") for number in range(count)]
        with calm(collect=True):
            for plugin in plugins:
                began, began_cpu = perf_counter_ns(), process_time_ns()
                await manager.register_and_initialize(plugin)
                cpu.append(process_time_ns() - began_cpu)
                wall.append(perf_counter_ns() - began)
    return wall, cpu


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
