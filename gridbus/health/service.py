"""Asks now and then how the plugins are, remembers the answers, and tells what has changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import anyio

from gridbus.bus import Bus
from gridbus.channels.plugins import HEALTH_REPORT, PLUGIN_HEALTH, CheckHealth, HealthQuery, HealthReport
from gridbus.clock import Clock
from gridbus.errors import BusClosed, BusError, ChannelError
from gridbus.events.system import HEALTH_CHANGE, HealthChanged, HealthStatus
from gridbus.manifest import PluginHealth

logger = logging.getLogger("gridbus.health")

_WORST_LAST = (HealthStatus.HEALTHY, HealthStatus.UNKNOWN, HealthStatus.WARNING, HealthStatus.ERROR)


class HealthService:
    """Checks all plugins at intervals: ``async with HealthService(bus)``.

    It asks whoever serves ``manager:health``, publishes ``health:change`` when a plugin's status is other than at the
    check before (before the first one it is unknown), and replies on ``health:report`` with the last results.
    """

    def __init__(self, bus: Bus, *, interval: float = 30.0, timeout: float = 60.0, clock: Clock | None = None) -> None:
        """Prepare the service.

        Args:
            bus: an open one, by the time the service starts.
            interval: seconds between the end of one check and the beginning of the next.
            timeout: seconds that checking all plugins may take; each has a time-out of its own in its limits.
            clock: where time comes from; the bus's by default.
        """
        self._bus, self._interval, self._timeout = bus, interval, timeout
        self._clock = clock or bus.clock
        self._scope = bus.scope("health")
        self._plugins: Mapping[str, PluginHealth] = {}
        self._checked_at: datetime | None = None
        self._checking = anyio.Lock()  # an older answer must not come in after a newer one

    async def __aenter__(self) -> Self:
        """Begin to check."""
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Check no more."""
        await self.aclose()

    def start(self) -> None:
        """Begin to check, the first time at once, and to reply on ``health:report``.

        Raises:
            BusClosed: the bus is not open.
            AlreadyServed: another health service runs on this bus.
        """
        self._scope.serve(HEALTH_REPORT, self._reply)
        self._scope.start_soon(self._run, name="checks")

    async def aclose(self) -> None:
        """Check no more; the last results stay."""
        await self._scope.aclose()

    @property
    def report(self) -> HealthReport:
        """The last results."""
        statuses = [health.status for health in self._plugins.values()]
        worst = max(statuses, key=_WORST_LAST.index, default=HealthStatus.HEALTHY)
        return HealthReport(worst, self._plugins, self._checked_at)

    async def check_now(self) -> HealthReport:
        """Check all plugins, tell what has changed, and return the results.

        Where nobody answers for the plugins, those that were known are unknown now.
        """
        async with self._checking:
            try:
                plugins = await self._scope.ask(PLUGIN_HEALTH, CheckHealth(), timeout=self._timeout)
            except ChannelError as error:
                logger.warning("the plugins' health could not be checked: %s", error)
                plugins = {plugin_id: PluginHealth.unknown(str(error)) for plugin_id in self._plugins}
            before, self._plugins = self._plugins, plugins
            self._checked_at = datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)
            for plugin_id, health in plugins.items():
                old = before[plugin_id].status if plugin_id in before else HealthStatus.UNKNOWN
                if health.status is not old:
                    await self._tell(HealthChanged(plugin_id, old, health.status, health.message))
            return self.report

    async def _run(self) -> None:
        while True:
            await self.check_now()
            await self._clock.sleep(self._interval)

    async def _reply(self, query: HealthQuery) -> HealthReport:
        return await self.check_now() if query.fresh else self.report

    async def _tell(self, fact: HealthChanged) -> None:
        try:
            await self._scope.publish(HEALTH_CHANGE, fact)
        except BusClosed:
            raise
        except (
            BusError
        ) as error:  # an interceptor refused it, or a mailbox is full: the next check goes on all the same
            logger.warning("%s is not published: %s", fact, error)
