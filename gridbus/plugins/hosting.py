"""Plugins that run elsewhere: what the manager asks of whoever runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import attrs

from gridbus.bundles import Bundle
from gridbus.channels.plugins import PluginState
from gridbus.errors import PluginPermissionError
from gridbus.manifest import Permission, PermissionKind, PluginHealth, PluginMetadata, ResourceLimits
from gridbus.plugins.context import PluginContext


@attrs.frozen(kw_only=True)
class HostRequest:
    """A plugin that is to run in a process of its own."""

    entry: str  #: ``module:Class``, within the folder where there is one
    folder: Path | None = None  #: of a plugin that comes as one
    bundle: Bundle | None = None  #: the code in the folder
    main: str | None = None  #: the file that runs as ``__main__``, where the class is in that
    site: Path | None = None  #: libraries of the plugin's own, which come before those of the application
    config: Any = None  #: plain data; None for the defaults
    metadata: PluginMetadata  #: as far as it is known before the code is loaded
    is_known: bool = True  #: the metadata is the plugin's own; False where only its code can tell
    granted: tuple[Permission, ...] = ()  #: what its sandbox has to let through
    trusted: bool = False  #: it may run where the sandbox is not whole

    @property
    def limits(self) -> ResourceLimits:
        """What it may use."""
        return self.metadata.limits


@attrs.frozen(eq=False)
class PackedState:
    """A plugin's state as it came out of its process."""

    data: bytes
    unpacked: Callable[[], Any]  #: reads it, for a generation that runs inline


OF_THE_SANDBOX = frozenset({PermissionKind.FS_READ, PermissionKind.FS_WRITE, PermissionKind.THREADS})
"""Permissions that a process gets when it starts, and not later."""


def refuse_exec(plugin_id: str, permissions: Iterable[Permission]) -> None:
    """Refuse to let a plugin in a process of its own start programs: they would run outside of its limits.

    Raises:
        PluginPermissionError: that is among the permissions.
    """
    for permission in permissions:
        if permission.kind is PermissionKind.EXEC:
            raise PluginPermissionError(
                f"plugin {plugin_id!r} would be granted {str(permission)!r}, which no plugin in a process of its own "
                "may have: take it out of its grants, or run it inline where you trust it",
                plugin_id,
                permission=permission,
            )


class HostedDeclaration(NamedTuple):
    """One handler that a plugin elsewhere declares: as ``Declaration``, as far as the application needs it."""

    kind: str  #: on, serves or intercepts
    subject: str
    permission: Permission | None


class Hosted(Protocol):
    """Stands for a plugin that runs elsewhere; to the manager it is a plugin."""

    metadata: PluginMetadata
    config: Any
    ctx: PluginContext
    declared: tuple[HostedDeclaration, ...]
    hooks: tuple[str, ...]  #: as ``handover.hooks_of``
    confinement: Mapping[str, str]  #: what holds the process, by layer
    on_state: Callable[[PluginState], object]  #: told of restarts and quarantine

    async def initialize(self, ctx: PluginContext, *, live: bool) -> None:
        """Initialize the plugin; its handlers are live when this returns, or made to take over from others."""

    async def destroy(self) -> None:
        """Destroy it."""

    async def health_check(self) -> PluginHealth:
        """Ask it how it is."""
        ...

    async def snapshot_state(self) -> Any:
        """Return what the next generation is to have, as ``PackedState``; None where there is nothing."""

    async def succeed(self, state: Any, from_version: str) -> PluginHealth:
        """Restore what an earlier generation left, let the plugin do what remains, and ask it how it is then."""
        ...

    async def reconfigure(self, config: Any) -> bool:
        """Give it another configuration, as plain data; return whether it took it as it runs."""
        ...

    async def apply_grants(self, granted: tuple[Permission, ...], *, restart: bool) -> None:
        """Tell it what it may do now."""

    async def contracts(self) -> Mapping[str, str]:
        """Return what the channels promise that it serves, as ``contract_of``; nothing where its process is gone."""
        ...

    def process_usage(self) -> Mapping[str, Any]:
        """Return what its process uses: fields of ``ResourceUsage``."""
        ...

    def release(self) -> None:
        """Let go of it, however it is."""


class PluginHost(Protocol):
    """Runs plugins elsewhere."""

    async def load(self, request: HostRequest) -> Hosted:
        """Start a place for a plugin, and load and configure it there; nothing of it runs yet.

        Raises:
            PluginLoadError, PluginValidationError: as inline.
            IsolationError: it cannot be run there.
        """
        ...
