"""Plugins in processes of their own, reloaded: the next process takes over, or the one that serves goes on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus import Bus, Channel, Topic
from gridbus.channels.plugins import PluginState
from gridbus.errors import PluginReloadError
from gridbus.events import (
    PLUGIN_DRAINED,
    PLUGIN_QUARANTINED,
    PLUGIN_RECONFIGURED,
    PLUGIN_RELOAD_FAILED,
    PLUGIN_RELOADED,
    PLUGIN_RESTARTED,
    PLUGIN_UNREGISTERED,
)
from gridbus.hosting import ProcessHost, RestartPolicy
from gridbus.plugins import PluginManager
from gridbus.testing import Recorder
from tests.faults.processes import children_of, make_plugin, until

BODY = """
def __init__(self, config: Any = None) -> None:
    super().__init__()
    self.heard: list[int] = []
    self.version = ""

@on(Topic("load:new", int))
async def hear(self, event: Event[int]) -> None:
    if event.payload < 0:
        os._exit(7)
    self.heard.append(event.payload)

@serves(Channel("made:state", str, list))
async def tell(self, what: str) -> list[Any]:
    return [WORD, os.getpid(), self.heard, self.version]

def snapshot_state(self) -> Any:
    return {"heard": self.heard}

async def restore_state(self, state: Any, from_version: str) -> None:
    self.heard = list(state["heard"])

def on_hot_reload(self, from_version: str) -> None:
    self.version = from_version
"""
STATE: Channel[str, list[Any]] = Channel("made:state", str, list)
NEW: Topic[int] = Topic("load:new", int)
PERMISSIONS = ("subscribe:load:new",)


@attrs.define(eq=False)
class Scene:
    """One plugin in a process of its own."""

    bus: Bus
    manager: PluginManager
    recorder: Recorder
    place: Path

    def write(self, word: str, body: str = BODY) -> Path:
        """Save the plugin's code."""
        folder = make_plugin(self.place, "made", body, permissions=PERMISSIONS)
        code = folder / "made.py"
        code.write_text(f"WORD = {word!r}\n" + code.read_text().replace("from __future__ import annotations\n", ""))
        return folder

    async def state(self) -> tuple[str, int, list[int], str]:
        """Ask the plugin."""
        word, pid, heard, version = await self.bus.ask(STATE, "")
        return word, pid, heard, version

    async def state_after_crash(self) -> tuple[str, int, list[int], str]:
        """End the process; ask the next one."""
        count = len(self.recorder.of(PLUGIN_RESTARTED))
        await self.bus.publish(NEW, -1)
        await until(lambda: len(self.recorder.of(PLUGIN_RESTARTED)) > count)
        return await self.state()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """The plugin runs."""
    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False, restarts=RestartPolicy(most=2))
        try:
            async with PluginManager(bus, host=host, permissions={"made": PERMISSIONS}) as manager:
                with Recorder(bus) as recorder:
                    made = Scene(bus, manager, recorder, tmp_path)
                    await manager.register_and_initialize(made.write("one"), isolation="process")
                    yield made
        finally:
            await host.aclose()


async def test_the_next_process_takes_over_with_the_state(scene: Scene) -> None:
    """The old one is gone when the reload returns, and nothing of it is told as an end of the plugin."""
    await scene.bus.publish_and_wait(NEW, 1)
    _, before, _, _ = await scene.state()
    scene.write("two")
    info = await scene.manager.reload_plugin("made")
    assert (info.generation, info.state) == (2, PluginState.RUNNING)
    await scene.bus.publish_and_wait(NEW, 2)
    word, after, heard, version = await scene.state()
    assert (word, heard, version) == ("two", [1, 2], "1.0.0")
    assert after != before
    assert before not in children_of(os.getpid())
    [drained] = scene.recorder.payloads(PLUGIN_DRAINED)
    assert (drained.generation, drained.clean) == (1, True)
    assert scene.recorder.payloads(PLUGIN_UNREGISTERED) == []


async def test_events_flow_through_reloads(scene: Scene) -> None:
    """All that is published meanwhile is handled once, in order."""
    published = 0
    is_over = False

    async def publish() -> None:
        nonlocal published
        while not is_over:
            published += 1
            await scene.bus.publish(NEW, published)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(publish)
        for turn in range(3):
            scene.write(f"word {turn}")
            await scene.manager.reload_plugin("made")
        is_over = True
    await scene.bus.drain()
    word, _, heard, _ = await scene.state()
    assert word == "word 2"
    assert heard == list(range(1, published + 1))


@pytest.mark.parametrize(
    ("body", "stage", "message"),
    [
        (BODY + "\nx = (\n", "load", "was never closed"),
        ("os._exit(3)\n" + BODY, "load", "code 3"),
        (BODY + "\nasync def initialize(self, ctx):\n    os._exit(4)\n", "initialize", "process is gone"),
        (BODY + "\nasync def initialize(self, ctx):\n    raise ValueError('no')\n", "initialize", "no"),
        (BODY + "\nasync def health_check(self):\n    return 7\n", "health", "return a PluginHealth"),
        (BODY.replace('state["heard"]', 'state["nothing"]'), "restore", "nothing"),
    ],
    ids=["syntax", "exit", "exit later", "initialize", "health", "restore"],
)
async def test_a_process_that_cannot_take_over_is_gone(scene: Scene, body: str, stage: str, message: str) -> None:
    """And the one that serves goes on with its state; file and line are told where they are known."""
    await scene.bus.publish_and_wait(NEW, 1)
    _, before, _, _ = await scene.state()
    scene.write("two", body)
    with pytest.raises(PluginReloadError, match=message) as caught:
        await scene.manager.reload_plugin("made")
    [fact] = scene.recorder.payloads(PLUGIN_RELOAD_FAILED)
    assert (fact.stage, caught.value.details["stage"]) == (stage, stage)
    if message in ("was never closed", "no", "nothing"):
        assert fact.file == str(scene.place / "made" / "made.py")
        assert fact.line is not None
    await scene.bus.publish_and_wait(NEW, 2)
    assert await scene.state() == ("one", before, [1, 2], "")
    assert scene.manager.get_plugin("made").state is PluginState.RUNNING
    scene.write("three")
    assert (await scene.manager.reload_plugin("made")).generation == 2


