"""Processes that exist only on paper, and a meter that reads them."""

from __future__ import annotations

import math
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import attrs
import pytest

from gridbus.isolation.meter import Meter, Metered, MeterLimits, Reached, Written
from gridbus.testing import FakeClock


class FakeProcess:
    """Uses as many cores as it is told, while it is not stopped."""

    def __init__(self, pid: int, clock: FakeClock) -> None:
        self.pid, self._clock = pid, clock
        self._cores = self._cpu = self._at = 0.0
        self.rss, self.thread_count = 10_000_000, 1
        self.written = Written()
        self.cpu_limit = (math.inf, math.inf)
        self.may_raise_hard = True
        self.is_stopped = self.is_gone = False
        self.signals: list[int] = []
        self.looks = 0
        self.reached: list[Reached] = []
        self.work: tuple[int, float] | None = None

    def in_hand(self) -> tuple[int, float] | None:
        return self.work

    def begin(self, token: int) -> None:
        """Give it a piece of work."""
        self.work = token, self._clock.monotonic()

    def cpu(self) -> float:
        """Bring what it used up to date."""
        now = self._clock.monotonic()
        if not self.is_stopped and not self.is_gone:
            self._cpu += self._cores * (now - self._at)
        self._at = now
        return self._cpu

    def run(self, cores: float) -> None:
        """Use so many cores from now on."""
        self.cpu()
        self._cores = cores

    def signal(self, number: int) -> None:
        """Do what the system does."""
        self.cpu()
        self.signals.append(number)
        if number == signal.SIGSTOP:
            self.is_stopped = True
        elif number == signal.SIGCONT:
            self.is_stopped = False
        else:
            self.is_gone = True


@attrs.define
class FakeReadings:
    """Reads those processes."""

    processes: dict[int, FakeProcess] = attrs.Factory(dict)
    is_real: bool = True

    def cpu_seconds(self, pid: int) -> float:
        process = self.processes[pid]
        if process.is_gone:
            raise ProcessLookupError
        process.looks += 1
        return process.cpu()

    def rss_bytes(self, pid: int) -> int | None:
        return None if self.processes[pid].is_gone else self.processes[pid].rss

    def threads(self, pid: int) -> int | None:
        return None if self.processes[pid].is_gone else self.processes[pid].thread_count

    def cpu_limit(self, pid: int) -> tuple[float, float]:
        if self.processes[pid].is_gone:
            raise ProcessLookupError
        return self.processes[pid].cpu_limit

    def set_cpu_limit(self, pid: int, soft: float, hard: float) -> None:
        process = self.processes[pid]
        if process.is_gone:
            raise ProcessLookupError
        if hard > process.cpu_limit[1] and not process.may_raise_hard:
            raise PermissionError
        process.cpu_limit = soft, hard

    def written(self, pid: int, paths: Iterable[str], is_enough: Callable[[int], bool]) -> Written:
        return self.processes[pid].written


@attrs.define
class Bench:
    """A meter with all that it is given in the hands of the test."""

    clock: FakeClock
    readings: FakeReadings
    jobs: list[Callable[[], Awaitable[None]]]
    meter: Meter

    def watch(self, **limits: Any) -> tuple[FakeProcess, Metered]:
        """Watch a new process."""
        process = FakeProcess(len(self.readings.processes) + 1, self.clock)
        self.readings.processes[process.pid] = process
        return process, self.watch_again(process, **limits)

    def watch_again(self, process: FakeProcess, *, file_base: int | None = None, **limits: Any) -> Metered:
        """Watch a process."""
        return self.meter.watch(
            process.pid,
            MeterLimits(**{"memory_bytes": 100_000_000, "file_bytes": 1_000_000} | limits),
            progress=process,
            reached=process.reached.append,
            signal=process.signal,
            file_base=file_base,
        )

    async def count_files(self) -> int:
        """Run the jobs that were started; return how many."""
        jobs = self.jobs[:]
        self.jobs.clear()
        for job in jobs:
            await job()
        return len(jobs)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A meter of processes on paper."""
    clock, readings = FakeClock(), FakeReadings()
    jobs: list[Callable[[], Awaitable[None]]] = []
    meter = Meter(clock, start=jobs.append, readings=readings)
    yield Bench(clock, readings, jobs, meter)
    await meter.aclose()
    assert not clock.waiting
