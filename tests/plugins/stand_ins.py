"""A host that runs plugins nowhere: it notes what it is asked, and hands out stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from gridbus.channels.plugins import PluginState
from gridbus.errors import PeerGone
from gridbus.manifest import Permission, PluginHealth, PluginMetadata
from gridbus.plugins import HostedDeclaration, HostRequest, PluginContext


class StandIn:
    """Stands for a plugin, and keeps what was done with it."""

    def __init__(self, request: HostRequest, metadata: PluginMetadata, declared: tuple[HostedDeclaration, ...]) -> None:
        self.request, self.metadata, self.declared = request, metadata, declared
        self.config = request.config
        self.hooks: tuple[str, ...] = ("snapshot_state", "on_hot_reload")
        self.ctx: PluginContext
        self.confinement: Mapping[str, str] = {"seccomp": "40 calls"}
        self.on_state: Callable[[PluginState], object] = lambda state: None
        self.health = PluginHealth.healthy("here")
        self.state: Any = None
        self.was_given: Any = None
        self.is_gone = self.is_released = self.is_destroyed = False
        self.grants: list[tuple[tuple[str, ...], bool]] = []

    async def initialize(self, ctx: PluginContext, *, live: bool) -> None:
        """Note the context."""
        self.ctx = ctx

    async def destroy(self) -> None:
        """Note that."""
        self.is_destroyed = True

    async def health_check(self) -> PluginHealth:
        """Return what was set."""
        if self.is_gone:
            raise PeerGone("it is gone")
        return self.health

    async def snapshot_state(self) -> Any:
        """Return what was set."""
        return self.state

    async def succeed(self, state: Any, from_version: str) -> PluginHealth:
        """Note what is handed over."""
        self.was_given = (state, from_version)
        return self.health

    async def contracts(self) -> Mapping[str, str]:
        """Serve nothing."""
        return {}

    async def reconfigure(self, config: Any) -> bool:
        """Take nothing."""
        return False

    async def apply_grants(self, granted: tuple[Permission, ...], *, restart: bool) -> None:
        """Note what is granted."""
        if self.is_gone:
            raise PeerGone("it is gone")
        self.grants.append((tuple(map(str, granted)), restart))

    def process_usage(self) -> Mapping[str, Any]:
        """Return a few figures."""
        return {"cpu_seconds": 1.5, "memory_bytes": 4096}

    def release(self) -> None:
        """Note that."""
        self.is_released = True


@attrs.define
class FakeHost:
    """Makes stand-ins, by default of what it is told about plugins."""

    says: PluginMetadata | None = None  #: of each plugin; what it is told where None
    declared: tuple[HostedDeclaration, ...] = ()
    error: Exception | None = None
    health: PluginHealth | None = None  #: of those that are made from now on
    made: list[StandIn] = attrs.field(factory=list)

    async def load(self, request: HostRequest) -> StandIn:
        """Make one."""
        if self.error is not None:
            raise self.error
        metadata = self.says if self.says is not None else request.metadata
        self.made.append(StandIn(request, metadata, self.declared))
        self.made[-1].health = self.health or self.made[-1].health
        return self.made[-1]