async def test_rolling_back_runs_the_code_before(scene: Scene) -> None:
    """Whatever is on the disk by then."""
    scene.write("two")
    await scene.manager.reload_plugin("made")
    scene.write("three", "this is no Python")
    await scene.bus.publish_and_wait(NEW, 1)
    await scene.manager.rollback_plugin("made")
    word, _, heard, _ = await scene.state()
    assert (word, heard) == ("one", [1])


async def test_a_process_starts_again_with_the_code_that_it_had(scene: Scene) -> None:
    """Half of an edit does not come in by a crash."""
    scene.write("two", "this is no Python")
    assert (await scene.state_after_crash())[0] == "one"


async def test_a_plugin_in_quarantine_is_reloaded_when_it_is_repaired(scene: Scene) -> None:
    """What it serves and hears is there again."""
    await scene.state_after_crash()
    await scene.bus.publish(NEW, -1)
    await until(lambda: bool(scene.recorder.of(PLUGIN_QUARANTINED)))
    scene.write("repaired")
    info = await scene.manager.reload_plugin("made")
    assert info.state is PluginState.RUNNING
    await scene.bus.publish_and_wait(NEW, 5)
    word, _, heard, _ = await scene.state()
    assert (word, heard) == ("repaired", [5])


async def test_a_configuration_is_taken_as_the_process_runs(scene: Scene) -> None:
    """By the same process, and by those that come after it; one that cannot take it is replaced."""
    configured = BODY.replace(
        "def __init__(self, config: Any = None) -> None:\n    super().__init__()\n",
        "def __init__(self, config: Any = None) -> None:\n    self.config = config\n",
    ).replace("return [WORD, ", "return [self.config['word'], ")
    taking = configured + "\ndef reconfigure(self, config: Any) -> None:\n    self.version = 'taken'\n"
    folder = scene.write("", taking)
    code = (folder / "made.py").read_text().replace("class Made(Plugin):", "class Made(Plugin[dict[str, str]]):")
    (folder / "made.py").write_text(code)
    await scene.manager.reload_plugin("made", config={"word": "a"})
    _, before, _, _ = await scene.state()
    info = await scene.manager.configure_plugin("made", {"word": "b"})
    assert info.generation == 2
    assert await scene.state() == ("b", before, [], "taken")
    [fact] = scene.recorder.payloads(PLUGIN_RECONFIGURED)
    assert fact.changed == ("word",)
    assert (await scene.state_after_crash())[0] == "b"
    code = code.replace("def reconfigure", "def unused")
    (folder / "made.py").write_text(code)
    await scene.manager.reload_plugin("made")
    assert (await scene.manager.configure_plugin("made", {"word": "c"})).generation == 4
    assert (await scene.state())[0] == "c"


async def test_an_inline_plugin_can_move_into_a_process_with_its_state(scene: Scene) -> None:
    """And back: its state crosses the border as data."""
    await scene.bus.publish_and_wait(NEW, 1)
    info = await scene.manager.reload_plugin("made", isolation="inline")
    assert info.isolation == "inline"
    await scene.bus.publish_and_wait(NEW, 2)
    assert (await scene.state())[1:3] == (os.getpid(), [1, 2])
    await scene.manager.reload_plugin("made", isolation="process")
    _, pid, heard, _ = await scene.state()
    assert heard == [1, 2]
    assert pid != os.getpid()


async def test_a_changed_contract_of_a_process_is_noticed(scene: Scene, tmp_path: Path) -> None:
    """By the fields of its types, though the application has none of them."""
    types = "import attrs\n\n@attrs.frozen\nclass Reply:\n    word: str\n\n"
    body = BODY.replace('Channel("made:state", str, list)', 'Channel("made:state", str, Reply)')
    for fields in ("word: str", "word: str\n    other: int = 0", "other: int"):
        folder = scene.write("one", body)
        code = types.replace("word: str", fields) + (folder / "made.py").read_text()
        (folder / "made.py").write_text(code)
        await scene.manager.reload_plugin("made")
    first, second, third = (fact.changes for fact in scene.recorder.payloads(PLUGIN_RELOADED))
    assert "made:state replies with" in first[0]
    assert second == ()
    assert "made:state replies with" in third[0]


async def test_a_changed_library_of_its_own_comes_with_a_reload(scene: Scene) -> None:
    """The next process imports everything anew."""
    site = scene.place / "site"
    site.mkdir()
    for word in ("first", "second"):
        (site / "library_of_the_test.py").write_text(f"WORD = {word!r}\n")
        folder = scene.write("", BODY)
        code = (folder / "made.py").read_text().replace("WORD = ''", "from library_of_the_test import WORD")
        (folder / "made.py").write_text(code)
        await scene.manager.reload_plugin("made", site=site)
        assert (await scene.state())[0] == word
    assert str(site) in scene.manager.code_of("made").paths
