"""A plugin that its author edits."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.events import Topic
from gridbus.manifest import PluginMetadata
from gridbus.plugins import Plugin, PluginManager

TICK: Topic[int] = Topic("app:tick", int)
SAY: Channel[int, str] = Channel("counter:say", int, str)

HEAD = """
    from __future__ import annotations
    import attrs
    from gridbus import Channel, Event, Plugin, PluginContext, PluginHealth, Topic, on, serves
    from .words import WORD

    TICK: Topic[int] = Topic("app:tick", int)
    SAY: Channel[int, str] = Channel("counter:say", int, str)

    @attrs.frozen
    class Config:
        step: int = 1

"""
CODE = (
    HEAD
    + """
    class Counter(Plugin[Config]):
        async def initialize(self, ctx: PluginContext) -> None:
            self.heard = []
            self.notes = ["initialize"]

        @on(TICK)
        async def hear(self, event: Event[int]) -> None:
            self.heard.append(event.payload)

        @serves(SAY)
        async def say(self, message: int) -> str:
            return f"{WORD} {self.heard} {self.config.step}"

        def snapshot_state(self):
            return list(self.heard)

        async def restore_state(self, state, from_version: str) -> None:
            self.heard = list(state)
            self.notes += ["restore", from_version]

        def on_hot_reload(self, from_version: str) -> None:
            self.notes += ["hot reload", from_version]
"""
)


class Hosted(Plugin):
    """Stands for a plugin that another process can find."""

    metadata = PluginMetadata(id="hosted", name="H", version="1.2")


class Author:
    """Writes a plugin's folder as its author does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version, self.permissions = "1.0.0", 'subscribe = ["app:*"]'
        folder.mkdir()
        self.save()

    def save(self, code: str = CODE, word: str = "hello", **files: str) -> None:
        manifest = f"""
            [plugin]
            id = "counter"
            name = "Counter"
            version = "{self.version}"
            entry = "plugin:Counter"
            [permissions]
            {self.permissions}
        """
        texts = {"gridbus-plugin.toml": manifest, "plugin.py": code, "words.py": f"WORD = {word!r}\n", **files}
        for name, text in texts.items():
            (self.folder / name).write_text(dedent(text))


def plugin_of(manager: PluginManager) -> Any:
    """Return the plugin as it is now."""
    return manager._registry.get("counter").plugin


def modules() -> set[str]:
    """Return what is imported of plugins' folders."""
    return {name for name in sys.modules if name.startswith("gridbus_plugin_counter")}


async def is_initializing(bus: Bus) -> None:
    """Return when a generation of the plugin initializes."""
    with anyio.fail_after(10):
        while not any(job.name.startswith("initialize of") for job in bus._jobs):
            await checkpoint()


async def only_modules(count: int) -> None:
    """Return when so many modules of the plugin are left: an import that was given up ends in a thread of its own."""
    with anyio.fail_after(10):
        while len(modules()) != count:
            await checkpoint()
