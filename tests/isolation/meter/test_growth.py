"""Files are counted while a process works, and not more often than is cheap."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

import anyio
import pytest

from gridbus.isolation.meter import MeterLimits, Written
from gridbus.isolation.meter.growth import Growth

if TYPE_CHECKING:
    from conftest import Bench

LIMITS = MeterLimits(memory_bytes=1, file_bytes=1000, write_paths=("/somewhere",))


async def test_files_that_grow_too_much_end_the_process(bench: Bench) -> None:
    """What was there at first does not count."""
    process, metered = bench.watch(write_paths=("/somewhere",))
    process.written = Written(size=5_000_000, files=7)
    await bench.count_files()
    assert metered.usage().file_bytes == 0
    assert metered.usage().files == 7
    process.run(0.5)
    process.written = Written(size=6_000_000, files=8)
    await bench.clock.advance(1)
    assert await bench.count_files() == 1
    assert metered.usage().file_bytes == 1_000_000
    assert process.signals == []
    process.written = Written(size=6_000_001, files=8)
    await bench.clock.advance(1)
    await bench.count_files()
    assert [(r.limit, r.used, r.action) for r in process.reached] == [("file_bytes", 1_000_001, "killed")]
    assert process.signals == [signal.SIGKILL]


async def test_the_next_process_may_begin_where_the_last_one_did(bench: Bench) -> None:
    """Else one that is killed and started again could fill the disk."""
    first, metered = bench.watch(write_paths=("/somewhere",))
    first.written = Written(size=1000)
    assert metered.file_base is None
    await bench.count_files()
    assert metered.file_base == 1000
    first.written = Written(size=2_000_000)
    metered.close()
    bench.watch_again(first, file_base=1000, write_paths=("/somewhere",))
    await bench.count_files()
    assert first.reached[0].used == 1_999_000


async def test_ready_waits_for_the_first_count(bench: Bench) -> None:
    """What is written before it would be taken for what was there at first."""
    _, metered = bench.watch(write_paths=("/somewhere",))
    async with anyio.create_task_group() as group:
        group.start_soon(metered.ready)
        await bench.clock.advance(0)
        assert metered.file_base is None
        await bench.count_files()
    assert metered.file_base == 0
    with anyio.fail_after(5):
        await bench.watch()[1].ready()
        _, closed = bench.watch(write_paths=("/somewhere",))
        closed.close()
        await closed.ready()


async def test_a_process_that_hides_files_is_ended(bench: Bench) -> None:
    """What cannot be measured is as if it were too much."""
    process, _ = bench.watch(write_paths=("/somewhere",))
    process.written = Written(hidden=1)
    await bench.count_files()
    assert process.signals == []
    process.run(0.5)
    process.written = Written(hidden=2)
    await bench.clock.advance(1)
    await bench.count_files()
    assert [(r.limit, r.used) for r in process.reached] == [("file_bytes", math.inf)]


async def test_files_of_an_idle_process_are_left_alone(bench: Bench) -> None:
    """Nothing is written without processor time."""
    process, _ = bench.watch(write_paths=("/somewhere",))
    assert await bench.count_files() == 1
    await bench.clock.advance(20)
    assert await bench.count_files() == 0
    process.run(0.5)
    await bench.clock.advance(2)
    process.run(0)
    await bench.clock.advance(2)
    assert await bench.count_files() == 1


async def test_a_count_that_comes_after_the_end_is_dropped(bench: Bench) -> None:
    """Nobody is there to be killed."""
    process, metered = bench.watch(write_paths=("/somewhere",))
    process.written = Written(size=10)
    await bench.count_files()
    process.run(0.5)
    process.written = Written(size=10_000_000)
    await bench.clock.advance(1)
    metered.close()
    assert await bench.count_files() == 1
    assert process.signals == []


async def test_what_cannot_be_counted_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The other limits are enforced all the same."""

    def refuse(job: object) -> None:
        raise RuntimeError("no jobs any more")

    bench.meter._start = refuse
    process, _ = bench.watch(cpu_seconds_per_event=2)
    assert "the files of process 1 are not counted for now: no jobs any more" in caplog.text
    process.begin(1)
    process.run(1)
    await bench.clock.advance(3)
    assert process.signals == [signal.SIGKILL]


def test_a_long_walk_is_followed_by_a_long_pause() -> None:
    """At most a twentieth of the time is spent on it."""
    growth = Growth(LIMITS, None)
    assert growth.is_due(0, cpu=1)
    growth.begin(cpu=1)
    assert not growth.is_due(0.5, cpu=2)
    growth.end(1.0, took=1.0)
    assert not growth.is_due(20.9, cpu=2)
    assert growth.is_due(21, cpu=2)
    growth.begin(cpu=2)
    growth.end(21.0, took=0.001)
    assert not growth.is_due(21.2, cpu=3)
    assert growth.is_due(21.25, cpu=3)


def test_a_walk_ends_where_enough_is_found() -> None:
    """But the first one counts all."""
    growth = Growth(LIMITS, None)
    assert not growth.is_enough(10**9)
    growth.found(Written(size=500))
    assert not growth.is_enough(1500)
    assert growth.is_enough(1501)
