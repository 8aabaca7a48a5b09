"""One timer for all processes, which costs nothing where nothing goes on."""

from __future__ import annotations

import math
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from gridbus.isolation.meter import Meter, NoReadings
from gridbus.testing import FakeClock

if TYPE_CHECKING:
    from conftest import Bench


async def test_an_idle_process_is_looked_at_once_a_second(bench: Bench) -> None:
    """And one timer is enough for all of them."""
    watched = [bench.watch(cpu_percent=20)[0] for _ in range(5)]
    assert bench.clock.waiting == 1
    await bench.clock.advance(10)
    for process in watched:
        process.looks = 0
    await bench.clock.advance(100)
    assert all(99 <= process.looks <= 101 for process in watched)
    assert bench.clock.waiting == 1


async def test_a_poke_brings_the_next_look_near(bench: Bench) -> None:
    """Work was handed over, so it may be busy now."""
    process, metered = bench.watch(cpu_percent=20)
    await bench.clock.advance(10.5)
    metered.poke()
    process.run(1)
    await bench.clock.advance(0.3)
    assert process.signals == [signal.SIGSTOP]


async def test_many_pokes_are_one(bench: Bench) -> None:
    """A storm of events does not become a storm of looks."""
    process, metered = bench.watch(cpu_percent=20)
    await bench.clock.advance(10)
    process.looks = 0
    for _ in range(1000):
        metered.poke()
        await bench.clock.advance(0.001)
    assert process.looks <= 51


async def test_a_busy_process_with_a_core_of_its_own_is_looked_at_seldom(bench: Bench) -> None:
    """Its limits are far away."""
    process, _ = bench.watch()
    process.run(1)
    await bench.clock.advance(1)
    process.looks = 0
    await bench.clock.advance(10)
    assert process.looks <= 41


async def test_a_process_that_ends_is_forgotten(bench: Bench) -> None:
    """It gets no signal, since its number may be another's soon."""
    process, metered = bench.watch(cpu_percent=20)
    process.run(1)
    await bench.clock.advance(5.2)
    before = len(process.signals)
    process.is_gone = True
    await bench.clock.advance(10)
    metered.close()
    assert len(process.signals) == before
    assert bench.clock.waiting == 0


async def test_a_process_that_is_gone_before_it_is_watched_harms_nothing(bench: Bench) -> None:
    """Whoever waits for it hears of its end."""
    process, metered = bench.watch()
    metered.close()
    process.is_gone = True
    metered = bench.watch_again(process)
    assert metered.usage().cpu_seconds == 0
    metered.poke()
    await bench.clock.advance(5)
    assert process.signals == []
    assert bench.clock.waiting == 0


async def test_one_that_ends_before_the_signal_is_no_error(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The signal finds nobody."""
    process, metered = bench.watch(cpu_percent=20)

    def gone(number: int) -> None:
        raise ProcessLookupError

    metered._signal = gone
    process.run(1)
    await bench.clock.advance(5)
    assert process.reached == []
    assert caplog.text == ""


async def test_what_fails_for_one_process_does_not_end_the_watch_of_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and tried again."""
    broken, _ = bench.watch()
    whole, _ = bench.watch(cpu_seconds_per_event=1)
    broken.in_hand = lambda: 1 // 0  # type: ignore[assignment]
    for process in (broken, whole):
        process.begin(1)
        process.run(1)
    await bench.clock.advance(3)
    assert whole.signals == [signal.SIGKILL]
    assert "process 1 could not be looked at" in caplog.text
    del broken.in_hand
    await bench.clock.advance(12)
    assert broken.signals == [signal.SIGKILL]


async def test_who_is_told_may_close_the_watch(bench: Bench) -> None:
    """No further look comes."""
    process, metered = bench.watch(cpu_percent=20)
    metered._reached = lambda reached: metered.close()
    process.run(1)
    await bench.clock.advance(5)
    assert process.signals == [signal.SIGSTOP, signal.SIGCONT]
    assert bench.clock.waiting == 0


async def test_a_closed_meter_stops_nobody_and_watches_nobody(bench: Bench) -> None:
    """What it had stopped goes on."""
    process, _ = bench.watch(cpu_percent=20)
    process.run(1)
    while not process.is_stopped:
        await bench.clock.advance(0.01)
    await bench.meter.aclose()
    assert not process.is_stopped
    with pytest.raises(RuntimeError, match="the meter is closed"):
        bench.watch()


async def test_a_platform_without_readings_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The meter says that it measures nothing."""
    meter = Meter(FakeClock(), start=lambda job: None, readings=NoReadings())
    assert not meter.is_measuring
    assert f"not enforced on {sys.platform}" in caplog.text
    readings = NoReadings()
    assert (readings.cpu_seconds(1), readings.rss_bytes(1), readings.threads(1)) == (0.0, None, None)
    assert readings.cpu_limit(1) == (math.inf, math.inf)
    await meter.aclose()
