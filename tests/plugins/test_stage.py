"""A step of a plugin's life cannot hold up whoever waits for it."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.errors import PluginStateError
from gridbus.plugins.stage import finish, run_stage
from gridbus.testing import FakeClock, Recorder


async def test_a_step_returns_its_result(bus: Bus) -> None:
    """In the plain case it is a call."""

    async def step() -> int:
        return 7

    assert await run_stage(bus, step, name="step", owner="a", timeout=1.0) == 7


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
async def test_a_step_raises_what_it_raised(bus: Bus, recorder: Recorder, error: BaseException) -> None:
    """Exit included, which must not end the loop; nothing is reported twice."""

    async def step() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await run_stage(bus, step, name="step", owner="a", timeout=1.0)
    assert caught.value is error
    await bus.drain()
    assert recorder.events == []


async def test_a_step_that_awaits_what_was_cancelled_has_failed(bus: Bus) -> None:
    """That is an error of the step, not a cancellation of whoever waits."""

    async def step() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    with pytest.raises(RuntimeError, match="awaited something that was cancelled"):
        await run_stage(bus, step, name="step", owner="a", timeout=1.0)


async def test_a_step_that_takes_too_long_is_cancelled(bus: Bus, clock: FakeClock) -> None:
    """It gets to clean up."""
    ended = anyio.Event()

    async def step() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with anyio.create_task_group() as group:

        async def wait() -> None:
            with pytest.raises(TimeoutError, match=r"^step took longer than 10 s$"):
                await run_stage(bus, step, name="step", owner="a", timeout=10.0)

        group.start_soon(wait)
        await clock.advance(9.9)
        assert not ended.is_set()
        await clock.advance(0.2)
    assert ended.is_set()


async def test_a_step_that_ignores_its_cancellation_is_left_to_itself(bus: Bus, clock: FakeClock) -> None:
    """Whoever waits is told, and goes on."""
    stop = anyio.Event()

    async def step() -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    async def wait() -> None:
        with pytest.raises(TimeoutError, match="goes on although it was cancelled"):
            await run_stage(bus, step, name="step", owner="a", timeout=10.0)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        # Once it is cancelled the step is never blocked, so the clock cannot wait until it is: fire the timers here.
        clock._timers[0][2].callback()
        clock._timers[0][2].callback()
    stop.set()


async def test_cancelling_the_wait_cancels_the_step(bus: Bus) -> None:
    """And ends when the step has."""
    ended = anyio.Event()

    async def step() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: run_stage(bus, step, name="step", owner="a", timeout=10.0))
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert ended.is_set()


async def test_a_step_without_time_limit_sets_no_timer(bus: Bus, clock: FakeClock) -> None:
    """``inf`` means what it says."""

    async def step() -> int:
        return clock.waiting

    assert await run_stage(bus, step, name="step", owner="a", timeout=float("inf")) == 0


async def test_a_step_on_a_closed_bus_runs_where_it_is_waited_for(clock: FakeClock) -> None:
    """What has to be let go of is, though no task can be started."""
    async with Bus(clock=clock) as bus:
        pass

    async def step() -> int:
        return 7

    assert await run_stage(bus, step, name="step", owner="a", timeout=1.0) == 7


async def test_a_bus_that_closes_ends_the_step(clock: FakeClock) -> None:
    """Whoever waits is told why there is no result."""
    async with anyio.create_task_group() as group, Bus(clock=clock) as bus:

        async def wait() -> None:
            with pytest.raises(PluginStateError, match="the bus or the plugin is going"):
                await run_stage(bus, anyio.sleep_forever, name="step", owner="a", timeout=1.0)

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()


@pytest.mark.parametrize("how", ["scope", "task"])
async def test_what_has_to_be_finished_is_although_the_caller_is_cancelled(bus: Bus, how: str) -> None:
    """By a cancel scope it waits to the end, by its task it leaves at once; the work is done either way."""
    go, done = anyio.Event(), anyio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    if how == "scope":
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: finish(bus, work, name="work"))
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
            go.set()
        assert done.is_set()
    else:
        task = asyncio.ensure_future(finish(bus, work, name="work"))
        await anyio.wait_all_tasks_blocked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await done.wait()
