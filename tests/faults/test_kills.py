"""Processes of plugins are killed under load, again and again, and the books balance."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest

from gridbus import Bus, Event, Overflow, Topic
from gridbus.channels.plugins import PluginState
from gridbus.events import PLUGIN_CRASHED, PLUGIN_RESTARTED
from gridbus.hosting import ProcessHost, RestartPolicy
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager
from gridbus.testing import Recorder
from tests.faults.processes import children_of, is_there, kill_child, make_plugin, parent_of, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at the kernel's lists of processes")

KILLS = 200
TOPICS = (Topic("load:left", int), Topic("load:right", int))
IDS = ("first", "second", "third")
#: each handler writes down what it heard before it is done with it: what is on the disk survives the process
BODY = """
async def initialize(self, ctx: Any) -> None:
    self.left_of = os.open("{folder}/left", os.O_WRONLY | os.O_APPEND)
    self.right_of = os.open("{folder}/right", os.O_WRONLY | os.O_APPEND)

@on(Topic("load:left", int), capacity=128, block_timeout=60.0)
async def left(self, event: Event[int]) -> None:
    os.write(self.left_of, b"%d %d\\n" % (event.payload, os.getpid()))

@on(Topic("load:right", int), capacity=64, block_timeout=60.0)
def right(self, event: Event[int]) -> None:
    os.write(self.right_of, b"%d %d\\n" % (event.payload, os.getpid()))
