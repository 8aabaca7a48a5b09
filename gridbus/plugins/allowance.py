"""The limits of one plugin, kept."""

from __future__ import annotations

from collections.abc import Callable
from math import isinf
from typing import Any

from gridbus.bus import Scope
from gridbus.bus.classify import is_async
from gridbus.clock import Clock
from gridbus.errors import PluginLimitError
from gridbus.events.system import PluginLimitReached
from gridbus.manifest import ResourceLimits
from gridbus.plugins.rate import Rate
from gridbus.plugins.usage import handlers_of

REFUSED, THROTTLED, CANCELLED = "refused", "throttled", "cancelled"

_EPISODE = 60.0  # seconds between two time-outs that belong to different episodes


class Allowance:
    """Refuses, slows down or bounds what would pass a limit, and tells once per episode."""

    __slots__ = ("_announce", "_clock", "_episodes", "_plugin_id", "_timed_out_at", "limits", "rate")

    def __init__(
        self, plugin_id: str, limits: ResourceLimits, clock: Clock, announce: Callable[[PluginLimitReached], object]
    ) -> None:
        self._plugin_id, self.limits, self._clock = plugin_id, limits, clock
        self._announce = announce
        self._episodes: set[str] = set()  #: limits that were reached and have not been kept since
        self._timed_out_at = float("-inf")
        self.rate = Rate(limits.max_events_per_second, clock.monotonic)

    def check_handlers(self, scope: Scope) -> None:
        """Refuse one more handler.

        Raises:
            PluginLimitError: the plugin has as many as it may.
        """
        self._check("max_handlers", handlers_of(scope), self.limits.max_handlers, "handlers: close one")

    def check_tasks(self, scope: Scope) -> None:
        """Refuse one more task or timer.

        Raises:
            PluginLimitError: as many run as may.
        """
        self._check("max_tasks", len(scope.jobs), self.limits.max_tasks, "tasks and timers: let one end")

    async def throttle(self, wait: float) -> None:
        """Wait for the token of one more event, and tell that this was needed."""
        rate = self.rate
        if not rate.throttled:
            rate.throttled = True
            self._tell("max_events_per_second", rate.limit, THROTTLED)
        await self._clock.sleep(wait)

    def check_publish(self) -> None:
        """Refuse one more event.

        Raises:
            PluginLimitError: it would pass the limit per second.
        """
        rate = self.rate
        if rate.take(may_wait=False):
            if not rate.throttled:
                rate.throttled = True
                self._tell("max_events_per_second", rate.limit, REFUSED)
            raise self._error(f"publishes more than {rate.limit:,} events a second: await publish, which waits")

    def bound(self, handler: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a subscription with its time-out within the limit; a plain function can have none."""
        longest = self.limits.handler_timeout
        if isinf(longest) or not callable(handler) or not is_async(handler):
            return options
        timeout = options.get("timeout")
        return {**options, "timeout": longest if timeout is None else min(timeout, longest)}

    def reached(self, limit: str, allowed: float, action: str) -> None:
        """Tell that a limit was reached, unless that was told already in this episode."""
        if limit not in self._episodes:
            self._episodes.add(limit)
            self._tell(limit, allowed, action)

    def kept(self, limit: str) -> None:
        """End an episode: the limit was kept again."""
        self._episodes.discard(limit)

    def timed_out(self) -> None:
        """Note that a handler was cancelled for its time; an episode lasts until that has not happened for a minute."""
        now = self._clock.monotonic()
        if now - self._timed_out_at > _EPISODE:
            self._tell("handler_timeout", self.limits.handler_timeout, CANCELLED)
        self._timed_out_at = now

    def _check(self, limit: str, used: int, allowed: int, what: str) -> None:
        if used >= allowed:
            self.reached(limit, allowed, REFUSED)
            raise self._error(f"has all of its {allowed:,} {what}, or raise its limit {limit}")
        self.kept(limit)

    def _tell(self, limit: str, allowed: float, action: str) -> None:
        self._announce(PluginLimitReached(self._plugin_id, limit, allowed, action))

    def _error(self, what: str) -> PluginLimitError:
        return PluginLimitError(f"plugin {self._plugin_id!r} {what}", self._plugin_id)
