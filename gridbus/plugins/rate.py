"""How fast a plugin publishes, and how long it has to wait to keep within its limit."""

from __future__ import annotations

from collections.abc import Callable

_ROUNDING = 1e-9  # seconds that sums of intervals may be off


class Rate:
    """A token bucket that holds one second's worth of events, and a count of what went through.

    It keeps the moment at which the bucket would be full again rather than a number of tokens: each event puts that
    moment off by an interval, and an event that would put it off past a second from now has to wait.
    """

    __slots__ = ("_full", "_interval", "_now", "_previous", "_second", "_since", "limit", "published", "throttled")

    def __init__(self, limit: float, now: Callable[[], float]) -> None:
        self.limit = limit
        self.published = 0
        self.throttled = False  #: inside an episode: it lasts until the bucket is half full again
        self._now, self._interval = now, 1 / limit
        self._full = self._second = now()
        self._since = self._previous = 0  #: ``published`` when this second began; events of the second before

    def take(self, *, may_wait: bool = True) -> float:
        """Take one event's token; return the seconds to wait before it may be used.

        Where there is none and the caller may not wait, nothing is taken.
        """
        now, full = self._now(), self._full
        full = (full if full > now else now) + self._interval
        wait = full - now - 1.0
        if wait <= _ROUNDING:
            wait = 0.0
            if self.throttled and full - now <= 0.5:
                self.throttled = False
        elif not may_wait:
            return wait
        self._full = full
        if now - self._second >= 1.0:
            self._turn(now)
        self.published += 1
        return wait

    def per_second(self) -> float:
        """Events in the last second, the second before weighed in as far as it still counts."""
        now = self._now()
        self._turn(now)
        return self.published - self._since + self._previous * max(0.0, 1.0 - (now - self._second))

    def _turn(self, now: float) -> None:
        passed = int(now - self._second)
        if passed:
            self._previous = self.published - self._since if passed == 1 else 0
            self._since = self.published
            self._second += passed
