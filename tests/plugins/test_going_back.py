"""A new generation that cannot take over: the one that serves goes on."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from textwrap import dedent
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginState
from gridbus.errors import (
    PluginNotFoundError,
    PluginPermissionError,
    PluginReloadError,
    PluginStateError,
    PluginValidationError,
)
from gridbus.events.system import PLUGIN_RELOAD_FAILED
from gridbus.manifest import PluginHealth
from gridbus.plugins import Plugin, PluginManager
from gridbus.reload import HotReloadManager
from gridbus.testing import FakeClock, Recorder
from tests.plugins.authoring import CODE, SAY, TICK, Author, Hosted, modules, plugin_of
from tests.plugins.stand_ins import FakeHost

BROKEN = {
    "load": (CODE + "\n    x = (\n", "SyntaxError"),
    "import": (CODE.replace("from .words", "import nothing_of_that_name\n    from .words"), "ModuleNotFoundError"),
    "initialize": (CODE.replace("self.heard = []", "raise ValueError('no')"), "ValueError: no"),
    "restore": (CODE.replace("self.heard = list(state)", "raise KeyError('gone')"), "KeyError: 'gone'"),
    "hot reload": (
        CODE.replace('self.notes += ["hot reload"', 'self.missing += ["hot reload"'),
        "no attribute 'missing'",
    ),
    "health": (
        CODE + "\n        async def health_check(self):\n            return PluginHealth.error('unwell')\n",
        "unwell",
    ),
    "health raises": (CODE + "\n        async def health_check(self):\n            1 / 0\n", "ZeroDivisionError"),
    "config": (CODE.replace("step: int = 1", "step: str = 'one'"), "step"),
    "other": (CODE.replace("class Counter", "class Renamed"), "Counter"),
}
STAGES = {"import": "load", "hot reload": "restore", "health raises": "health", "config": "load", "other": "load"}


@pytest.mark.parametrize("kind", BROKEN)
async def test_whatever_fails_the_old_one_goes_on(
    manager: PluginManager, bus: Bus, author: Author, recorder: Recorder, kind: str, footprint: Callable[[], Any]
) -> None:
    """Its state is as it was, it hears what follows, and nothing of the new one remains; the place is told."""
    code, message = BROKEN[kind]
    await manager.register_and_initialize((author.folder, {"step": 5}))
    await bus.publish_and_wait(TICK, 1)
    serving, before, there = plugin_of(manager), footprint(), modules()
    author.save(code)
    with pytest.raises(PluginReloadError) as caught:
        await manager.reload_plugin("counter")
    assert message in str(caught.value)
    [fact] = recorder.payloads(PLUGIN_RELOAD_FAILED)
    stage = STAGES.get(kind, kind)
    assert (fact.stage, caught.value.details["stage"], fact.generation) == (stage, stage, 2)
    if kind in ("load", "initialize", "restore", "hot reload", "health raises", "import"):
        assert fact.file == caught.value.details["file"] == str(author.folder / "plugin.py")
        lines = dedent(code).splitlines()
        assert fact.line is not None
        assert fact.line <= len(lines)
        assert str(author.folder / "plugin.py") in fact.traceback
    assert plugin_of(manager) is serving
    assert manager.get_plugin("counter").state is PluginState.RUNNING
    await bus.publish_and_wait(TICK, 2)
    assert serving.heard == [1, 2]
    assert (footprint(), modules()) == (before, there)
    author.save(word="mended")
    assert (await manager.reload_plugin("counter")).generation == 2
    assert await bus.ask(SAY, 0) == "mended [1, 2] 5"


async def test_an_initialize_that_hangs_is_given_up(
    manager: PluginManager, clock: FakeClock, bus: Bus, author: Author
) -> None:
    """After the plugin's own time; events are handled by the old generation all the while."""
    await manager.register_and_initialize(author.folder)
    author.save(CODE.replace("self.heard = []", "import anyio; await anyio.sleep_forever()"))
    errors: list[PluginReloadError] = []

    async def reload() -> None:
        try:
            await manager.reload_plugin("counter")
        except PluginReloadError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(reload)
        while not errors:
            await bus.publish(TICK, len(plugin_of(manager).heard))
            await checkpoint()
            await clock.advance(5)
    assert errors[0].details["stage"] == "initialize"
    assert "longer than" in str(errors[0])
    await bus.drain()
    heard = plugin_of(manager).heard
    assert heard == list(range(len(heard)))


