"""An application that follows its files: the code of its plugins, and its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from gridbus import App, Channel, Topic
from gridbus.errors import PluginReloadError
from gridbus.events import PLUGIN_INITIALIZED, PLUGIN_RELOADED, PLUGIN_UNREGISTERED
from gridbus.manifest import Isolation, PluginMetadata
from gridbus.plugins import Plugin

SAY: Channel[str, str] = Channel("greeter:say", str, str)
CODE = """
import attrs
from gridbus import Channel, Plugin, serves

@attrs.frozen
class Config:
    word: str = "hello"

class Greeter(Plugin[Config]):
    @serves(Channel("greeter:say", str, str))
    async def say(self, name: str) -> str:
        return f"{self.config.word}, {name}"
"""


def write(folder: Path, plugin_id: str = "greeter", code: str = CODE) -> Path:
    """Write a plugin's folder."""
    folder.mkdir(exist_ok=True)
    (folder / "gridbus-plugin.toml").write_text(
        f'[plugin]\nid = "{plugin_id}"\nname = "Greeter"\nversion = "1.0.0"\nentry = "greeter:Greeter"\n'
    )
    (folder / "greeter.py").write_text(code.replace("greeter:say", f"{plugin_id}:say"))
    return folder


def inline(candidate: object) -> Isolation:
    """Let all run here."""
    return Isolation.INLINE


class Waiting:
    """Waits for events of a plugin that something done in the block leads to."""

    def __init__(self, app: App, topic: Topic[Any], count: int = 1) -> None:
        self._stream, self._count = app.bus.stream(topic), count

    async def __aenter__(self) -> None:
        await self._stream.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        with anyio.fail_after(10):
            for _ in range(self._count):
                await anext(aiter(self._stream))
        await self._stream.__aexit__(None, None, None)


async def test_one_plugin_can_be_watched_in_any_application(tmp_path: Path) -> None:
    """By the manager, as the application has somebody who watches."""
    folder = write(tmp_path / "greeter")
    async with App(plugins=[folder], isolation=inline) as app:
        assert app.reloader.watched == ()
        assert await app.manager.enable_hot_reload("greeter") is True
        assert await app.manager.enable_hot_reload("greeter") is False
        async with Waiting(app, PLUGIN_RELOADED):
            write(folder, code=CODE.replace('"hello"', '"good morning"'))
        assert await app.bus.ask(SAY, "Ada") == "good morning, Ada"
        assert await app.manager.disable_hot_reload("greeter") is True
        assert app.reloader.watched == ()


async def test_what_cannot_follow_its_files_runs_all_the_same(tmp_path: Path) -> None:
    """Watching is for those that can; the others are told about where somebody asks for them by name."""

    class Own(Plugin):
        metadata = PluginMetadata(id="own", name="Own", version="1")

    async with App(plugins=[Own, write(tmp_path / "greeter")], isolation=inline, watch=True) as app:
        assert app.reloader.watched == ("greeter",)
        with pytest.raises(PluginReloadError, match="shares"):
            await app.manager.enable_hot_reload("own")
        async with Waiting(app, PLUGIN_INITIALIZED):
            await app.manager.register_and_initialize(write(tmp_path / "later", "later"))
        with anyio.fail_after(10):
            while app.reloader.watched != ("greeter", "later"):
                await anyio.lowlevel.checkpoint()


async def test_an_application_follows_the_file_that_declares_it(tmp_path: Path) -> None:
    """Configuration, plugins that come and plugins that go; a file that cannot be used changes nothing."""
    write(tmp_path / "greeter")
    write(tmp_path / "other", "other")
    file = tmp_path / "gridbus.toml"
    head = 'name = "followed"\n[plugins.greeter]\nuse = "./greeter"\n'
    file.write_text(head)
    async with App.from_config(file, isolation=inline, watch=True) as app:
        assert await app.bus.ask(SAY, "Ada") == "hello, Ada"
        async with Waiting(app, PLUGIN_RELOADED):
            file.write_text(f'{head}config = {{ word = "hi" }}\n')
        assert await app.bus.ask(SAY, "Ada") == "hi, Ada"
        file.write_text("this is no TOML")
        async with Waiting(app, PLUGIN_INITIALIZED):
            file.write_text(f'{head}config = {{ word = "hi" }}\n[plugins.other]\nuse = "./other"\n')
        assert app.plugins == ("greeter", "other")
        assert await app.bus.ask(SAY, "Ada") == "hi, Ada"
        async with Waiting(app, PLUGIN_UNREGISTERED):
            file.write_text(f'{head}config = {{ word = "hi" }}\n')
        assert app.plugins == ("greeter",)
