"""Holds events until they are sent: bounded, and counting what it loses."""

from __future__ import annotations

import random
from collections import deque
from itertools import islice
from logging import Logger, LoggerAdapter
from typing import Any

import anyio
import attrs

from official_plugins.analytics.config import AnalyticsConfig
from official_plugins.analytics.sink import Outcome, Sink, Verdict
from official_plugins.analytics.tracked import Tracked

_LONGEST_PAUSE = 60.0
_FAREWELL = 2.0  # seconds for what waits when the plugin closes


@attrs.define
class Figures:
    """What an outbox has done so far."""

    tracked: int = 0
    sent: int = 0  #: accepted by the provider
    rejected: int = 0  #: refused one by one by the provider, which will not change its mind
    lost: int = 0  #: found no room, or were never sent
    failures: int = 0  #: requests that failed
    last_error: str | None = None  #: why the latest request failed; None where it did not


class Outbox:
    """Events that wait, and the task that sends them; where there is no sink they are only counted."""

    def __init__(self, sink: Sink | None, config: AnalyticsConfig, log: Logger | LoggerAdapter[Any]) -> None:
        self.figures = Figures()
        self._sink, self._config, self._log = sink, config, log
        self._waiting: deque[Tracked] = deque()
        self._in_hand = 0  # of those that wait, the first so many are being sent
        self._size = config.batch_size  # of a request; smaller after one was too large
        self._is_needed = anyio.Event()
        self._is_full = anyio.Event()

    @property
    def waiting(self) -> int:
        """Events that are not sent yet."""
        return len(self._waiting)

    def add(self, tracked: Tracked) -> None:
        """Take an event; where there is no room, the oldest is lost and counted."""
        self.figures.tracked += 1
        if self._sink is None:
            return
        self._waiting.append(tracked)
        if len(self._waiting) > self._config.max_waiting:
            del self._waiting[self._in_hand]
            self.figures.lost += 1
        self._is_needed.set()
        if len(self._waiting) >= self._size:
            self._is_full.set()

    async def run(self) -> None:
        """Send batches as they fill or their time comes, until cancelled."""
        pause = self._config.retry_seconds
        while True:
            await self._is_needed.wait()
            self._is_needed = anyio.Event()
            with anyio.move_on_after(self._config.batch_seconds):
                await self._is_full.wait()
            self._is_full = anyio.Event()
            while self._waiting:
                wait = await self._send_some()
                if wait is None:
                    pause = self._config.retry_seconds
                    continue
                await anyio.sleep(max(wait, pause * random.uniform(0.75, 1.25)))
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def finish(self) -> int:
        """Send what waits, as far as the provider takes it at once; return how many events are lost."""
        if self._sink is None:
            return 0
        with anyio.move_on_after(_FAREWELL):
            while self._waiting and await self._send_some() is None:
                pass
        with anyio.move_on_after(_FAREWELL, shield=True):
            await self._sink.aclose()
        left = len(self._waiting)
        self._waiting.clear()
        self.figures.lost += left
        return left

    async def _send_some(self) -> float | None:
        """Send one batch; return None where the next may follow, or the seconds to wait first."""
        assert self._sink is not None
        batch = list(islice(self._waiting, self._size))
        self._in_hand = len(batch)
        try:
            outcome = await self._sink.send(batch)
        finally:
            self._in_hand = 0
        if outcome.verdict is Verdict.SPLIT and len(batch) > 1:
            self._size = max(1, len(batch) // 2)
            return None
        if outcome.verdict in (Verdict.RETRY, Verdict.REFUSED):
            self._failed(outcome)
            return max(outcome.wait or 0.0, _LONGEST_PAUSE if outcome.verdict is Verdict.REFUSED else 0.0)
        for _ in batch:
            self._waiting.popleft()
        self.figures.sent += outcome.accepted
        self.figures.last_error = None
        self._size = self._config.batch_size
        rejected = len(batch) - outcome.accepted
        self.figures.rejected += rejected
        if rejected:
            self._log.warning("%d of %d events were rejected: %s", rejected, len(batch), outcome.reason)
        return None

    def _failed(self, outcome: Outcome) -> None:
        if self.figures.last_error is None:
            self._log.warning("events cannot be sent: %s; it is tried again", outcome.reason)
        self.figures.failures += 1
        self.figures.last_error = outcome.reason
