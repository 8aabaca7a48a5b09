"""What is known of the plugin that its author works on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import attrs

from gridbus.bus import BusStats
from gridbus.channels.plugins import PluginInfo
from gridbus.cli.dev.facts import milliseconds
from gridbus.cli.dev.trouble import Trouble
from gridbus.events.system import PluginReloaded
from gridbus.manifest import PluginHealth, ResourceUsage

LINES = 8  #: of the plugin's log, and of what happened, that are kept to be shown


@attrs.define
class Board:
    """All that the screen shows, as it is now."""

    folder: Path
    show: Callable[[str], object]  #: shows a line of what happens
    info: PluginInfo | None = None  #: None until it runs for the first time
    health: PluginHealth | None = None
    usage: ResourceUsage = attrs.field(factory=ResourceUsage)
    hears: tuple[str, ...] = ()  #: topics, each with the handler
    serves: tuple[str, ...] = ()  #: channels
    reload: str = ""  #: the last one
    reloads: int = 0
    failed: int = 0  #: reloads that failed
    trouble: Trouble | None = None  #: the last one of the code as it is now
    happened: deque[str] = attrs.field(factory=lambda: deque(maxlen=LINES))
    log: deque[str] = attrs.field(factory=lambda: deque(maxlen=LINES))

    @property
    def name(self) -> str:
        """The plugin's id, or its folder's name where nothing more is known."""
        return self.folder.name if self.info is None else self.info.id

    @property
    def heading(self) -> str:
        """Which plugin this is, and how far it is."""
        info = self.info
        if info is None:
            return f"{self.name}: not loaded yet"
        return f"{info.id} {info.metadata.version}, generation {info.generation}, {info.state.value}, {self.place}"

    @property
    def place(self) -> str:
        """Where it runs."""
        if self.info is None:
            return ""
        if self.info.isolation.value == "inline":
            return "inline"
        is_held = any(self.info.confinement.values())
        return "in a sandboxed process" if is_held else "in a process that nothing holds"

    @property
    def figures(self) -> str:
        """How many events it has handled."""
        usage = self.usage
        return f"{usage.events_handled:,} handled, {usage.events_failed:,} failed, {usage.events_dropped:,} dropped"

    @property
    def how_it_is(self) -> str:
        """Its health in words."""
        if self.health is None:
            return "unknown"
        status, message = self.health.status.value, self.health.message
        return f"{status}: {message}" if message else status

    @property
    def seen(self) -> tuple[object, ...]:
        """All that a screen shows, to be compared with what it showed."""
        facts = (self.heading, self.how_it_is, self.figures, self.reload, self.hears, self.serves)
        return (*facts, self.trouble, tuple(self.happened), tuple(self.log))

    def tell(self, line: str, *more: str) -> None:
        """Tell what happened; what belongs to it stands in lines of its own, where there is a place for them."""
        self.happened.append(f"{datetime.now():%H:%M:%S} {line}")
        self.show(f"{self.name}: {line}")
        for text in more:
            self.show(f"  {text}")

    def note_trouble(self, trouble: Trouble) -> None:
        """Take note of what went wrong, and tell it."""
        self.trouble = trouble
        self.tell(str(trouble), *trouble.excerpt())

    def note_health(self, health: PluginHealth) -> None:
        """Take note of how the plugin is, and tell it."""
        self.health = health
        self.tell(f"health: {self.how_it_is}")

    def note_log(self, line: str) -> None:
        """Take note of a line of the log, from any thread."""
        self.log.append(line)
        self.show(f"{self.name}: log: {line}")

    def note_reloaded(self, fact: PluginReloaded) -> None:
        """Take note of a new generation: what was wrong with the one before counts no more."""
        self.reloads += 1
        self.trouble = None
        timing = f"in {milliseconds(fact.seconds)}, pause {milliseconds(fact.pause_seconds)}"
        self.reload = f"generation {fact.generation} {timing}: {fact.reason}"

    def note_connections(self, stats: BusStats) -> None:
        """Take note of what the plugin hears and serves."""
        channels = {served.channel.name: served.channel for served in stats.channels if self.name in served.servers}
        mine = [kept for kept in stats.subscriptions if kept.owner == self.name]
        self.hears = tuple(f"{kept.topic} ({kept.name})" for kept in mine if kept.topic not in channels)
        self.serves = tuple(f"{name} ({' -> '.join(channels[name].shown_types)})" for name in sorted(channels))
