"""The meter: watches all plugins' processes with one timer, and enforces their limits from outside."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread

from gridbus.clock import Clock, Timer
from gridbus.isolation.meter.limits import MeterLimits, Progress, Reached
from gridbus.isolation.meter.metered import Metered
from gridbus.isolation.meter.readings import Readings, readings_here

logger = logging.getLogger("gridbus.isolation.meter")

_WALKS = 2  # at one time: one slow disk must not hold up all others, and many must not take all worker threads
_TRY_AGAIN = 3.0  # as if a walk had taken so many seconds
_TOGETHER = 0.002  # seconds: looks that are due so soon are made at once


class Meter:
    """Watches processes that others started, known by pid.

    A look at a process reads its processor clock, which takes about a microsecond. A busy process with a limit below
    what it could use is looked at some 20 times a second, an idle one once a second.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        start: Callable[[Callable[[], Awaitable[None]]], Any],
        interval: float = 0.02,
        readings: Readings | None = None,
    ) -> None:
        """Watch nothing yet.

        Args:
            clock: where time and timers come from.
            start: starts a background job; used to count files in a worker thread.
            interval: seconds between two looks at a process, at least.
            readings: what is known of processes; by default what the platform tells.
        """
        self._clock, self._start, self._interval = clock, start, interval
        self._readings = readings or readings_here()
        self._watched: dict[Metered, None] = {}
        self._due: list[tuple[float, int, Metered]] = []  # entries that a poke made untrue are passed over
        self._order = count()
        self._timer: Timer | None = None
        self._timer_at = math.inf
        self._walks = 0
        self._no_walks: anyio.Event | None = None
        self._limiter: CapacityLimiter | None = None
        self._is_closed = False
        if not self._readings.is_real:
            logger.warning(
                "the limits of processes are not enforced on %s: nothing is measured there, only hangs are found",
                sys.platform,
            )

    @property
    def is_measuring(self) -> bool:
        """False on a platform where only hangs are found."""
        return self._readings.is_real

    def watch(
        self,
        pid: int,
        limits: MeterLimits,
        *,
        progress: Progress,
        reached: Callable[[Reached], object],
        signal: Callable[[int], None],
        file_base: int | None = None,
    ) -> Metered:
        """Watch a process until the handle is closed; what it has now does not count against its limits.

        Args:
            pid: as the application sees it.
            limits: what it may use.
            progress: tells what work it has.
            reached: told of each limit that it reaches; of ``cpu_percent`` once per episode.
            signal: sends a signal to this process and never to another that got its pid; may raise ProcessLookupError.
            file_base: bytes from which the growth of its files counts, where it takes the place of an earlier process
                (``Metered.file_base``); by default what is there now.

        Raises:
            RuntimeError: the meter is closed.
        """
        if self._is_closed:
            raise RuntimeError(f"process {pid} cannot be watched: the meter is closed")
        metered = Metered(
            pid,
            limits,
            monotonic=self._clock.monotonic,
            interval=self._interval,
            readings=self._readings,
            progress=progress,
            reached=reached,
            send=signal,
            on_poke=lambda poked: self._look_at(poked, self._clock.monotonic() + self._interval),
            on_close=self._forget,
            file_base=file_base,
        )
        self._watched[metered] = None
        if not metered.is_over:
            self._look_at(metered, self._clock.monotonic() + self._interval)
            self._walk_if_due(metered, self._clock.monotonic())
        return metered

    async def aclose(self) -> None:
        """Watch nothing any more; returns when no worker thread is left."""
        self._is_closed = True
        for metered in list(self._watched):
            self._guarded(metered, metered.close)
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        self._due.clear()
        if self._walks:
            self._no_walks = anyio.Event()
            await self._no_walks.wait()

    def _forget(self, metered: Metered) -> None:
        metered.due = math.inf
        self._watched.pop(metered, None)

    def _look_at(self, metered: Metered, at: float) -> None:
        if metered.is_closed or metered.is_over:
            return
        metered.due = at
        heappush(self._due, (at, next(self._order), metered))
        self._arm(at)

    def _arm(self, at: float) -> None:
        """Have the timer ring at that time, or earlier."""
        if self._is_closed or at >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._clock.call_later(max(at - self._clock.monotonic(), 0.0), self._ring)

    def _ring(self) -> None:
        self._timer, self._timer_at = None, math.inf
        now = self._clock.monotonic()
        due: list[Metered] = []
        while self._due and self._due[0][0] <= now + _TOGETHER:
            at, _, metered = heappop(self._due)
            if metered.due == at:
                metered.due = math.inf
                due.append(metered)
        for metered in due:
            if not metered.is_closed and not metered.is_over:
                self._guarded(metered, partial(self._look, metered))
        if self._due:
            self._arm(self._due[0][0])

    def _look(self, metered: Metered) -> None:
        wait: float | None = 1.0  # until it is tried again, where this look fails
        now = self._clock.monotonic()
        try:
            wait = metered.look(now)
        finally:
            if wait is not None:
                self._look_at(metered, now + wait)
        self._walk_if_due(metered, now)

    def _walk_if_due(self, metered: Metered, now: float) -> None:
        if metered.is_closed or not metered.wants_walk(now):
            return
        metered.begin_walk()
        try:
            self._start(partial(self._walk, metered))
        except Exception as error:  # whoever runs jobs is closed: the process will be ended soon too
            logger.warning("the files of process %d are not counted for now: %s", metered.pid, error)
            metered.end_walk(now, took=_TRY_AGAIN)

    async def _walk(self, metered: Metered) -> None:
        began = self._clock.monotonic()
        self._walks += 1
        try:
            if self._limiter is None:
                self._limiter = CapacityLimiter(_WALKS)
            written = await to_thread.run_sync(metered.count_files, limiter=self._limiter)
        finally:
            now = self._clock.monotonic()
            metered.end_walk(now, now - began)
            self._walks -= 1
            if not self._walks and self._no_walks is not None:
                self._no_walks.set()
        self._guarded(metered, partial(metered.counted, written))

    def _guarded(self, metered: Metered, action: Callable[[], object]) -> None:
        """What fails for one process must not end the enforcement for the others."""
        try:
            action()
        except ProcessLookupError:  # it ended between the look and the signal
            metered.is_over = True
        except Exception:
            logger.exception("process %d could not be looked at; it is tried again", metered.pid)