async def test_new_permissions_that_are_not_granted_keep_the_old_one(bus: Bus, author: Author) -> None:
    """The author is told which."""
    grants = {"counter": ["subscribe:app:*"]}
    async with PluginManager(bus, permissions=grants) as manager:
        await manager.register_and_initialize(author.folder)
        author.permissions = 'subscribe = ["app:*", "secret:*"]'
        author.save()
        with pytest.raises(PluginReloadError, match="subscribe:secret") as caught:
            await manager.reload_plugin("counter")
        assert isinstance(caught.value.__cause__, PluginPermissionError)
        assert caught.value.details["stage"] == "permissions"
        assert manager.get_plugin("counter").generation == 1


async def test_a_folder_that_holds_another_plugin_now_is_refused(manager: PluginManager, author: Author) -> None:
    """A plugin's id does not change by reloading."""
    await manager.register_and_initialize(author.folder)
    manifest = author.folder / "gridbus-plugin.toml"
    manifest.write_text(manifest.read_text().replace('id = "counter"', 'id = "other"'))
    with pytest.raises(PluginReloadError, match="holds plugin 'other' now") as caught:
        await manager.reload_plugin("counter")
    assert isinstance(caught.value.__cause__, PluginValidationError)


async def test_dependents_that_cannot_do_with_the_new_version_keep_the_old(
    manager: PluginManager, author: Author, make: Callable[..., type[Plugin[Any]]]
) -> None:
    """Their range of versions holds for a reload too."""
    await manager.register_and_initialize(author.folder)
    await manager.register_and_initialize(make("user", dependencies=["counter>=1,<2"]))
    author.version = "2.0.0"
    author.save()
    with pytest.raises(PluginReloadError, match="'user' needs 'counter") as caught:
        await manager.reload_plugin("counter")
    assert caught.value.details["stage"] == "configure"


async def test_a_process_that_is_unwell_does_not_take_over(bus: Bus) -> None:
    """Its stand-in is released, and the one that serves goes on."""
    host = FakeHost()
    async with PluginManager(bus, host=host) as manager:
        await manager.register_and_initialize(Hosted, isolation="process")
        host.health = PluginHealth.error("unwell")
        with pytest.raises(PluginReloadError, match="unwell"):
            await manager.reload_plugin("hosted")
        assert [made.is_released for made in host.made] == [False, True]
        assert manager.get_plugin("hosted").state is PluginState.RUNNING


async def test_compiled_code_that_has_changed_is_refused(manager: PluginManager, author: Author) -> None:
    """A process that has loaded it would go on with what it has."""
    compiled = author.folder / f"speed{EXTENSION_SUFFIXES[0]}"
    compiled.write_bytes(b"one")
    await manager.register_and_initialize(author.folder)
    author.save(word="other")
    await manager.reload_plugin("counter")
    compiled.write_bytes(b"another")
    with pytest.raises(PluginReloadError, match="is compiled and has changed"):
        await manager.reload_plugin("counter")


async def test_what_shares_its_module_with_others_does_not_follow_files(manager: PluginManager, bus: Bus) -> None:
    """Whoever wants that is told what to do; so is one who forgot to start what watches."""
    await manager.register_and_initialize(Hosted)
    with pytest.raises(PluginStateError, match=r"start a HotReloadManager\(bus\)"):
        await manager.enable_hot_reload("hosted")
    async with HotReloadManager(bus) as reloader:
        with pytest.raises(PluginReloadError, match='give it as a folder with a manifest, or run it with isolation="p'):
            await manager.enable_hot_reload("hosted")
        assert await manager.disable_hot_reload("hosted") is False
        with pytest.raises(PluginNotFoundError):
            await manager.enable_hot_reload("nobody")
        assert reloader.watched == ()
