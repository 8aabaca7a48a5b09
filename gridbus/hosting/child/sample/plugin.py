"""A plugin that does a little of what plugins do."""

from __future__ import annotations

from gridbus.channels import Channel
from gridbus.events import Event, Topic
from gridbus.events.grid import RowUpdated
from gridbus.manifest import PluginMetadata
from gridbus.plugins import Plugin, PluginContext, on, serves

SAY = Channel("sample:say", str, str)
SAID = Topic("sample:said", str)


class Sample(Plugin[None]):
    """Counts events, and says again what it is told."""

    metadata = PluginMetadata(
        id="sample", name="Sample", version="0.0.0", permissions=["subscribe:row:*"], core_version=">=0.1,<99"
    )
    count = 0

    async def initialize(self, ctx: PluginContext) -> None:
        """Say so."""
        ctx.log.debug("initialized")

    @on("row:update")
    async def hear(self, event: Event[RowUpdated]) -> None:
        """Count."""
        self.count += 1

    @serves(SAY)
    async def say(self, message: str) -> str:
        """Say it again, to all."""
        await self.ctx.publish(SAID, message)
        return message
