"""``python -m benchmarks.isolation``: what a plugin in a process of its own costs, and whether its limits hold."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

from benchmarks.isolated import Figure, call
from benchmarks.report import figure_table, show
from benchmarks.timing import calm

_ME = "benchmarks.isolation"
_BURST = 100_000  # events into a process plugin
_COUNTER = """
from __future__ import annotations
import time
from gridbus import Channel, Event, Plugin, Topic, on, serves
from gridbus.manifest import PluginMetadata

{imports}
TICK = Topic("tick:new", int)
PING: Channel[int, int] = Channel("{id}:ping", int, int)
FAR: Channel[int, int] = Channel("{other}:ping", int, int)
TRIPS: Channel[int, list] = Channel("{id}:trips", int, list)
BURN: Channel[int, int] = Channel("{id}:burn", int, int)

class Counter(Plugin):
    async def initialize(self, ctx):
        self.count = 0

    @on(TICK, capacity=4096)
    async def tick(self, event: Event[int]) -> None:
        self.count += 1

    @serves(PING)
    async def ping(self, message: int) -> int:
        return message

    @serves(TRIPS)
    async def trips(self, count: int) -> list:
        taken = []
        for number in range(count):
            began = time.perf_counter_ns()
            await self.ctx.ask(FAR, number)
            taken.append(time.perf_counter_ns() - began)
        return taken

    @serves(BURN)
    async def burn(self, seconds: int) -> int:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        return seconds
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog=f"python -m {_ME}", description="plugins in processes of their own")
    parser.add_argument("--json", action="store_true", help="print a list of {figure, value, unit, goal}")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    options = parser.parse_args(arguments)
    figures = measure(quick=options.quick)
    if options.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=1))
    else:
        show(figure_table("Plugins in processes of their own", figures))
    return 0


