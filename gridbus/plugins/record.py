"""What the manager knows of one plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import attrs

from gridbus.bundles import Bundle
from gridbus.bus import Job, Scope
from gridbus.channels.plugins import PluginInfo, PluginState
from gridbus.manifest import Isolation, Permission, PluginMetadata
from gridbus.plugins.allowance import Allowance
from gridbus.plugins.context import PluginContext
from gridbus.plugins.declare import Declaration, declarations
from gridbus.plugins.hosting import Hosted, HostedDeclaration
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.troubles import Troubles

LIVE = frozenset({PluginState.RUNNING, PluginState.RESTARTING})
"""States in which others can rely on a plugin."""

INITIALIZED = LIVE | {PluginState.QUARANTINED}
"""States of what came up, and was not taken down."""


@attrs.frozen(eq=False)
class Recipe:
    """What to register to have a plugin again."""

    source: Any  #: as it was given: a class, a name or a folder
    config: Any  #: likewise; None for the defaults
    options: Mapping[str, Any] = attrs.field(factory=dict)  #: isolation, limits and site
    bundle: Bundle | None = None  #: the code as it was loaded, of a folder


class Record:
    """One generation of a registered plugin, from its loading to its end."""

    __slots__ = (
        "allowance",
        "checks",
        "ctx",
        "declared",
        "generation",
        "granted",
        "hosted",
        "is_bound",
        "is_initialized",
        "metadata",
        "origin",
        "plugin",
        "previous",
        "rank",
        "reason",
        "recipe",
        "scope",
        "settled",
        "state",
        "troubles",
        "unload",
    )

    def __init__(
        self,
        plugin: Plugin[Any] | Hosted,
        metadata: PluginMetadata,
        *,
        origin: str,
        recipe: Recipe,
        unload: Callable[[], None],
        hosted: Hosted | None = None,
        is_bound: bool = False,
    ) -> None:
        self.plugin: Plugin[Any] | Hosted | None = plugin
        self.hosted = hosted  #: the same, where it runs in a process of its own
        self.declared: tuple[Declaration, ...] | tuple[HostedDeclaration, ...] = (
            declarations(type(plugin)) if hosted is None else hosted.declared
        )
        self.is_bound = is_bound  #: it asks for what its manifest says, and not for what its code declares besides
        self.metadata, self.origin = metadata, origin
        self.recipe: Recipe | None = recipe
        self.generation = 1
        self.previous: Recipe | None = None  #: of the generation before, to return to
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
    def asked(self) -> tuple[Declaration, ...] | tuple[HostedDeclaration, ...]:
        """What its code asks for besides its metadata."""
        return () if self.is_bound else self.declared

    @property
    def shown(self) -> str:
        """Name it in a message about several."""
        return f"{self.metadata.name!r} ({self.id} {self.metadata.version} from {self.origin})"

    def info(self) -> PluginInfo:
        """Return it as data."""
        if self.hosted is None:
            return PluginInfo(self.metadata, self.state, self.origin, self.granted, generation=self.generation)
        return PluginInfo(
            self.metadata,
            self.state,
            self.origin,
            self.granted,
            Isolation.PROCESS,
            dict(self.hosted.confinement),
            self.generation,
        )

    def note_state(self, state: PluginState) -> None:
        """Take note of a restart, or of quarantine."""
        if self.state in INITIALIZED:
            self.state = state
            self.reason = "it is in quarantine" if state is PluginState.QUARANTINED else ""

    def release(self) -> None:
        """Let go of the plugin and of all that leads to it."""
        if self.ctx is not None:
            self.ctx.close()
        hosted, self.hosted = self.hosted, None
        if hosted is not None:
            hosted.release()
        self.plugin = self.ctx = self.scope = self.recipe = self.previous = None
        self.declared = ()
        unload, self.unload = self.unload, _nothing
        unload()


def _nothing() -> None:
    """Unload what was unloaded."""
