"""What a plugin uses and has done, added up over all its handlers."""

from __future__ import annotations

from gridbus.bus import Scope, Subscription
from gridbus.bus.ask import RequestMailbox
from gridbus.bus.latency import Latency
from gridbus.manifest import ResourceUsage
from gridbus.plugins.rate import Rate


class _Figures:
    """What some subscriptions did, all together."""

    __slots__ = ("dropped", "failed", "handled", "latency")

    def __init__(self) -> None:
        self.handled = self.failed = self.dropped = 0
        self.latency = Latency()

    def add(self, subscription: Subscription) -> None:
        """Add the figures of one."""
        stats = subscription.stats()
        self.handled += stats.handled
        self.failed += stats.failed
        self.dropped += stats.dropped
        self.latency.merge(subscription.latency())

    def merge(self, other: _Figures) -> None:
        """Add the figures of others."""
        self.handled += other.handled
        self.failed += other.failed
        self.dropped += other.dropped
        self.latency.merge(other.latency)


class Usage:
    """Keeps the figures of handlers that have ended, and reads those of the ones that live."""

    __slots__ = ("_live", "_past")

    def __init__(self) -> None:
        self._live: list[Subscription] = []
        self._past = _Figures()

    def track(self, subscription: Subscription) -> None:
        """Add up what this subscription does from now on."""
        self._settle()
        self._live.append(subscription)

    def close(self) -> None:
        """Let go of all subscriptions; their figures stay."""
        for subscription in self._live:
            self._past.add(subscription)
        self._live = []

    def read(self, scope: Scope, rate: Rate, storage_bytes: int) -> ResourceUsage:
        """Return a snapshot."""
        total = _Figures()
        total.merge(self._past)
        for subscription in self._live:
            total.add(subscription)
        p50, p99 = total.latency.quantile(0.5), total.latency.quantile(0.99)
        return ResourceUsage(
            handlers=handlers_of(scope),
            channels=sum(isinstance(kept.mailbox, RequestMailbox) for kept in scope.subscriptions),
            tasks=len(scope.jobs),
            events_handled=total.handled,
            events_failed=total.failed,
            events_dropped=total.dropped,
            events_published=rate.published,
            events_per_second=rate.per_second(),
            handler_seconds=total.latency.total_ns / 1e9,
            storage_bytes=storage_bytes,
            p50_us=None if p50 is None else p50 / 1000,
            p99_us=None if p99 is None else p99 / 1000,
        )

    def _settle(self) -> None:
        """Keep the figures of what has ended, and let go of it."""
        ended = [kept for kept in self._live if kept.is_closed and not kept.mailbox.cells]
        for subscription in ended:
            self._past.add(subscription)
            self._live.remove(subscription)


def handlers_of(scope: Scope) -> int:
    """Count what the limit on handlers is about: subscriptions, servers, interceptors and streams."""
    return len(scope.subscriptions) + len(scope.interceptors) + len(scope.streams)
