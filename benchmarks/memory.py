"""``python -m benchmarks.memory``: bytes per subscription, growth over a million events, cost of the import."""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.metadata
import json
import subprocess
import sys
import tomllib
import tracemalloc
from array import array
from collections.abc import Awaitable, Callable, Sequence
from itertools import repeat
from statistics import median
from time import perf_counter

from benchmarks.isolated import ROOT, Figure, call, peak_bytes
from benchmarks.peers import PEERS
from benchmarks.report import figure_table, show
from benchmarks.workloads import PAYLOAD

_BLOCK = 251  # events between two looks; a prime, so that looks fall on each state of a cache that fills and is cleared
_EVERYTHING = "import gridbus; all(getattr(gridbus, name) for name in gridbus.__all__)"
_NOT_FOR_USERS = ("dev", "docs", "bench")  # extras of those who work on gridbus, not of its users


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="memory and import time")
    parser.add_argument("--json", action="store_true", help="print a list of {figure, value, unit, goal}")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the events, fewer repetitions")
    options = parser.parse_args(arguments)
    figures = measure(quick=options.quick)
    if options.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=1))
    else:
        show(figure_table("Memory and import", figures))
    return 0


def measure(*, quick: bool = False) -> list[Figure]:
    """Return all figures; each measurement has an interpreter of its own."""
    scale = 100 if quick else 1
    figures = []
    for peer in PEERS:
        if peer.missing() is None and not peer.uvloop and peer.name != "gridbus nowait":
            per_subscription = call("benchmarks.memory", "subscription_bytes", peer.name, 2_000)
            goal = 3 * 1024 if peer.name == "gridbus" else None
            figures.append(Figure(f"one idle subscription, {peer.name}", per_subscription, "bytes", goal))
    events = 1_000_000 // scale
    for what, function in (("events", "grow_by_events"), ("topic names", "grow_by_names")):
        for kind, traced, goal in (("tracemalloc", True, 16), ("peak RSS", False, 1024)):
            grown = call("benchmarks.memory", function, events, traced) / 1024
            figures.append(Figure(f"{events:,} {what}, growth, {kind}", grown, "KB", goal))
    return [*figures, *import_figures(5 if quick else 25)]


def subscription_bytes(peer_name: str, count: int) -> float:
    """Return what one more subscription weighs once it has handled events and sleeps again; each has its own topic."""
    peer = next(peer for peer in PEERS if peer.name == peer_name)()

    async def handler(*_: object) -> None:
        pass

    async def weigh() -> float:
        async with peer.opened():
            names = [f"topic{number}:event" for number in range(count)]
            peer.subscribe("warm:up", handler)
            await peer.burst([peer.key("warm:up")] * 10, PAYLOAD)
            await _settle()
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for name in names:
                peer.subscribe(name, handler)
            for name in names:
                await peer.burst(repeat(peer.key(name), 10), PAYLOAD)
            await _settle()
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) / count

    return asyncio.run(weigh())


def grow_by_events(events: int, traced: bool) -> int:
    """Return by how many bytes memory grew over events to one topic, all handled, after a warm-up."""
    from gridbus.bus import Bus
    from gridbus.events.topic import Topic

    topic = Topic("row:create")

    async def grow() -> int:
        async with Bus() as bus:

            async def publish(number: int) -> None:
                for _ in repeat(None, number):
                    await bus.publish(topic, PAYLOAD)

            return await _growth(bus, publish, "row:create", events, traced)

    return asyncio.run(grow())


def grow_by_names(events: int, traced: bool) -> int:
    """Return by how many bytes memory grew over as many topic names as events, heard through a pattern."""
    from gridbus.bus import Bus

    async def grow() -> int:
        async with Bus() as bus:
            used = 0

            async def publish(number: int) -> None:
                nonlocal used
                for name in range(used, used + number):
                    await bus.publish(f"row:n{name:08}", PAYLOAD)
                used += number

            return await _growth(bus, publish, "row:*", events, traced)

    return asyncio.run(grow())


async def _growth(
    bus: object, publish: Callable[[int], Awaitable[None]], subject: str, events: int, traced: bool
) -> int:
    handled = 0

    async def handler(_event: object) -> None:
        nonlocal handled
        handled += 1

    bus.on(subject, handler)  # type: ignore[attr-defined]
    if traced:
        tracemalloc.start()
    window = max(events // 10, 10_000) // _BLOCK  # blocks of warm-up; the second half of them is what is compared with
    levels = array("q", bytes(8 * (window + events // _BLOCK)))  # made beforehand: it must not grow itself
    for number in range(len(levels)):
        await publish(_BLOCK)
        await bus.drain()  # type: ignore[attr-defined]
        levels[number] = tracemalloc.get_traced_memory()[0] if traced else peak_bytes()
    if handled != len(levels) * _BLOCK:
        raise AssertionError(f"{handled} of {len(levels) * _BLOCK} events were handled")
    return max(levels[-window:]) - max(levels[window // 2 : window])


def import_figures(rounds: int) -> list[Figure]:
    """Return what importing gridbus takes, as a ratio to asyncio, and which extras' libraries come with it.

    The package fetches most of its names when they are first used, so the import alone says little about what an
    application pays: beside it stand the bus, which is what the peers' imports bring, and all names there are.
    """
    programs = {
        "bare": "pass",
        "asyncio": "import asyncio",
        "import gridbus": "import gridbus",
        "from gridbus import Bus": "from gridbus import Bus",
        "import gridbus and fetch each of its names": _EVERYTHING,
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, program in programs.items():
            began = perf_counter()
            subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
            if number:  # the first round compiles and fills the file cache
                times[name].append(perf_counter() - began)
    over_bare = {
        name: median(time - bare for time, bare in zip(times[name], times["bare"], strict=True)) for name in programs
    }
    imported = imported_extras()
    libraries = f" ({', '.join(imported)})" if imported else ""
    figures = [Figure("import asyncio, over bare Python", over_bare["asyncio"] * 1000, "ms")]
    for name in list(programs)[2:]:
        goal = None if programs[name] is _EVERYTHING else 2.0
        figures.append(Figure(f"{name}, over bare Python", over_bare[name] * 1000, "ms"))
        figures.append(Figure(name, over_bare[name] / over_bare["asyncio"], "x import asyncio", goal))
    return [*figures, Figure(f"libraries of extras imported with all names{libraries}", len(imported), "libraries", 0)]


def imported_extras() -> list[str]:
    """Return the libraries that only extras install and that gridbus imports all the same, each name fetched."""
    program = f"{_EVERYTHING}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    modules = {name.partition(".")[0] for name in done.stdout.split()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {_name(requirement) for requirement in project["dependencies"]}
    extras = {
        _name(requirement)
        for extra, requirements in project["optional-dependencies"].items()
        if extra not in _NOT_FOR_USERS
        for requirement in requirements
    }
    owners = importlib.metadata.packages_distributions()
    owned = {module: {_name(owner) for owner in owners.get(module, ())} for module in modules}
    return sorted(module for module, names in owned.items() if names & (extras - core - {"gridbus"}))


async def _settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def _name(requirement: str) -> str:
    """Return the normalised name of a requirement or distribution."""
    name = requirement
    for sign in "[;<>=!~ ":
        name = name.partition(sign)[0]
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    sys.exit(main())
