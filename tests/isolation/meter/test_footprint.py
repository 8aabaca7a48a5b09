"""Memory and threads are looked at while a process works."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench


async def test_memory_that_nothing_else_refused_ends_the_process(bench: Bench) -> None:
    """What it had at first is its own; a tenth more than allowed, or some libraries, are let pass."""
    process, _ = bench.watch(memory_bytes=1_000_000_000)
    process.run(0.5)
    process.rss += 1_090_000_000
    await bench.clock.advance(3)
    assert process.signals == []
    process.rss += 20_000_000
    await bench.clock.advance(2)
    assert [(r.limit, r.used, r.action) for r in process.reached] == [("memory_bytes", 1_110_000_000, "killed")]
    assert process.signals == [signal.SIGKILL]


async def test_too_many_threads_end_the_process(bench: Bench) -> None:
    """The main one is not counted."""
    process, _ = bench.watch(threads=4)
    process.run(0.5)
    process.thread_count = 5
    await bench.clock.advance(1)
    assert process.signals == []
    process.thread_count = 6
    await bench.clock.advance(1)
    assert [(r.limit, r.allowed, r.used, r.action) for r in process.reached] == [("threads", 4, 5, "killed")]


async def test_usage_is_of_now(bench: Bench) -> None:
    """Processor time, share of the last seconds, memory and threads."""
    process, metered = bench.watch()
    process.run(0.5)
    await bench.clock.advance(10)
    process.run(0.25)
    await bench.clock.advance(3)
    usage = metered.usage()
    assert usage.cpu_seconds == pytest.approx(5.75)
    assert usage.cpu_percent == pytest.approx(25)
    assert (usage.rss_bytes, usage.threads) == (10_000_000, 1)


async def test_usage_survives_the_process(bench: Bench) -> None:
    """For the report on its end: what was seen last."""
    process, metered = bench.watch()
    process.run(0.5)
    await bench.clock.advance(10)
    process.is_gone = True
    await bench.clock.advance(10)
    usage = metered.usage()
    assert usage.cpu_seconds == pytest.approx(5, abs=0.2)
    assert usage.rss_bytes == 10_000_000
    assert bench.clock.waiting == 0
