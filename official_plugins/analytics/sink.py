"""Where events are sent, and what comes of it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

import attrs

from official_plugins.analytics.tracked import Tracked


class Verdict(enum.Enum):
    """What is to be done after an attempt."""

    DONE = "done"  #: those that were not accepted never will be
    RETRY = "retry"  #: the same again, later
    SPLIT = "split"  #: too much for one request: in halves
    REFUSED = "refused"  #: nothing will be accepted until somebody changes the configuration


@attrs.frozen
class Outcome:
    """What came of one request."""

    verdict: Verdict
    accepted: int = 0
    reason: str = ""
    wait: float | None = None  #: seconds that the server wants to be left alone


class Sink(Protocol):
    """A provider."""

    async def send(self, batch: Sequence[Tracked]) -> Outcome:
        """Send events in one request; raises nothing, whatever the network does."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
