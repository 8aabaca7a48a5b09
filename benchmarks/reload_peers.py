"""The same edit by other means: ``importlib.reload``, jurigged, and a new interpreter."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.isolated import ROOT
from benchmarks.isolation import percentiles
from benchmarks.reload_place import APART, PATIENCE, Place, Reloads, application, asked_for_version
from benchmarks.reload_saves import first_answer
from benchmarks.reload_ticks import Ticks

_SERVER = """
import asyncio, sys
from benchmarks.reload_place import asked_for_version
from gridbus import Bus
from gridbus.plugins import PluginManager

async def serve():
    async with Bus() as bus, PluginManager(bus) as manager:
        info = await manager.register_and_initialize(sys.argv[1])
        print(await bus.ask(asked_for_version(info.id), 0), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(serve())
"""


def importlib_times(count: int) -> list[float]:
    """Return p50 and p99 of ``importlib.reload``, called as soon as the module is saved; in milliseconds.

    It has no watcher to wait for, and gives less: objects keep the code that they were made with, names that were
    deleted stay, nothing is handed over, and a module that fails half-way is left half new.
    """
    taken = []
    with _module() as (place, module):
        for version in range(1, count + 1):
            saved = place.save(version)
            importlib.reload(module)
            taken.append(perf_counter() - saved)
            found = module.VERSION
            if found != version:
                raise RuntimeError(f"importlib.reload left version {found} in the place of {version}")
    return percentiles(taken, 1e3)


def jurigged_times(count: int) -> list[float]:
    """Return p50 and p99 from a save until jurigged, with its defaults, has put the new code in; in milliseconds.

    It changes functions where they are, so objects stay; a module that fails half-way is left half new.
    """
    from jurigged import watch

    async def run() -> list[float]:
        taken = []
        with _module() as (place, module):
            watcher = watch(f"{place.folder}/*.py", logger=lambda event: None)
            await asyncio.sleep(0.5)  # its thread begins
            for version in range(1, count + 1):
                await asyncio.sleep(APART)
                saved = place.save(version)
                async with asyncio.timeout(PATIENCE):
                    with Ticks(500_000) as ticks:
                        while version != module.VERSION:
                            await ticks.next()
                taken.append(perf_counter() - saved)
            watcher.stop()
        return percentiles(taken, 1e3)

    return asyncio.run(run())


@contextmanager
def _module() -> Iterator[tuple[Place, Any]]:
    """Give a plugin's folder and its module, imported the usual way."""
    sys.dont_write_bytecode = True  # a compiled file is taken for current where time and size are as they were
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "edited", "edited")
        place.write()
        (place.folder / "__init__.py").write_text("")
        sys.path.insert(0, folder)
        try:
            yield place, importlib.import_module("edited.plugin")
        finally:
            sys.path.remove(folder)
            for name in [name for name in sys.modules if name.partition(".")[0] == "edited"]:
                del sys.modules[name]


def restart(count: int) -> dict[str, float]:
    """Return what a new interpreter takes to serve, in milliseconds, and how many times a reload that is.

    The ratio is the median of three runs, each of the medians of so many restarts and so many saves.
    """
    runs = [_one_run(count) for _ in range(3)]
    return {"ms": median(restarted for restarted, _ in runs) * 1e3, "ratio": median(a / b for a, b in runs)}


def _one_run(count: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "edited", "edited")
        place.write()
        restarts = median(_restart(place) for _ in range(count))
        return restarts, asyncio.run(_reload(place, count))


def _restart(place: Place) -> float:
    began = perf_counter()
    command = [sys.executable, "-c", _SERVER, str(place.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        taken = perf_counter() - began
        child.communicate()
    if not line.strip().isdigit():
        raise RuntimeError("the new interpreter does not serve")
    return taken


async def _reload(place: Place, count: int) -> float:
    taken: list[float] = []
    channel: Any = asked_for_version(place.id)
    async with application("inline") as (bus, manager):
        await manager.register_and_initialize(place.folder)
        await manager.enable_hot_reload(place.id)
        reloads = Reloads(bus, place.id)
        for version in range(1, count + 2):
            await asyncio.sleep(APART)
            saved = place.save(version)
            taken.append(await first_answer(bus, channel, version) - saved)
            await reloads.next()
            await reloads.drained()
    return median(taken[1:])
