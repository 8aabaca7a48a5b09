"""What the manager knows of one plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from gridbus.bus import Job, Scope
from gridbus.channels.plugins import PluginInfo, PluginState
from gridbus.manifest import Permission, PluginMetadata
from gridbus.plugins.allowance import Allowance
from gridbus.plugins.context import PluginContext
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.troubles import Troubles


class Record:
    """One registered plugin, from its registration to the moment its id is free again."""

    __slots__ = (
        "again",
        "allowance",
        "checks",
        "ctx",
        "granted",
        "is_initialized",
        "metadata",
        "origin",
        "plugin",
        "rank",
        "reason",
        "scope",
        "settled",
        "state",
        "troubles",
        "unload",
    )

    def __init__(
        self,
        plugin: Plugin[Any],
        metadata: PluginMetadata,
        *,
        origin: str,
        again: tuple[Any, Any],
        unload: Callable[[], None],
    ) -> None:
        self.plugin: Plugin[Any] | None = plugin
        self.metadata, self.origin = metadata, origin
        self.again: tuple[Any, Any] = again  #: what to register to have it again: source and configuration
        self.unload = unload  #: takes its modules away, where they are its own
        self.state = PluginState.REGISTERED
        self.rank = 0  #: the place in the order in which plugins came up
        self.is_initialized = False  #: its ``initialize`` has returned and its ``destroy`` was not called
        self.reason = ""  #: why it did not come up, if it did not
        self.granted: tuple[Permission, ...] = ()
        self.scope: Scope | None = None
        self.ctx: PluginContext | None = None
        self.troubles: Troubles | None = None
        self.allowance: Allowance | None = None
        self.checks: dict[Job, None] = {}  #: health checks that run now
        self.settled = anyio.Event()  #: its way up, or its way down, has come to an end

    @property
    def id(self) -> str:
        """The plugin's id."""
        return self.metadata.id

    @property
    def shown(self) -> str:
        """Name it in a message about several."""
        return f"{self.metadata.name!r} ({self.id} {self.metadata.version} from {self.origin})"

    def info(self) -> PluginInfo:
        """Return it as data."""
        return PluginInfo(self.metadata, self.state, self.origin, self.granted)

    def release(self) -> None:
        """Let go of the plugin and of all that leads to it."""
        if self.ctx is not None:
            self.ctx.close()
        self.plugin = self.ctx = self.scope = None
        self.again = (None, None)
        unload, self.unload = self.unload, _nothing
        unload()


def _nothing() -> None:
    """Unload what was unloaded."""
