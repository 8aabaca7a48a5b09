"""The participant: what it asks, what it answers, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import RELOAD_WATCH, PluginInfo, WatchPlugin
from gridbus.errors import (
    AlreadyServed,
    BusClosed,
    NoServer,
    PluginInitializationError,
    PluginNotFoundError,
    PluginReloadError,
    RemoteError,
)
from gridbus.events.system import PLUGIN_UNREGISTERED, PluginUnregistered
from gridbus.reload import HotReloadManager
from tests.reload.watching import FakeWatcher


@pytest.fixture
def watcher() -> FakeWatcher:
    """Nothing changes by itself."""
    return FakeWatcher()


@pytest.fixture
async def reloader(bus: Bus, manager: Any, folder: Path, watcher: FakeWatcher) -> AsyncIterator[HotReloadManager]:
    """Follows nothing yet; there is a plugin to follow."""
    manager.add("greeter", folder)
    async with HotReloadManager(bus, watcher=watcher) as reloader:
        yield reloader


async def test_changed_files_reload_a_plugin_that_is_watched(
    reloader: HotReloadManager, manager: Any, folder: Path, watcher: FakeWatcher
) -> None:
    """And no other; enabling twice is no error."""
    assert await reloader.enable_hot_reload("greeter") is True
    assert await reloader.enable_hot_reload("greeter") is False
    assert reloader.watched == ("greeter",)
    assert watcher.folders[-1] == {folder.parent, folder, folder / "parts"}
    (folder / "greeter.py").write_text("VERSION = 1\n")
    watcher.tell(folder / "greeter.py", folder.parent / "unrelated.py")
    await manager.reloaded(1)
    assert [(told.id, told.reason, told.files) for told in manager.reloads] == [
        ("greeter", "greeter.py changed", ("greeter.py",))
    ]
    assert manager.texts("greeter.py") == ["VERSION = 1\n"]


async def test_a_plugin_that_is_no_longer_watched_stays_as_it_is(
    reloader: HotReloadManager, manager: Any, folder: Path, watcher: FakeWatcher
) -> None:
    """Its folders are left; leaving it twice is no error."""
    await reloader.enable_hot_reload("greeter")
    assert await reloader.disable_hot_reload("greeter") is True
    assert await reloader.disable_hot_reload("greeter") is False
    assert reloader.watched == ()
    manager.add("other", folder / "parts")
    await reloader.enable_hot_reload("other")
    assert watcher.folders[-1] == {folder, folder / "parts"}
    (folder / "greeter.py").write_text("VERSION = 1\n")
    (folder / "parts" / "a.py").write_text("A = 1\n")
    watcher.tell(folder / "greeter.py", folder / "parts" / "a.py")
    await manager.reloaded(1)
    assert [told.id for told in manager.reloads] == ["other"]


async def test_others_ask_over_the_bus(bus: Bus, reloader: HotReloadManager) -> None:
    """As the plugin manager does."""
    assert await bus.ask(RELOAD_WATCH, WatchPlugin("greeter")) is True
    assert await bus.ask(RELOAD_WATCH, WatchPlugin("greeter")) is False
    assert reloader.watched == ("greeter",)
    assert await bus.ask(RELOAD_WATCH, WatchPlugin("greeter", wanted=False)) is True
    with pytest.raises(RemoteError, match="PluginNotFoundError"):
        await bus.ask(RELOAD_WATCH, WatchPlugin("nobody"))


async def test_what_cannot_be_watched_is_refused(reloader: HotReloadManager, manager: Any) -> None:
    """With the reason: unknown, not reloadable, no files."""
    with pytest.raises(PluginNotFoundError, match="nobody"):
        await reloader.enable_hot_reload("nobody")
    manager.add("made", obstacle="it was made by the program")
    with pytest.raises(PluginReloadError, match="made by the program") as failure:
        await reloader.enable_hot_reload("made")
    assert failure.value.plugin_id == "made"
    manager.add("bare")
    with pytest.raises(PluginReloadError, match="no files to watch"):
        await reloader.enable_hot_reload("bare")
    assert reloader.watched == ()


async def test_without_a_plugin_manager_there_is_nobody_to_ask(bus: Bus) -> None:
    """And without a bus that is open nothing begins; nor a second time on one bus."""
    async with HotReloadManager(bus, watcher=FakeWatcher()) as reloader:
        with pytest.raises(NoServer):
            await reloader.enable_hot_reload("greeter")
        with pytest.raises(AlreadyServed):
            await HotReloadManager(bus, watcher=FakeWatcher()).__aenter__()


async def test_what_changed_before_it_was_watched_is_not_missed(
    reloader: HotReloadManager, manager: Any, folder: Path
) -> None:
    """Once: not again when it is watched anew and the reload had failed."""
    (folder / "greeter.py").write_text("VERSION = 1\n")
    manager.failure = PluginReloadError("it is broken", "greeter")
    await reloader.enable_hot_reload("greeter")
    await manager.reloaded(1)
    await reloader.disable_hot_reload("greeter")
    await reloader.enable_hot_reload("greeter")
    manager.failure = None
    await reloader.reload_plugin("greeter")
    assert [told.reason for told in manager.reloads] == ["its files are not those that serve", "asked for"]


async def test_a_failed_reload_is_not_repeated(
    reloader: HotReloadManager, manager: Any, folder: Path, watcher: FakeWatcher
) -> None:
    """The next is for the next change; it is the manager who tells what failed."""
    await reloader.enable_hot_reload("greeter")
    manager.failure = PluginReloadError("line 1 is broken", "greeter")
    for number, text in enumerate(("def", "VERSION = 5"), start=1):
        (folder / "greeter.py").write_text(text)
        watcher.tell(folder / "greeter.py")
        await manager.reloaded(number)
    await reloader.destroy()
    assert manager.texts("greeter.py") == ["def", "VERSION = 5"]


async def test_a_newer_change_asks_again_while_a_reload_is_in_flight(
    reloader: HotReloadManager, manager: Any, folder: Path, watcher: FakeWatcher
) -> None:
    """At once, also for a return to what still serves: the one in flight is about to replace that."""
    await reloader.enable_hot_reload("greeter")
    first = (folder / "greeter.py").read_text()
    manager.gate = anyio.Event()
    for number, text in enumerate(["VERSION = 1\n", "VERSION = 2\n", first], start=1):
        (folder / "greeter.py").write_text(text)
        watcher.tell(folder / "greeter.py")
        await manager.reloaded(number)
    manager.gate.set()
    assert manager.texts("greeter.py") == ["VERSION = 1\n", "VERSION = 2\n", first]


async def test_what_a_loader_returns_is_what_it_is_reloaded_from(
    reloader: HotReloadManager, manager: Any, tmp_path: Path, watcher: FakeWatcher
) -> None:
    """Plain or async; with paths, what the program made is watched as well."""
    module = tmp_path / "made.py"
    module.write_text("1")
    manager.add("made", obstacle="it was made by the program")
    reloader.register_plugin_loader("made", lambda: "made:First", paths=[module])
    await reloader.enable_hot_reload("made")
    module.write_text("22")
    watcher.tell(module)
    await manager.reloaded(1)

    async def load() -> str:
        return "made:Second"

    reloader.register_plugin_loader("made", load)
    await reloader.reload_plugin("made")
    assert [(told.source, told.files) for told in manager.reloads] == [
        ("made:First", (str(module),)),
        ("made:Second", ()),
    ]


async def test_a_loader_that_raises_fails_the_reload(reloader: HotReloadManager, manager: Any) -> None:
    """Nothing is asked of the manager."""

    def load() -> str:
        raise OSError("the share is away")

    reloader.register_plugin_loader("greeter", load)
    with pytest.raises(PluginReloadError, match="the loader of 'greeter' failed: OSError: the share is away"):
        await reloader.reload_plugin("greeter")
    assert manager.reloads == []


async def test_a_plugin_is_loaded_and_watched(reloader: HotReloadManager, manager: Any, folder: Path) -> None:
    """Or only loaded; what fails to load raises what it was."""
    info = await reloader.load_plugin(str(folder))
    assert (info.id, reloader.watched) == ("greeter", ("greeter",))
    await reloader.disable_hot_reload("greeter")
    await reloader.load_plugin(str(folder), watch=False)
    assert reloader.watched == ()
    manager.failure = PluginInitializationError("it hangs", "greeter")
    with pytest.raises(PluginInitializationError, match="it hangs"):
        await reloader.load_plugin(str(folder))


async def test_all_are_reloaded_whatever_becomes_of_some(
    reloader: HotReloadManager, manager: Any, folder: Path
) -> None:
    """The results are by id."""
    manager.add("other", folder / "parts")
    reloader.register_plugin_loader("greeter", lambda: 1 / 0)
    results = await reloader.reload_all_plugins()
    assert list(results) == ["greeter", "other"]
    assert isinstance(results["greeter"], PluginReloadError)
    assert isinstance(results["other"], PluginInfo)


async def test_an_unregistered_plugin_is_forgotten(
    bus: Bus, reloader: HotReloadManager, manager: Any, watcher: FakeWatcher
) -> None:
    """Its folders are not watched any more."""
    await reloader.enable_hot_reload("greeter")
    del manager.codes["greeter"]
    await bus.publish(PLUGIN_UNREGISTERED, PluginUnregistered("greeter"))
    await bus.drain()
    assert reloader.watched == ()


async def test_destroying_ends_everything_while_a_reload_is_in_flight(
    bus: Bus, reloader: HotReloadManager, manager: Any, folder: Path, watcher: FakeWatcher
) -> None:
    """At once and as often as one likes; nothing is watched or served any more."""
    await reloader.enable_hot_reload("greeter")
    manager.gate = anyio.Event()
    (folder / "greeter.py").write_text("VERSION = 1\n")
    watcher.tell(folder / "greeter.py")
    await manager.reloaded(1)
    with anyio.fail_after(0.5):
        await reloader.destroy()
        await reloader.aclose()
    assert watcher.open == 0
    assert reloader.watched == ()
    with pytest.raises(NoServer):
        await bus.ask(RELOAD_WATCH, WatchPlugin("greeter"))
    with pytest.raises(BusClosed):
        await reloader.enable_hot_reload("greeter")
    manager.gate.set()
