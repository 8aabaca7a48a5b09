"""Paces at which a subscription may ask to be called: debounced, throttled, in batches."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from gridbus.errors import SubscriptionError


@attrs.frozen
class Debounce:
    """Call with the newest event once ``quiet`` seconds passed without another; at the latest after ``longest``."""

    quiet: float
    longest: float | None = None
    held = 1

    def __attrs_post_init__(self) -> None:
        """Refuse durations that are none."""
        _positive("Debounce.quiet", self.quiet)
        if self.longest is not None and self.longest < self.quiet:
            raise SubscriptionError(f"Debounce.longest is at least quiet ({self.quiet:g} s), not {self.longest!r}")


@attrs.frozen
class Throttle:
    """Call at once, then at most once per ``interval`` seconds, each time with the newest event."""

    interval: float
    held = 1

    def __attrs_post_init__(self) -> None:
        """Refuse durations that are none."""
        _positive("Throttle.interval", self.interval)


@attrs.frozen
class Batch:
    """Call with a list of up to ``size`` events, at the latest ``within`` seconds after the first of them came."""

    size: int
    within: float

    def __attrs_post_init__(self) -> None:
        """Refuse sizes and durations that are none."""
        _positive("Batch.size", self.size)
        _positive("Batch.within", self.within)

    @property
    def held(self) -> int:
        """Events that are handled at once."""
        return self.size


Pace: TypeAlias = Debounce | Throttle | Batch


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise SubscriptionError(f"{name} is a number above 0, not {value!r}")
