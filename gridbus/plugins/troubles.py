"""What went wrong in a plugin lately, and the health that follows from it."""

from __future__ import annotations

from collections import deque

from gridbus.clock import Clock
from gridbus.manifest import PluginHealth

RECENT = 60.0
"""Seconds for which a failure makes a running plugin's health a warning."""

_MOST_KEPT = 1000


class Troubles:
    """Remembers failures of handlers and tasks, and losses of events, for as long as they are recent."""

    __slots__ = ("_clock", "_recent")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: deque[tuple[float, str]] = deque(maxlen=_MOST_KEPT)

    def note(self, what: str) -> None:
        """Remember one."""
        self._recent.append((self._clock.monotonic(), what))

    def health(self) -> PluginHealth:
        """Return healthy, or a warning that counts what is recent and names the last of it."""
        since = self._clock.monotonic() - RECENT
        while self._recent and self._recent[0][0] <= since:
            self._recent.popleft()
        if not self._recent:
            return PluginHealth.healthy()
        count = len(self._recent)
        times = f"{'at least ' if count == _MOST_KEPT else ''}{count} {'failure' if count == 1 else 'failures'}"
        return PluginHealth.warning(f"{times} in the last {RECENT:g} s, the last: {self._recent[-1][1]}", recent=count)
