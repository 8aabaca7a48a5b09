"""Topics and payloads of the bus itself, of plugins, and of long work."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from gridbus.events.event import Event
from gridbus.events.topic import Topic


class HealthStatus(enum.StrEnum):
    """How a plugin is, by its own word or for want of one."""

    HEALTHY = "healthy"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


@attrs.frozen
class HandlerFailed:
    """A handler raised, timed out or called exit on one event; nobody else was harmed."""

    event: Event[Any]
    subscription: str
    owner: str
    error: str  #: type name of the exception
    message: str
    traceback: str


@attrs.frozen
class TaskFailed:
    """A background task that a scope owns raised and ended."""

    task: str
    owner: str
    error: str
    message: str
    traceback: str


@attrs.frozen
class SlowSubscriber:
    """A mailbox overflowed for the first time since it last had room; published once per episode."""

    subscription: str
    owner: str
    topic: str
    capacity: int
    overflow: str
    dropped: int  #: events this subscription has lost so far, over its life


@attrs.frozen
class PluginRegistered:
    """A plugin's metadata was accepted."""

    id: str
    version: str
    name: str
    category: str


@attrs.frozen
class PluginInitialized:
    """A plugin runs."""

    id: str
    version: str
    seconds: float  #: from the start of initialize to its end


@attrs.frozen
class PluginFailed:
    """A stage of a plugin's life failed; nothing of the stage remains."""

    id: str
    stage: str  #: load, configure, initialize, destroy, health or run
    error: str
    message: str
    traceback: str = ""


@attrs.frozen
class PluginDestroyed:
    """A plugin was closed and left nothing behind."""

    id: str
    clean: bool  #: False where destroy raised or work had to be cancelled
    cancelled: int = 0  #: handlers and tasks that did not end by themselves


@attrs.frozen
class PluginUnregistered:
    """A plugin's id is free again."""

    id: str


@attrs.frozen
class PluginLimitReached:
    """A plugin met one of its limits."""

    id: str
    limit: str  #: name of the field in ResourceLimits; or ``frames_per_second``, which each process may send
    allowed: float
    action: str  #: refused, throttled, cancelled or killed


@attrs.frozen
class PluginPermissionGranted:
    """A plugin that runs may do more."""

    id: str
    permission: str  #: as manifests write it


@attrs.frozen
class PluginPermissionRevoked:
    """A plugin that runs may do less; what was open and needed the permission is closed."""

    id: str
    permission: str


@attrs.frozen
class PluginCrashed:
    """The process of a plugin is gone without having been asked to go."""

    id: str
    reason: str  #: crash, exit, cpu, memory, violation, hang, protocol, killed, files, threads or zygote
    message: str  #: for people: signal or exit code, and the last of what it wrote
    lost: int  #: events that it had been handed and was not done with
    lives: int  #: how many processes of this plugin have gone so far
    restarts_in: float | None  #: seconds until it is started again; None where it is not
    cpu_seconds: float = 0.0  #: processor time of its life
    max_memory_bytes: int = 0  #: the most that it had resident


@attrs.frozen
class PluginRestarted:
    """A plugin whose process was gone runs again; what had waited in its mailboxes is handed over."""

    id: str
    attempt: int  #: since it last ran for a minute
    waiting: int  #: events that waited meanwhile
    seconds: float  #: from the start of the new process


@attrs.frozen
class PluginQuarantined:
    """A plugin is not started again by itself: it failed too often, or broke the rules."""

    id: str
    reason: str  #: as of ``PluginCrashed``
    message: str
    dropped: int  #: events that waited and are lost


@attrs.frozen
class PluginReloading:
    """A new generation of a plugin is made, beside the one that serves."""

    id: str
    generation: int  #: of the new one; the first is 1
    reason: str  #: for people: who wanted it, and why
    files: tuple[str, ...] = ()  #: that changed, relative to the plugin's folder, where that is known


@attrs.frozen
class PluginReloaded:
    """A new generation of a plugin serves; the one before ends what it has in hand."""

    id: str
    generation: int
    version: str
    from_version: str
    reason: str
    seconds: float  #: since ``plugin:reloading``
    pause_seconds: float  #: in which events waited for the new generation
    waiting: int  #: events and requests that waited, and are the new generation's
    changes: tuple[str, ...] = ()  #: how its channels differ from those of the generation before
    kept: tuple[str, ...] = ()  #: plugins that need it, and go on as they are
    restarted: tuple[str, ...] = ()  #: plugins that need it and are reloaded as well, because of ``changes``


