"""What is left of a plugin's earlier generations after many reloads."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
import tempfile
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import attrs

from benchmarks.isolated import peak_bytes
from benchmarks.reload_place import Place, Reloads, application

_PACKAGE = "gridbus_plugin_"
_MODULES = 20  # each save is of another of them: the watcher waits longer for a file that changes again at once
_CODE = """
from __future__ import annotations

import asyncio

from gridbus import Channel, Event, Plugin, Topic, on, serves

from .words import GREETING
{imports}
VERSION = {version}
TICK = Topic("tick:new", int)
OTHER = Topic("tick:other", int)
ASKED: Channel[int, int] = Channel("{id}:version", int, int)


class Edited(Plugin):
    async def initialize(self, ctx):
        self.kept = [VERSION] * 1000
        self.timers = 0
        ctx.every(0.01, self.timer)
        ctx.start_soon(self.work)
        ctx.on(OTHER, self.other)
        ctx.add_cleanup(self.clean)
        await ctx.storage.set("version", VERSION)

    def snapshot_state(self):
        return {{"kept": self.kept}}

    def restore_state(self, state, from_version):
        self.kept = state["kept"]

    async def timer(self):
        self.timers += 1

    async def work(self):
        await asyncio.get_running_loop().create_future()

    async def clean(self):
        self.kept = []

    async def other(self, event: Event[int]) -> None:
        self.kept[0] = event.payload

    @on(TICK)
    async def tick(self, event: Event[int]) -> None:
        await self.ctx.storage.set("tick", event.payload)

    @serves(ASKED)
    async def asked(self, message: int) -> int:
        return VERSION
"""


@attrs.frozen
class Look:
    """What there is in this process now."""

    objects: int  #: that the collector knows
    modules: int
    tasks: int
    descriptors: int
    resident: int  #: bytes, when what is free was given back
    peak: int  #: bytes that were resident at most
    children: int  #: processes of ours


def growth(count: int, kind: str, warm: int, rest: float) -> dict[str, int]:
    """Return what there is more after so many reloads of a plugin with timers, tasks, subscriptions and storage.

    Args:
        count: reloads between the two looks.
        kind: inline or process.
        warm: reloads before the first look: each thread that compiles takes memory once.
        rest: seconds before each look. For up to 10 of them, old generations are watched by gridbus itself.
    """
    from gridbus.events.system import PLUGIN_LEAKED
    from gridbus.storage import SQLiteStorage

    async def run() -> dict[str, int]:
        with tempfile.TemporaryDirectory() as folder:
            place = Place(Path(folder) / "edited", "edited", _MODULES, _CODE)
            async with (
                SQLiteStorage(Path(folder) / "values.db") as storage,
                application(kind, storage=storage) as (bus, manager),
            ):
                told: list[Any] = []
                bus.on(PLUGIN_LEAKED, told.append)
                await manager.register_and_initialize(place.write())
                await manager.enable_hot_reload(place.id)
                reloads = Reloads(bus, place.id)
                await _reload(bus, place, reloads, range(1, warm + 1))
                await asyncio.sleep(rest)
                before = look()
                await _reload(bus, place, reloads, range(warm + 1, warm + count + 1))
                await asyncio.sleep(rest)
                after = look()
                generation = manager.get_plugin(place.id).generation
                old = leftovers(generation)
        grown = {name: value - getattr(before, name) for name, value in attrs.asdict(after).items()}
        return {**grown, "old objects": len(old), "told": len(told)}

    return asyncio.run(run())


async def _reload(bus: Any, place: Place, reloads: Reloads, versions: range) -> None:
    from gridbus import Topic

    topics = Topic("tick:new", int), Topic("tick:other", int)
    for version in versions:
        place.save_part(version % place.modules, version)
        await reloads.next()
        for topic in topics:
            await bus.publish(topic, version)
        await reloads.drained()
        await asyncio.sleep(0.005)


def look() -> Look:
    """Count, when the collector has done what it can."""
    for _ in range(3):
        gc.collect()
    peak = peak_bytes()
    if sys.platform == "linux":  # free memory stays with the process, or does not, as it happens to lie
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    return Look(
        objects=len(gc.get_objects()),
        modules=len(sys.modules),
        tasks=len(asyncio.all_tasks()),
        descriptors=len(os.listdir("/dev/fd")),
        resident=pages * os.sysconf("SC_PAGE_SIZE"),
        peak=peak,
        children=len(children.read_text().split()) if children.exists() else 0,
    )


def leftovers(generation: int) -> list[Any]:
    """Return modules, classes, functions and instances of all of a plugin's generations but this one."""
    names = ((thing, _module_of(thing)) for thing in gc.get_objects())
    return [
        thing
        for thing, name in names
        if isinstance(name, str) and name.startswith(_PACKAGE) and number_of(name) != generation
    ]


def number_of(module: str) -> int:
    """Return which generation a module belongs to: ``gridbus_plugin_edited__2.plugin`` to the second."""
    digits = module.partition(".")[0].rpartition("__")[2]
    return int(digits) if digits.isdigit() else 1


def _module_of(thing: Any) -> Any:
    """Return the name of the module that something belongs to: what it is, or what it is an instance of."""
    kind = type(thing)
    if kind is dict:
        return thing.get("__name__")  # the globals of a module, which live as long as any function or frame of it
    if issubclass(kind, ModuleType):
        return vars(thing).get("__name__")
    if kind is FunctionType:  # its ``__module__`` may be another's: attrs names a function of its own after any class
        return thing.__globals__.get("__name__")
    if issubclass(kind, type) or kind is MethodType:
        return getattr(thing, "__module__", None)
    return kind.__module__
