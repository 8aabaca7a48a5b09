"""The channels on which plugins are listed, added and removed, and their health is told."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from gridbus.channels.channel import Channel
from gridbus.events.system import HealthStatus
from gridbus.manifest import Isolation, Permission, PluginCategory, PluginHealth, PluginMetadata


class PluginState(enum.StrEnum):
    """Where a plugin is in its life."""

    REGISTERED = "registered"  #: known, and nothing of it runs
    INITIALIZING = "initializing"
    RUNNING = "running"
    RESTARTING = "restarting"  #: its process is gone, and the next is on its way; what it hears waits
    QUARANTINED = "quarantined"  #: its process went too often or broke the rules: reload it to try again
    DESTROYING = "destroying"
    FAILED = "failed"  #: it did not come up; what there is of it is being removed


@attrs.frozen
class PluginInfo:
    """One registered plugin, as data."""

    metadata: PluginMetadata
    state: PluginState
    origin: str  #: where its code is from: ``module:Class``, or a folder
    granted: tuple[Permission, ...] = ()  #: what it may do; known from the start of its initialization on
    isolation: Isolation = Isolation.INLINE  #: where it runs
    confinement: Mapping[str, str] = attrs.field(
        factory=dict
    )  #: what holds its process, by layer; empty texts hold nothing
    generation: int = 1  #: how often its code has come to be in this manager

    @property
    def id(self) -> str:
        """The plugin's id."""
        return self.metadata.id


@attrs.frozen
class ListPlugins:
    """Asks for the plugins of a category, in a state, or for all."""

    category: PluginCategory | None = None
    state: PluginState | None = None


@attrs.frozen
class CheckHealth:
    """Asks how one plugin is now, or all of them."""

    id: str | None = None


@attrs.frozen
class RegisterPlugin:
    """Asks to register and initialize a plugin."""

    plugin: Any  #: an id, ``module:Class`` or a folder; within the process also a class or an instance
    config: Any = None  #: its configuration, as plain data


@attrs.frozen
class UnregisterPlugin:
    """Asks to destroy a plugin and forget it."""

    id: str
    cascade: bool = False  #: the plugins that need it as well; refused otherwise if there are any


@attrs.frozen
class ReloadPlugin:
    """Asks to reload a plugin, from the same place and with the same configuration."""

    id: str
    cascade: bool = False  #: the plugins that need it as well, after it
    reason: str = "asked for"  #: for people, as in ``2 files changed``
    files: tuple[str, ...] = ()  #: that changed, relative to the plugin's folder
    source: Any = None  #: what to take it from instead, as ``RegisterPlugin.plugin``; the place where it was if None


@attrs.frozen
class RollBackPlugin:
    """Asks to return to the generation of a plugin before the one that serves."""

    id: str


@attrs.frozen
class ConfigurePlugin:
    """Asks to give a running plugin another configuration."""

    id: str
    config: Any  #: plain data; None for the defaults


@attrs.frozen
class PluginCode:
    """Where the code of a registered plugin is."""

    id: str
    generation: int
    folder: str | None  #: of a plugin that comes as one
    paths: tuple[str, ...]  #: files and folders whose change means that the plugin changed; with ``folder``, not in it
    digest: str  #: of the folder's code as this generation has it; empty where there is no folder
    obstacle: str | None = None  #: why it cannot be reloaded from changed files, where it cannot


@attrs.frozen
class WatchPlugin:
    """Asks to reload a plugin whenever its files have changed, or no longer to do so."""

    id: str
    wanted: bool = True


@attrs.frozen
class HealthQuery:
    """Asks for the last results of the health service."""

    fresh: bool = False  #: check now, and reply with the results of that


@attrs.frozen
class HealthReport:
    """How all plugins are."""

    status: HealthStatus  #: the worst of all; healthy where there are none
    plugins: Mapping[str, PluginHealth]
    checked_at: datetime | None  #: when, in UTC; None before the first check


PLUGIN_LIST: Channel[ListPlugins, tuple[PluginInfo, ...]] = Channel("manager:list", ListPlugins, tuple[PluginInfo, ...])
"""Asked for the plugins that are registered, in the order in which they were."""

PLUGIN_HEALTH: Channel[CheckHealth, dict[str, PluginHealth]] = Channel(
    "manager:health", CheckHealth, dict[str, PluginHealth]
)
"""Asked to check health now; replies by plugin id."""

PLUGIN_REGISTER: Channel[RegisterPlugin, PluginInfo] = Channel("manager:register", RegisterPlugin, PluginInfo)
"""Asked to register and initialize a plugin; give it a time-out that allows for the plugin's."""

PLUGIN_UNREGISTER: Channel[UnregisterPlugin, tuple[str, ...]] = Channel(
    "manager:unregister", UnregisterPlugin, tuple[str, ...]
)
"""Asked to destroy and forget; replies with the ids that are gone. A plugin that ends itself tells, as nobody can
reply to what is gone."""

PLUGIN_RELOAD: Channel[ReloadPlugin, PluginInfo] = Channel("plugin:reload", ReloadPlugin, PluginInfo)
"""Asked to reload a plugin; give it a time-out that allows for the plugin's."""

PLUGIN_ROLLBACK: Channel[RollBackPlugin, PluginInfo] = Channel("plugin:rollback", RollBackPlugin, PluginInfo)
"""Asked to return to the generation before."""

PLUGIN_CONFIGURE: Channel[ConfigurePlugin, PluginInfo] = Channel("plugin:configure", ConfigurePlugin, PluginInfo)
"""Asked to give a running plugin another configuration."""

PLUGIN_CODE: Channel[str, PluginCode] = Channel("manager:code", str, PluginCode)
"""Asked, by a plugin's id, where its code is."""

RELOAD_WATCH: Channel[WatchPlugin, bool] = Channel("reload:watch", WatchPlugin, bool)
"""Asked to watch a plugin's files, or to stop that; replies whether that was a change."""

HEALTH_REPORT: Channel[HealthQuery, HealthReport] = Channel("health:report", HealthQuery, HealthReport)
"""Asked for the last results of the health service."""
