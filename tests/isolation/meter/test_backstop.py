"""The system's own limit moves on with the process, and stays where it hangs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench


async def test_the_limit_moves_on_with_progress(bench: Bench) -> None:
    """It is always enough for one more piece of work, and never for many."""
    process, _ = bench.watch(cpu_seconds_per_event=10)
    process.cpu_limit = (10, math.inf)
    process.run(1)
    for token in range(20):
        process.begin(token)
        await bench.clock.advance(5)
        soft, hard = process.cpu_limit
        assert 10 - 5 <= soft - process.cpu() <= 23
        assert hard == math.inf
    assert process.signals == []


async def test_the_limit_stays_while_work_does_not_move(bench: Bench) -> None:
    """So that the system ends it where the application cannot."""
    process, _ = bench.watch(cpu_seconds_per_event=10)
    process.run(1)
    process.begin(1)
    await bench.clock.advance(0.1)
    before = process.cpu_limit
    assert before[0] <= 23
    await bench.clock.advance(9)
    assert process.cpu_limit == before


async def test_a_hard_limit_is_raised_where_that_is_allowed(bench: Bench) -> None:
    """It stays a little above the soft one, for a process that catches the signal."""
    process, _ = bench.watch(cpu_seconds_per_event=10)
    process.cpu_limit = (10, 13)
    process.run(1)
    await bench.clock.advance(1)
    soft, hard = process.cpu_limit
    assert soft == pytest.approx(23, abs=1)
    assert hard == soft + 3


async def test_a_hard_limit_that_may_not_be_raised_is_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The process has all that there is."""
    process, _ = bench.watch(cpu_seconds_per_event=10)
    process.cpu_limit = (10, 13)
    process.may_raise_hard = False
    process.run(1)
    await bench.clock.advance(5)
    assert process.cpu_limit == (13, 13)
    assert caplog.text.count("it may end early: it may use 13 s in its life") == 1


async def test_no_limit_is_no_limit(bench: Bench) -> None:
    """A process without one keeps none."""
    process, _ = bench.watch(cpu_seconds_per_event=math.inf)
    process.run(1)
    process.begin(1)
    await bench.clock.advance(30)
    assert process.cpu_limit == (math.inf, math.inf)
    assert process.signals == []
