"""Analytics: tells a provider what is done with the grid, and nothing of what is in it."""

from __future__ import annotations

import secrets
import time
from typing import Any

import attrs

from gridbus import Event, Plugin, PluginContext, PluginHealth, PluginMetadata, serves
from official_plugins.analytics.config import AnalyticsConfig
from official_plugins.analytics.mixpanel import MixpanelSink
from official_plugins.analytics.outbox import Outbox
from official_plugins.analytics.tracked import TRACK, Track, Tracked, describe
from official_plugins.topics import TopicFilter


class Analytics(Plugin[AnalyticsConfig]):
    """Sends what happens to Mixpanel: topics, counts and column names, never cells or ids.

    Events wait in memory while they cannot be sent. Without a key nothing is sent; events are counted, and the plugin's
    health says so.
    """

    metadata = PluginMetadata(
        id="analytics",
        name="Analytics",
        version="0.1.0",
        author="The gridbus authors",
        category="analytics",
        description="Tells a provider of product analytics what is done with the grid, and nothing of what is in it",
        tags=("analytics", "mixpanel"),
        permissions=("subscribe:*", "net"),
        channels=(TRACK.name,),
    )

    async def initialize(self, ctx: PluginContext) -> None:
        """Begin to listen and to send.

        Raises:
            MissingExtraError: there is a key, and not the library that sends.
        """
        config = self.config
        sink = MixpanelSink(config) if config.has_key else None
        if sink is None:
            ctx.log.warning("there is no api_key, so nothing is sent: events are only counted")
        self._outbox = Outbox(sink, config, ctx.log)
        # The clean-up runs after the last event was handled, and destroy() may run before.
        ctx.add_cleanup(self._finish)
        if sink is not None:
            ctx.start_soon(self._outbox.run, name="sender")
        if config.auto_track:
            wanted = TopicFilter(config.events)
            ctx.on(wanted.subject, self.track_event, where=wanted)

    async def track_event(self, event: Event[Any]) -> None:
        """Take an event of the bus."""
        self._outbox.add(describe(event))

    @serves(TRACK)
    async def track(self, message: Track) -> None:
        """Take an event of the application's own."""
        now = time.time_ns() // 1_000_000
        self._outbox.add(Tracked(message.event, secrets.token_hex(10), now, dict(message.properties)))

    async def health_check(self) -> PluginHealth:
        """Tell how much was sent, and whether anything cannot be."""
        figures = self._outbox.figures
        details = {"waiting": self._outbox.waiting, **attrs.asdict(figures)}
        if not self.config.has_key:
            return PluginHealth.warning(f"no api_key: {figures.tracked:,} events were counted and not sent", **details)
        if figures.last_error is not None:
            waiting = f"{self._outbox.waiting:,} events wait, {figures.lost:,} were lost"
            return PluginHealth.warning(f"events cannot be sent: {figures.last_error}; {waiting}", **details)
        if figures.lost or figures.rejected:
            return PluginHealth.warning(f"{figures.lost:,} events were lost, {figures.rejected:,} rejected", **details)
        return PluginHealth.healthy(f"{figures.sent:,} events sent", **details)

    async def _finish(self) -> None:
        lost = await self._outbox.finish()
        if lost:
            self.ctx.log.warning("%d events were not sent, and are lost: %s", lost, self._outbox.figures.last_error)
