"""When a plugin whose process is gone is started again, and when no more."""

from __future__ import annotations

from collections import deque

import attrs


@attrs.frozen(kw_only=True)
class RestartPolicy:
    """Waits longer after each failure; gives up where they come too often."""

    first: float = 0.1  #: seconds before the first new start
    longest: float = 30.0  #: seconds before any new start
    most: int = 5  #: failures within ``within`` seconds that end the starting
    within: float = 60.0


class Restarts:
    """The failures of one plugin."""

    __slots__ = ("_policy", "_recent", "total")

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._recent: deque[float] = deque(maxlen=max(policy.most, 16))
        self.total = 0

    def failed(self, now: float) -> float | None:
        """Note a failure; return the seconds to wait before the next start, None where there is to be none."""
        self.total += 1
        self._recent.append(now)
        while self._recent and now - self._recent[0] > self._policy.within:
            self._recent.popleft()
        count = len(self._recent)
        if count >= self._policy.most:
            return None
        return min(self._policy.first * 2.0 ** (count - 1), self._policy.longest)

    @property
    def recent(self) -> int:
        """Failures that count now."""
        return len(self._recent)

    def forgive(self) -> None:
        """Begin anew: an operator started the plugin again."""
        self._recent.clear()
