"""One piece of work may take so much time of the clock, and so much of the processor."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench


async def test_work_that_takes_too_much_processor_time_ends_the_process(bench: Bench) -> None:
    """It is killed soon after the limit, and told why."""
    process, _ = bench.watch(cpu_seconds_per_event=2)
    process.begin(1)
    process.run(1)
    await bench.clock.advance(1.9)
    assert process.reached == []
    await bench.clock.advance(0.3)
    assert [(r.limit, r.allowed, r.action) for r in process.reached] == [("cpu_seconds_per_event", 2, "killed")]
    assert process.reached[0].used > 2
    assert process.signals == [signal.SIGKILL]


async def test_many_pieces_of_work_may_take_more_together(bench: Bench) -> None:
    """Each new one begins at nothing."""
    process, _ = bench.watch(cpu_seconds_per_event=2)
    process.run(1)
    for token in range(10):
        process.begin(token)
        await bench.clock.advance(1.5)
    assert process.signals == []


async def test_processor_time_without_work_is_no_event(bench: Bench) -> None:
    """A background task is held by the share of the processor alone."""
    process, _ = bench.watch(cpu_seconds_per_event=2)
    process.run(1)
    await bench.clock.advance(20)
    assert process.signals == []


async def test_several_cores_are_seen_in_time(bench: Bench) -> None:
    """Looks come sooner where threads use the limit up sooner."""
    process, _ = bench.watch(cpu_seconds_per_event=2, cpu_percent=float("inf"))
    process.thread_count = 8
    process.begin(1)
    process.run(8)
    await bench.clock.advance(0.4)
    assert process.signals == [signal.SIGKILL]
    assert process.reached[0].used < 3


async def test_work_without_end_is_a_hang(bench: Bench) -> None:
    """A process that does nothing about its work is killed after the time allowed."""
    process, _ = bench.watch(hang_after=45)
    process.begin(1)
    await bench.clock.advance(44.9)
    assert process.signals == []
    await bench.clock.advance(0.2)
    assert [(r.limit, r.allowed, r.action) for r in process.reached] == [("hang", 45, "killed")]
    assert process.reached[0].used == pytest.approx(45, abs=0.1)
    assert process.signals == [signal.SIGKILL]


async def test_idleness_is_no_hang(bench: Bench) -> None:
    """Nor is work that moves."""
    process, _ = bench.watch(hang_after=45)
    await bench.clock.advance(100)
    for token in range(5):
        process.begin(token)
        await bench.clock.advance(40)
    process.work = None
    await bench.clock.advance(100)
    assert process.signals == []


async def test_time_for_which_the_meter_stopped_it_is_no_hang(bench: Bench) -> None:
    """At a fifth of a core, ten seconds of its own are fifty of the clock."""
    process, _ = bench.watch(cpu_percent=20, hang_after=5)
    process.begin(1)
    process.run(1)
    await bench.clock.advance(20)
    assert signal.SIGKILL not in process.signals
    await bench.clock.advance(10)
    assert process.reached[-1].limit == "hang"
    assert process.cpu() == pytest.approx(5, abs=0.3)


async def test_a_process_that_stopped_itself_hangs(bench: Bench) -> None:
    """It is found by its work, even where it has a duty cycle."""
    process, _ = bench.watch(cpu_percent=20, hang_after=5)
    process.begin(1)
    process.run(1)
    await bench.clock.advance(0.05)
    process.is_stopped = True
    await bench.clock.advance(6)
    assert process.reached[-1].limit == "hang"


async def test_a_hang_is_found_where_nothing_is_measured(bench: Bench) -> None:
    """That needs the clock alone."""
    bench.readings.is_real = False
    process, _ = bench.watch(hang_after=5)
    process.begin(1)
    await bench.clock.advance(6)
    assert process.reached[-1].limit == "hang"
    assert bench.jobs == []
