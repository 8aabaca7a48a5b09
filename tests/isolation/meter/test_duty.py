"""A process gets its share of a core, and is left alone while it takes no more."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from gridbus.isolation.meter import Reached
from gridbus.isolation.meter.duty import DutyCycle, Order

if TYPE_CHECKING:
    from conftest import Bench


@pytest.mark.parametrize(("percent", "cores", "least", "most"), [(20, 1, 19, 21), (50, 1, 48, 52), (100, 3, 97, 105)])
async def test_a_busy_process_gets_its_share(
    bench: Bench, percent: float, cores: int, least: float, most: float
) -> None:
    """Over ten seconds a busy loop has used what it is allowed, of one core."""
    process, _ = bench.watch(cpu_percent=percent)
    process.thread_count = cores
    process.run(cores)
    await bench.clock.advance(10)
    assert least <= 100 * process.cpu() / 10 <= most


async def test_a_small_share_holds_over_time(bench: Bench) -> None:
    """One percent is less than the shortest run between two looks gives at once."""
    process, _ = bench.watch(cpu_percent=1)
    process.run(1)
    await bench.clock.advance(60)
    assert 0.4 <= process.cpu() <= 0.7


@pytest.mark.parametrize(("percent", "cores"), [(20, 0.15), (20, 0.0), (100, 1), (float("inf"), 4)])
async def test_a_process_below_its_limit_is_never_stopped(bench: Bench, percent: float, cores: float) -> None:
    """It gets no signal at all."""
    process, _ = bench.watch(cpu_percent=percent)
    process.thread_count = 4 if cores > 1 else 1
    process.run(cores)
    await bench.clock.advance(20)
    assert process.signals == []
    assert process.reached == []


async def test_throttling_is_told_once_per_episode(bench: Bench) -> None:
    """The next episode begins after the process has used less for a while."""
    process, _ = bench.watch(cpu_percent=20)
    process.run(1)
    await bench.clock.advance(5)
    assert len(process.reached) == 1
    told = process.reached[0]
    assert (told.limit, told.allowed, told.action) == ("cpu_percent", 20, "throttled")
    assert told.used > 20
    process.run(0)
    await bench.clock.advance(5)
    assert not process.is_stopped
    process.run(1)
    await bench.clock.advance(5)
    assert len(process.reached) == 2


async def test_a_process_that_stops_itself_is_not_continued(bench: Bench) -> None:
    """The meter continues only what it has stopped itself."""
    process, _ = bench.watch(cpu_percent=20)
    process.is_stopped = True
    await bench.clock.advance(10)
    assert process.signals == []


async def test_what_is_not_watched_any_more_goes_on(bench: Bench) -> None:
    """Nobody else would continue a process that the meter has stopped."""
    process, metered = bench.watch(cpu_percent=20)
    process.run(1)
    while not process.is_stopped:
        await bench.clock.advance(0.01)
    metered.close()
    metered.close()
    assert process.signals == [signal.SIGSTOP, signal.SIGCONT]
    await bench.clock.advance(5)
    assert len(process.signals) == 2


def test_what_was_used_unseen_is_paid_back_in_short_stops() -> None:
    """After a second on a core that nobody saw, it still runs a moment in each half second, until all is paid."""
    duty = DutyCycle(20, 0.02, now=0.0, cpu=0.0)
    now, cpu, longest = 1.0, 1.0, 0.0
    while now < 10:
        order = duty.account(now, cpu)
        if order is Order.STOP:
            duty.stopped(now)
        elif order is Order.CONTINUE:
            duty.continued(now)
        wait = max(duty.next_look(now, 1), 0.02)
        if duty.is_stopped:
            longest = max(longest, wait)
        else:
            cpu += wait
        now += wait
    assert longest <= 0.51
    assert 18 <= 100 * cpu / now <= 22


async def test_a_process_in_debt_that_rests_is_not_stopped_again(bench: Bench) -> None:
    """It pays back while it rests, so nothing is gained by stopping it."""
    process, _ = bench.watch(cpu_percent=20)
    process.run(8)
    await bench.clock.advance(0.02)
    process.run(0)
    await bench.clock.advance(0.6)
    before = len(process.signals)
    await bench.clock.advance(5)
    assert len(process.signals) == before
    assert not process.is_stopped


def test_reached_is_a_record() -> None:
    """Two that say the same are the same."""
    assert Reached("threads", 8, 9, "killed") == Reached("threads", 8, 9, "killed")