def measure(*, quick: bool = False) -> list[Figure]:
    """Return all figures; percentiles are over 200."""
    count = 20 if quick else 200
    small = call(_ME, "load_times", count, 0)
    large = call(_ME, "load_times", count // 2 if quick else count, 20)
    trips = call(_ME, "round_trips", count)
    health = call(_ME, "health_times", count)
    flow = call(_ME, "events_per_second", 5_000 if quick else _BURST)
    naive = call("benchmarks.naive", "events_per_second", 2_000 if quick else 30_000)
    beside = call(_ME, "inline_beside_process", 2_000 if quick else 100_000)
    return [
        Figure("load of a process plugin, request to READY, p50", small[0], "ms", 8.0),
        Figure("load of a process plugin, request to READY, p99", small[1], "ms", 20.0),
        Figure("load of a 20-module plugin, p99", large[1], "ms", 35.0),
        Figure("plugin to plugin across two processes and back, p50", trips[0], "ms", 0.5),
        Figure("plugin to plugin across two processes and back, p99", trips[1], "ms", 1.0),
        Figure("health check, p99", health[1], "ms", 1.0),
        Figure("memory (USS) per plugin process after 10,000 events", call(_ME, "memory", 10_000), "MB", 4.5),
        Figure("events into a process plugin", flow, "events/s", 150_000, at_least=True),
        Figure(
            "events into a process plugin, to one frame per write with a task each", flow / naive, "x", 5, at_least=True
        ),
        Figure("inline path, beside a process plugin, to the same without", beside, "x", 1.05),
        Figure(
            "processor share under a limit of 20 %, over 10 s", call(_ME, "cpu_share", 2 if quick else 10), "%", 22.0
        ),
    ]


# --- what is measured, each in an interpreter of its own -----------------------------------------------------------


def load_times(count: int, modules: int) -> list[float]:
    """Return p50 and p99 of loading a plugin into a new process, in milliseconds."""
    sys.dont_write_bytecode = False  # compiled code is kept, as Python does unless it is told otherwise

    async def run() -> list[float]:
        taken = []
        with tempfile.TemporaryDirectory() as folder:
            place = write_plugin(Path(folder), "loaded", modules=modules)
            async with managed() as (_, manager):
                for number in range(count + 3):
                    began = perf_counter()
                    await manager.register_and_initialize(place)
                    if number >= 3:  # the first ones start the zygote and write the compiled files
                        taken.append(perf_counter() - began)
                    await manager.unregister_and_destroy("loaded")
                    await asyncio.sleep(0.05)  # as between two requests of people; the spare process gets ready
        return percentiles(taken, 1e3)

    return asyncio.run(run())


def round_trips(count: int) -> list[float]:
    """Return p50 and p99 of asking from one process plugin to another and back, in milliseconds."""
    from gridbus import Channel

    async def run() -> list[float]:
        async with two_plugins() as (bus, _):
            trips: Channel[int, list[int]] = Channel("one:trips", int, list)
            await bus.ask(trips, 50)
            return percentiles([ns / 1e9 for ns in await bus.ask(trips, count, timeout=60)], 1e3)

    return asyncio.run(run())


def health_times(count: int) -> list[float]:
    """Return p50 and p99 of a health check of a process plugin, in milliseconds."""

    async def run() -> list[float]:
        taken = []
        async with two_plugins() as (_, manager):
            for number in range(count + 10):
                began = perf_counter()
                await manager.check_plugin_health("one")
                if number >= 10:
                    taken.append(perf_counter() - began)
        return percentiles(taken, 1e3)

    return asyncio.run(run())


def memory(events: int) -> float:
    """Return the megabytes that a plugin's process has for itself after so many events."""
    from gridbus import Topic

    async def run() -> float:
        tick = Topic("tick:new", int)
        async with two_plugins() as (bus, manager):
            for number in range(events):
                await bus.publish(tick, number)
            await bus.drain()
            usages = [await manager.resource_usage(name) for name in ("one", "two")]
            return max(private_bytes(usage.pid) for usage in usages) / 1e6

    return asyncio.run(run())


def events_per_second(count: int) -> float:
    """Return how many events a process plugin hears and is done with in a second; the best of five bursts."""
    from gridbus import Topic

    async def run() -> float:
        tick = Topic("tick:new", int)
        best = 0.0
        async with two_plugins(only=True) as (bus, _):
            for _ in range(5):
                with calm(collect=False):
                    began = perf_counter()
                    for number in range(count):
                        await bus.publish(tick, number)
                    await bus.drain()
                    best = max(best, count / (perf_counter() - began))
        return best

    return asyncio.run(run())


def inline_beside_process(count: int) -> float:
    """Return the time of events to an inline plugin while a process plugin runs, to the same while none does."""
    from gridbus import Topic

    async def run() -> float:
        noise = Topic("noise:new", int)
        ratios = []
        async with two_plugins(only=True) as (bus, _), managed() as (alone, _):
            for where in (bus, alone):
                where.on(noise, _nothing, capacity=4096)
            for _ in range(7):
                taken = []
                for where in (bus, alone):
                    with calm(collect=False):
                        began = perf_counter_ns()
                        for number in range(count):
                            await where.publish(noise, number)
                        await where.drain()
                        taken.append(perf_counter_ns() - began)
                ratios.append(taken[0] / taken[1])
        return sorted(ratios)[len(ratios) // 2]

    return asyncio.run(run())


def cpu_share(seconds: int) -> float:
    """Return the percentage of one core that a plugin gets which is limited to 20 and burns all it can."""
    from gridbus import Channel

    async def run() -> float:
        burn: Channel[int, int] = Channel("burner:burn", int, int)
        limits = "cpu_percent = 20\ncpu_seconds_per_event = 1000\nhandler_timeout = 1000"
        with tempfile.TemporaryDirectory() as folder:
            place = write_plugin(Path(folder), "burner", limits=limits)
            async with managed() as (bus, manager):
                await manager.register_and_initialize(place)
                pid = (await manager.resource_usage("burner")).pid
                job = bus.start_job(bus.ask, burn, seconds + 1)
                await asyncio.sleep(0.5)
                before, began = cpu_seconds(pid), perf_counter()
                await asyncio.sleep(seconds)
                share = (cpu_seconds(pid) - before) / (perf_counter() - began)
                job.cancel()
        return share * 100

    return asyncio.run(run())


# --- around it ---------------------------------------------------------------------------------------------------


async def _nothing(event: Any) -> None:
    """Hear."""


@asynccontextmanager
async def managed() -> AsyncIterator[tuple[Any, Any]]:
    """Give a bus and a manager whose plugins all run in processes."""
    from gridbus import Bus
    from gridbus.hosting import ProcessHost
    from gridbus.manifest import Isolation
    from gridbus.plugins import PluginManager

    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False)
        try:
            async with PluginManager(bus, host=host, isolation=lambda candidate: Isolation.PROCESS) as manager:
                yield bus, manager
        finally:
            await host.aclose()


@asynccontextmanager
async def two_plugins(*, only: bool = False) -> AsyncIterator[tuple[Any, Any]]:
    """Give a bus and a manager with one or two process plugins that run and know each other."""
    with tempfile.TemporaryDirectory() as folder:
        async with managed() as (bus, manager):
            for name, other in (("one", "two"), ("two", "one"))[: 1 if only else 2]:
                await manager.register_and_initialize(write_plugin(Path(folder) / name, name, other=other))
            yield bus, manager


def write_plugin(folder: Path, name: str, *, other: str = "nobody", modules: int = 0, limits: str = "") -> Path:
    """Write a plugin's folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    imports = "\n".join(f"from . import part_{number}" for number in range(modules))
    for number in range(modules):
        (folder / f"part_{number}.py").write_text(_PART)
    (folder / "plugin.py").write_text(_COUNTER.format(id=name, other=other, imports=imports))
    (folder / "gridbus-plugin.toml").write_text(
        f'[plugin]\nid = "{name}"\nname = "{name}"\nversion = "1.0.0"\nentry = "plugin:Counter"\n\n'
        f'[permissions]\nsubscribe = ["tick:*"]\nask = ["*"]\n\n[limits]\nmax_events_per_second = 1000000\n{limits}\n'
    )
    return folder


_PART = "\n".join(
    f'''
class Thing{number}:
    """One of some."""

    def __init__(self, value: int = {number}) -> None:
        self.value = value

    def double(self) -> int:
        return self.value * 2
'''
    for number in range(10)
)


def private_bytes(pid: int) -> int:
    """Return the bytes that only this process has in memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentiles(values: list[float], scale: float) -> list[float]:
    """Return the median, and what 99 in 100 do not exceed (nearest rank)."""
    ordered = sorted(values)
    return [ordered[len(ordered) // 2] * scale, ordered[-(-len(ordered) * 99 // 100) - 1] * scale]


if __name__ == "__main__":
    sys.exit(main())
