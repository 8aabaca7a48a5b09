"""Hundreds of reloads under load: nothing lost, nothing twice, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import weakref
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gridbus import App, Bus, Channel, Topic
from gridbus.events import PLUGIN_LEAKED, PLUGIN_RELOAD_FAILED, PLUGIN_RELOADED
from gridbus.hosting import ProcessHost
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager
from gridbus.storage import MemoryStorage
from gridbus.testing import Recorder
from tests.faults.processes import children_of, make_plugin

BODY = """
def __init__(self) -> None:
    super().__init__()
    self.heard: list[int] = []
    self.turns = 0

async def initialize(self, ctx: Any) -> None:
    ctx.every(0.01, self.turn)
    ctx.start_soon(self.follow)
    ctx.add_cleanup(lambda: self.heard.clear())
    await ctx.storage.set("generation", WORD)

async def turn(self) -> None:
    self.turns += 1

async def follow(self) -> None:
    async with self.ctx.stream("other:*") as events:
        async for event in events:
            self.turns += 1

@on(Topic("load:new", int))
async def hear(self, event: Event[int]) -> None:
    self.heard.append(event.payload)

@serves(Channel("made:state", str, list))
async def tell(self, what: str) -> list[Any]:
    return [WORD, await self.ctx.storage.get("generation"), self.heard]

def snapshot_state(self) -> Any:
    return list(self.heard)

def restore_state(self, state: Any, from_version: str) -> None:
    self.heard = state
"""
STATE: Channel[str, list[Any]] = Channel("made:state", str, list)
NEW: Topic[int] = Topic("load:new", int)
PERMISSIONS = ("subscribe:*", "storage")


def save(place: Path, word: str) -> Path:
    """Write the plugin with another word in it."""
    folder = make_plugin(place, "made", BODY, permissions=PERMISSIONS)
    code = folder / "made.py"
    code.write_text(code.read_text() + f"\nWORD = {word!r}\n")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("isolation", "reloads"), [("inline", 100), ("process", 100)])
async def test_events_are_handled_once_and_in_order_through_a_hundred_reloads(
    tmp_path: Path, isolation: str, reloads: int
) -> None:
    """While somebody publishes all the time."""
    published = 0
    is_over = False
    async with Bus() as bus, MemoryStorage() as storage:
        host = ProcessHost(bus, require_sandbox=False)

        async def publish() -> None:
            nonlocal published
            while not is_over:
                for _ in range(5):
                    published += 1
                    await bus.publish(NEW, published)
                await anyio.sleep(0.001)

        try:
            async with PluginManager(bus, host=host, storage=storage) as manager:
                await manager.register_and_initialize(save(tmp_path, "word 0"), isolation=isolation)
                with Recorder(bus) as recorder:
                    async with anyio.create_task_group() as group:
                        group.start_soon(publish)
                        for turn in range(reloads):
                            await anyio.to_thread.run_sync(save, tmp_path, f"word {turn}")
                            await manager.reload_plugin("made")
                        is_over = True
                    await bus.drain()
                word, generation, heard = await bus.ask(STATE, "")
                assert (word, generation) == (f"word {reloads - 1}", f"word {reloads - 1}")
                assert len(heard) == published
                assert heard == list(range(1, published + 1))
                assert len(recorder.of(PLUGIN_RELOADED)) == reloads
                assert recorder.of(PLUGIN_RELOAD_FAILED) == []
                assert published > 5 * reloads
        finally:
            await host.aclose()
    assert children_of(os.getpid()) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_thousand_reloads_leave_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No class, module, task, descriptor or object of a plugin with timers, tasks, subscriptions and storage."""
    caplog.set_level("CRITICAL")  # what is captured would be growth too
    old: list[weakref.ref[Any]] = []
    async with Bus() as bus, MemoryStorage() as storage, PluginManager(bus, storage=storage) as manager:
        leaked: list[Any] = []
        bus.on(PLUGIN_LEAKED, lambda event: leaked.append(event.payload))
        await manager.register_and_initialize(save(tmp_path, "word"), isolation="inline")

        async def reload(times: int) -> None:
            for turn in range(times):
                save(tmp_path, f"word {turn}")
                plugin = manager._registry.get("made").plugin
                assert plugin is not None
                old.extend((weakref.ref(plugin), weakref.ref(type(plugin))))
                del plugin
                await bus.publish(NEW, turn)
                await manager.reload_plugin("made")

        await reload(100)
        before = footprint()
        await reload(900)
        after = footprint()
        assert [ref() for ref in old[:-2] if ref() is not None] == []
        assert await manager.check_leaks() == ()
        assert leaked == []
        for what in ("modules", "tasks", "descriptors"):
            assert after[what] == before[what], what
        # A leak would be 900 of a kind; timers that were cancelled stay in the loop for a while.
        assert after["objects"] - before["objects"] - 2 * 900 < 450  # of which two for each are the references here
        assert after["rss"] - before["rss"] < 4 * 2**20


def footprint() -> dict[str, int]:
    """Count what could grow."""
    for _ in range(3):
        gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0
    return {
        "objects": len(gc.get_objects()),
        "modules": len(sys.modules),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/dev/fd")),
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
    }


async def test_a_saved_file_is_served_by_an_application(tmp_path: Path) -> None:
    """From the save to the new code, by the operating system's own word; a broken save is told, and changes nothing."""
    folder = save(tmp_path, "one")
    async with App(plugins=[folder], isolation=lambda candidate: Isolation.INLINE, watch=True) as app:
        assert app.reloader.watched == ("made",)
        for word in ("two", "three"):
            async with anyio.create_task_group() as group:
                reloaded = anyio.Event()
                group.start_soon(wait_for, app, PLUGIN_RELOADED, reloaded)
                await checkpoint()
                save(tmp_path, word)
            assert (await app.bus.ask(STATE, ""))[0] == word
        async with anyio.create_task_group() as group:
            failed = anyio.Event()
            group.start_soon(wait_for, app, PLUGIN_RELOAD_FAILED, failed)
            await checkpoint()
            (folder / "made.py").write_text("x = (\n")
        assert (await app.bus.ask(STATE, ""))[0] == "three"


async def wait_for(app: App, topic: Topic[Any], seen: anyio.Event) -> None:
    """Note that an event came."""
    await app.bus.wait_for(topic, timeout=10)
    seen.set()
