"""The file of a running application is followed: read once it is settled, and left alone where it cannot be used."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from gridbus import Bus, Plugin, PluginMetadata
from gridbus.app.changes import Change, Outcome
from gridbus.app.reconfiguring import Reconfiguring
from gridbus.config import AppConfig, PluginConfig
from gridbus.plugins import PluginManager

HERE = __name__


class Listener(Plugin):
    """Is there or not."""

    metadata = PluginMetadata(id="listener", name="Listener", version="1.0")


class Follower(Plugin):
    """Needs the listener."""

    metadata = PluginMetadata(id="follower", name="Follower", version="1.0", dependencies=("listener",))


@pytest.fixture
async def manager() -> AsyncIterator[PluginManager]:
    """A manager on an open bus."""
    async with Bus() as bus, PluginManager(bus) as manager:
        yield manager


class Watcher:
    """Notes the folders, and yields what a test sends."""

    def __init__(self) -> None:
        self.folders: set[Path] = set()
        self.watches = 0
        self.send, self._receive = anyio.create_memory_object_stream[set[Path]](10)

    async def changes(self, folders: Collection[Path]) -> AsyncGenerator[set[Path], None]:
        self.folders |= set(folders)
        self.watches += 1
        async for paths in self._receive:
            yield paths

    def close(self) -> None:
        self.send.close()
        self._receive.close()


async def test_the_file_is_followed(manager: PluginManager, tmp_path: Path) -> None:
    """Changes of other files in its folder are nothing to it; a file that cannot be used leaves all as it was."""
    told: list[str] = []

    def tell(change: Change) -> None:
        told.append(f"{change.outcome}: {change}")

    path = tmp_path / "gridbus.toml"
    await write(path, {"listener": f'use = "{HERE}:Listener"'})
    watcher = Watcher()
    new = Reconfiguring(manager, path, AppConfig(), tell=tell, quiet=0)
    async with anyio.create_task_group() as group:
        group.start_soon(new.run, watcher)
        with anyio.fail_after(10):
            await watcher.send.send({tmp_path / "notes.txt"})
            await watcher.send.send({path})
            await until(lambda: told == ["applied: plugins.listener: added"])
            await anyio.Path(path).write_text("[plugins.listener]\nlimits = { healt_timeout = 1 }\n")
            await watcher.send.send({path})
            await until(lambda: len(told) == 2)
            await anyio.Path(path).write_text("[plugins.listener\n")
            await watcher.send.send({path})
            await until(lambda: len(told) == 3)
            await write(path, {"listener": f'use = "{HERE}:Listener"', "follower": f'use = "{HERE}:Follower"'})
            await watcher.send.send(set())  # some may have been missed
            await until(lambda: len(told) == 4)
            await watcher.send.send({tmp_path})  # it went away, and was there again
            await until(lambda: watcher.watches == 2)
        group.cancel_scope.cancel()
    watcher.close()
    assert watcher.folders == {tmp_path}
    assert told[1].startswith(f"failed: {path}: ")
    assert "healt_timeout" in told[1]
    assert told[2].startswith(f"failed: {path}: no valid TOML: ")
    assert told[2].endswith("; all stays as it was")
    assert told[3] == "applied: plugins.follower: added"
    assert [info.id for info in manager.list_plugins()] == ["listener", "follower"]


async def test_a_problem_names_the_plugin_that_it_is_about(manager: PluginManager, tmp_path: Path) -> None:
    """Whoever shows plugins can show it there."""
    path = tmp_path / "gridbus.toml"
    await anyio.Path(path).write_text("[plugins.listener]\nlimits = { healt_timeout = 1 }\n")
    (change,) = await Reconfiguring(manager, path, AppConfig(), tell=lambda change: None).reread()
    assert (change.plugin, change.outcome) == ("listener", Outcome.FAILED)


async def test_changes_are_logged_where_nobody_is_told(
    manager: PluginManager, caplog: pytest.LogCaptureFixture
) -> None:
    """What was not applied is a warning."""
    caplog.set_level(logging.INFO, logger="gridbus.app")
    new = Reconfiguring(manager, "gridbus.toml", AppConfig())
    await new.apply(AppConfig(name="shop", plugins={"listener": PluginConfig(use=f"{HERE}:Listener")}))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "name: takes effect at the next start"),
        ("INFO", "plugins.listener: added"),
    ]


async def write(path: Path, tables: Mapping[str, str]) -> None:
    """Write an application's file."""
    await anyio.Path(path).write_text("".join(f"[plugins.{key}]\n{text}\n" for key, text in tables.items()))


async def until(holds: Any) -> None:
    """Let others run until something holds."""
    while not holds():
        await anyio.lowlevel.checkpoint()