@attrs.frozen
class PluginReloadFailed:
    """A plugin could not be reloaded; the generation that served goes on."""

    id: str
    generation: int  #: that did not come to be
    stage: str  #: read, load, configure, permissions, initialize, health, snapshot, restore or swap
    error: str  #: type name
    message: str
    file: str | None  #: where it went wrong in the plugin's code, where that is known
    line: int | None
    seconds: float
    traceback: str = ""


@attrs.frozen
class PluginDrained:
    """An earlier generation of a plugin has ended, and left nothing behind."""

    id: str
    generation: int
    clean: bool  #: False where destroy raised or work had to be cancelled
    cancelled: int  #: handlers and tasks that did not end by themselves
    seconds: float  #: since the generation after it served


@attrs.frozen
class PluginLeaked:
    """Something of an earlier generation of a plugin is still there after it ended: it leaks."""

    id: str
    generation: int
    objects: tuple[str, ...]  #: what is left: classes and instances
    holders: tuple[str, ...]  #: what holds them, shortened


@attrs.frozen
class PluginReconfigured:
    """A plugin took another configuration while it ran."""

    id: str
    changed: tuple[str, ...]  #: names of the fields


@attrs.frozen
class HealthChanged:
    """A plugin's health is other than at the check before."""

    id: str
    old: HealthStatus
    new: HealthStatus
    message: str = ""


@attrs.frozen
class AppStarted:
    """Each participant runs."""

    name: str
    plugins: tuple[str, ...]


@attrs.frozen
class AppStopping:
    """The application drains and closes."""

    name: str
    reason: str


@attrs.frozen
class LoadProgress:
    """How far the reading of a file is."""

    source: str
    rows: int
    bytes_read: int
    bytes_total: int


BUS_HANDLER_FAILED: Topic[HandlerFailed] = Topic("bus:handler_failed", HandlerFailed)
BUS_TASK_FAILED: Topic[TaskFailed] = Topic("bus:task_failed", TaskFailed)
BUS_SLOW_SUBSCRIBER: Topic[SlowSubscriber] = Topic("bus:slow_subscriber", SlowSubscriber)
PLUGIN_REGISTERED: Topic[PluginRegistered] = Topic("plugin:registered", PluginRegistered)
PLUGIN_INITIALIZED: Topic[PluginInitialized] = Topic("plugin:initialized", PluginInitialized)
PLUGIN_FAILED: Topic[PluginFailed] = Topic("plugin:failed", PluginFailed)
PLUGIN_DESTROYED: Topic[PluginDestroyed] = Topic("plugin:destroyed", PluginDestroyed)
PLUGIN_UNREGISTERED: Topic[PluginUnregistered] = Topic("plugin:unregistered", PluginUnregistered)
PLUGIN_LIMIT_REACHED: Topic[PluginLimitReached] = Topic("plugin:limit_reached", PluginLimitReached)
PLUGIN_PERMISSION_GRANTED: Topic[PluginPermissionGranted] = Topic("plugin:permission_granted", PluginPermissionGranted)
PLUGIN_PERMISSION_REVOKED: Topic[PluginPermissionRevoked] = Topic("plugin:permission_revoked", PluginPermissionRevoked)
PLUGIN_CRASHED: Topic[PluginCrashed] = Topic("plugin:crashed", PluginCrashed)
PLUGIN_RESTARTED: Topic[PluginRestarted] = Topic("plugin:restarted", PluginRestarted)
PLUGIN_QUARANTINED: Topic[PluginQuarantined] = Topic("plugin:quarantined", PluginQuarantined)
PLUGIN_RELOADING: Topic[PluginReloading] = Topic("plugin:reloading", PluginReloading)
PLUGIN_RELOADED: Topic[PluginReloaded] = Topic("plugin:reloaded", PluginReloaded)
PLUGIN_RELOAD_FAILED: Topic[PluginReloadFailed] = Topic("plugin:reload_failed", PluginReloadFailed)
PLUGIN_DRAINED: Topic[PluginDrained] = Topic("plugin:drained", PluginDrained)
PLUGIN_LEAKED: Topic[PluginLeaked] = Topic("plugin:leaked", PluginLeaked)
PLUGIN_RECONFIGURED: Topic[PluginReconfigured] = Topic("plugin:reconfigured", PluginReconfigured)
HEALTH_CHANGE: Topic[HealthChanged] = Topic("health:change", HealthChanged)
APP_STARTED: Topic[AppStarted] = Topic("app:started", AppStarted)
APP_STOPPING: Topic[AppStopping] = Topic("app:stopping", AppStopping)
DATA_PROGRESS: Topic[LoadProgress] = Topic("data:progress", LoadProgress)