"""


def heard(folder: Path, side: str) -> list[tuple[int, int]]:
    """What a handler wrote down: event and process."""
    lines = (folder / side).read_text().splitlines()
    return [(int(number), int(pid)) for number, pid in map(str.split, lines)]


async def test_two_hundred_kills_lose_what_was_handed_over_and_nothing_else(tmp_path: Path) -> None:
    """What a process had is counted as lost, all else arrives once and in order, and nothing is left behind."""
    os.chmod(tmp_path, 0o755)
    seed = random.randrange(2**32)
    print("seed", seed)
    dice = random.Random(seed)
    folders: dict[str, Path] = {}
    for plugin_id in IDS:
        folders[plugin_id] = tmp_path / "kept" / plugin_id
        folders[plugin_id].mkdir(parents=True)
        folders[plugin_id].chmod(0o777)
        for side in ("left", "right"):
            (folders[plugin_id] / side).touch()
            (folders[plugin_id] / side).chmod(0o666)
    async with Bus() as bus:
        host = ProcessHost(
            bus,
            require_sandbox=False,
            restarts=RestartPolicy(first=0.005, longest=0.005, most=10_000),
            heartbeat=0.5,
        )
        grants = {key: ("subscribe:load:*", f"fs.write:{folder}") for key, folder in folders.items()}
        manager = PluginManager(bus, host=host, permissions=grants)
        inline: dict[str, list[int]] = {topic: [] for topic in TOPICS}
        for topic in TOPICS:
            bus.on(topic, _keep(inline[topic]), name="inline", capacity=64, overflow=Overflow.BLOCK, block_timeout=60)
        lost: Counter[str] = Counter()
        crashes: Counter[str] = Counter()

        def count(event: Event[object]) -> None:
            fact = event.payload
            lost[fact.id] += fact.lost  # type: ignore[attr-defined]
            crashes[fact.reason] += 1  # type: ignore[attr-defined]

        bus.on(PLUGIN_CRASHED, count, name="count", capacity=10_000)
        try:
            for plugin_id in IDS:
                permissions = ("subscribe:load:*", f"fs.write:{folders[plugin_id]}")
                plugin = make_plugin(
                    tmp_path, plugin_id, BODY.format(folder=folders[plugin_id]), permissions=permissions
                )
                await manager.register_and_initialize(plugin, isolation=Isolation.PROCESS)
            zygote = parent_of_all(await pids(manager))
            published: dict[str, int] = dict.fromkeys(TOPICS, 0)
            killed: set[int] = set()
            used: list[tuple[int, int, int]] = []
            number, next_kill, began = 0, 500, time.monotonic()
            with Recorder(bus) as recorder:
                while len(killed) < KILLS:
                    topic = TOPICS[number % 2]
                    await bus.publish(topic, number)
                    published[topic] += 1
                    number += 1
                    if number < next_kill:
                        continue
                    next_kill = number + dice.randrange(1, 400)
                    victim = dice.choice(children_of(zygote))  # of a plugin that runs or starts, or the spare one
                    if kill_child(victim, zygote):
                        killed.add(victim)
                    if len(killed) // 50 == len(used):
                        used.append(await settled(bus, manager, zygote, killed))
                assert recorder.of(PLUGIN_RESTARTED)
            used.append(await settled(bus, manager, zygote, killed))
            print(f"{number} events, {len(killed)} kills, {lost=}, {crashes=}, {time.monotonic() - began:.1f} s")
            stats = {
                (kept.owner, kept.topic): kept for kept in bus.stats().subscriptions if kept.topic.startswith("load:")
            }
        finally:
            await manager.aclose()
            await host.aclose()
    assert inline == {TOPICS[0]: list(range(0, number, 2)), TOPICS[1]: list(range(1, number, 2))}
    assert set(crashes) == {"killed"}, crashes
    assert sum(lost.values()) > 0, "nothing was lost, so this has tested nothing"
    for plugin_id in IDS:
        dropped = 0
        for topic in TOPICS:
            kept = stats[plugin_id, str(topic)]
            assert published[topic] == kept.handled + kept.dropped, kept
            assert (kept.failed, kept.skipped, kept.depth) == (0, 0, 0), kept
            dropped += kept.dropped
            there = heard(folders[plugin_id], topic.partition(":")[2])
            numbers = [event for event, _ in there]
            assert numbers == sorted(set(numbers)), "heard twice, or out of order"
            assert kept.handled <= len(numbers) <= kept.handled + kept.dropped
            assert len({pid for _, pid in there}) > 10, "hardly any process took over"
        assert dropped == lost[plugin_id]
    assert not [pid for pid in killed if is_there(pid)], "zombies"
    assert not is_there(zygote)
    # anyio keeps a few threads, and the next spare process may be on its way
    assert all(later <= first + 2 for later, first in zip(used[-1], used[0], strict=True)), (
        f"descriptors, threads and tasks grow: {used}"
    )


def _keep(numbers: list[int]):  # type: ignore[no-untyped-def]
    return lambda event: numbers.append(event.payload)


async def settled(bus: Bus, manager: PluginManager, zygote: int, killed: set[int]) -> tuple[int, int, int]:
    """Let all come to rest, with one more kill, after which there is a spare process; count what we hold then."""
    await until_running(manager, zygote, at_least=len(IDS))
    victim = (await pids(manager))[0]
    with anyio.fail_after(10):
        while not kill_child(victim, zygote):  # it was killed just now, and the next is not there yet
            await anyio.sleep(0.005)
            victim = (await pids(manager))[0]
    killed.add(victim)
    await until(lambda: not is_there(victim))
    await until_running(manager, zygote, at_least=len(IDS) + 1)
    await bus.drain()
    return len(os.listdir("/proc/self/fd")), threading.active_count(), len(asyncio.all_tasks())


async def until_running(manager: PluginManager, zygote: int, *, at_least: int) -> None:
    """Wait until all plugins have a process and run."""
    with anyio.fail_after(10):
        while True:
            there = children_of(zygote)
            running = {info.state for info in manager.list_plugins()} == {PluginState.RUNNING}
            if running and len(there) >= at_least and set(await pids(manager)) <= set(there):
                return
            await anyio.sleep(0.002)


async def pids(manager: PluginManager) -> list[int]:
    """The processes of the plugins."""
    return [(await manager.resource_usage(plugin_id)).pid for plugin_id in IDS]


def parent_of_all(found: list[int]) -> int:
    """The one process that all of them were forked from, which is our own child."""
    [parent] = {parent_of(pid) for pid in found}
    assert parent in children_of(os.getpid())
    return parent
