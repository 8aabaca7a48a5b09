"""Whoever dies first, nobody stays behind: the zygote, the application, a terminal."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from gridbus import Bus, Channel, Topic
from gridbus.events import PLUGIN_CRASHED, PLUGIN_RESTARTED
from gridbus.hosting import ProcessHost, RestartPolicy
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager, PluginState
from gridbus.testing import Recorder
from tests.faults.processes import (
    children_of,
    is_there,
    kill_child,
    make_plugin,
    parent_of,
    seconds_until_gone,
    until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at the kernel's lists of processes")

PROJECT = Path(__file__).parents[2]
BODY = """
heard = 0

@on(Topic("load:new", int))
async def hear(self, event: Event[int]) -> None:
    self.heard += event.payload

@serves(Channel("{id}:sum", int, int))
async def sum_up(self, message: int) -> int:
    return self.heard + message

async def destroy(self) -> None:
    print("destroyed in order", file=sys.stderr, flush=True)
"""
NEW: Topic[int] = Topic("load:new", int)
IDS = ("one", "two", "three")
MOST = 0.020  #: seconds in which orphans are gone
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
SLACK = 0.2  #: that a machine which others use may add


def written(place: Path, plugin_id: str) -> Path:
    """Write a plugin; return its folder."""
    return make_plugin(place, plugin_id, BODY.format(id=plugin_id), permissions=("subscribe:load:new",))


def opened(stack: ExitStack, pids: list[int]) -> list[int]:
    """Open processes, so that their ends can be waited for; it is us who may."""
    found = [os.pidfd_open(pid) for pid in pids]
    for pidfd in found:
        stack.callback(os.close, pidfd)
    return found


@pytest.fixture(params=["init", "we"])
def reaper(request: pytest.FixtureRequest) -> Iterator[None]:
    """Who inherits orphans: init, or the application itself, as the first process of a container does."""
    ours = int(request.param == "we")
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(_SUBREAPER, ours, 0, 0, 0) == 0
    yield
    assert prctl(_SUBREAPER, 0, 0, 0, 0) == 0


@pytest.mark.usefixtures("reaper")
async def test_children_of_a_killed_zygote_are_gone_at_once_and_the_plugins_come_back(tmp_path: Path) -> None:
    """The kernel takes them along; a new zygote brings their plugins back, with what had waited."""
    grants = dict.fromkeys(IDS, ("subscribe:load:new",))
    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False, restarts=RestartPolicy(first=0.01, most=20))
        try:
            manager = PluginManager(bus, host=host, permissions=grants)
            async with manager:
                for plugin_id in IDS:
                    await manager.register_and_initialize(written(tmp_path, plugin_id), isolation=Isolation.PROCESS)
                zygotes: list[int] = []
                orphans: list[int] = []
                with Recorder(bus) as recorder:
                    for life in (1, 2):
                        pids = [(await manager.resource_usage(plugin_id)).pid for plugin_id in IDS]
                        [zygote] = {parent_of(pid) for pid in pids}
                        zygotes.append(zygote)
                        with ExitStack() as stack:
                            orphans += (children := children_of(zygote))
                            pidfds = opened(stack, children)
                            assert len(pidfds) >= len(IDS)
                            assert kill_child(zygote, os.getpid())
                            took = seconds_until_gone(pidfds, time.perf_counter, most=2.0)
                        print(f"orphans were gone after {took * 1000:.2f} ms")
                        assert took < MOST + SLACK
                        await bus.publish(NEW, life)  # nobody knows yet, or somebody does: it waits or is lost
                        await until(lambda: len(recorder.of(PLUGIN_RESTARTED)) == len(IDS) * life)  # noqa: B023
                        await bus.publish(NEW, 10)
                        for plugin_id in IDS:
                            total = await bus.ask(Channel(f"{plugin_id}:sum", int, int), 100)
                            lost = sum(
                                fact.lost for fact in recorder.payloads(PLUGIN_CRASHED)[-3:] if fact.id == plugin_id
                            )
                            assert total == (110 if lost else 110 + life)
                    crashes = recorder.payloads(PLUGIN_CRASHED)
                assert [crash.reason for crash in crashes] == ["zygote"] * len(IDS) * 2, crashes
                assert {info.state for info in manager.list_plugins()} == {PluginState.RUNNING}
                assert not any(map(is_there, zygotes)), "a zombie"
                left = set(children_of(os.getpid())) - {parent_of((await manager.resource_usage("one")).pid)}
                assert not left & set(orphans), "zombies"
        finally:
            await host.aclose()


APPLICATION = """
import anyio, os, sys
from gridbus import Bus
from gridbus.hosting import ProcessHost
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager

async def main():
    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False)
        manager = PluginManager(bus, host=host, permissions={name: ("subscribe:load:new",) for name in sys.argv[1:]})
        for folder in sys.argv[1:]:
            await manager.register_and_initialize(folder, isolation=Isolation.PROCESS)
        for folder in sys.argv[1:]:
            print((await manager.resource_usage(os.path.basename(folder))).pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.fixture
def application(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An application with plugins in processes; it has printed their numbers when they run."""
    folders = [str(written(tmp_path, plugin_id)) for plugin_id in IDS]
    process = subprocess.Popen([sys.executable, "-c", APPLICATION, *folders], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_nobody_outlives_a_killed_application(application: subprocess.Popen[str]) -> None:
    """Neither the zygote nor plugins nor the spare process, though nobody is left to end them."""
    assert application.stdout is not None
    pids = [int(application.stdout.readline()) for _ in IDS]
    [zygote] = {parent_of(pid) for pid in pids}
    with ExitStack() as stack:
        pidfds = opened(stack, [zygote, *children_of(zygote)])
        assert len(pidfds) > len(IDS)
        assert seconds_until_gone(pidfds, time.perf_counter, most=0.05) == float("inf"), "they were not there at all"
        assert kill_child(application.pid, os.getpid())
        took = seconds_until_gone(pidfds, time.perf_counter, most=3.0)
    print(f"all were gone after {took * 1000:.2f} ms")
    assert took < 1.0


async def test_a_terminal_interrupts_the_application_and_not_its_plugins(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole group of processes, to which they do not belong: they are destroyed in order."""
    (tmp_path / "a.csv").write_text("id,a\n1,1\n2,2\n")
    plugin = str(written(tmp_path, "one"))
    command = [sys.executable, "-m", "gridbus", "run", "a.csv", "--ops", "-", f"--plugins={plugin}"]
    process = subprocess.Popen(  # noqa: ASYNC220 - started at once, and its end is waited for in a thread
        [*command, "--isolation=process", "--allow-unconfined"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    )
    try:
        [zygote] = await until(lambda: [pid for pid in children_of(process.pid) if len(children_of(pid)) > 1])
        with ExitStack() as stack:
            pidfds = opened(stack, [zygote, *children_of(zygote)])
            for pid in (zygote, *children_of(zygote)):
                assert os.getpgid(pid) != process.pid
                assert os.getsid(pid) != os.getsid(process.pid)
            os.killpg(process.pid, signal.SIGINT)
            with anyio.fail_after(10):
                said, _ = await anyio.to_thread.run_sync(process.communicate)
            assert seconds_until_gone(pidfds, time.perf_counter, most=1.0) < 1.0
    finally:
        process.kill()
        process.wait()
    print(said)
    assert process.returncode in (0, 130)
    assert "destroyed in order" in said
    assert "crash" not in said
    assert "Traceback" not in said
