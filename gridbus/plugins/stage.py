"""One step of a plugin's life, run in a task of its own so that nothing it does can hold up whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import isinf
from typing import Generic, TypeVar

import anyio

from gridbus.bus import Bus, Job
from gridbus.errors import BusClosed, PluginStateError

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a cancelled step is given to end."""


class _Outcome(Generic[T]):
    """What came of a step."""

    __slots__ = ("error", "value")

    error: BaseException | None
    value: T

    def __init__(self) -> None:
        self.error = PluginStateError("it was ended in the middle of this: the bus or the plugin is going")

    async def fill(self, fn: Callable[[], Awaitable[T]]) -> None:
        """Run the step; keep its result, or what it raised. Its cancellation goes on if somebody asked for it."""
        try:
            self.value = await fn()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self.error = RuntimeError("it awaited something that was cancelled").with_traceback(error.__traceback__)
        except (Exception, SystemExit) as error:
            self.error = error
        else:
            self.error = None

    def take(self) -> T:
        """Return the result, or raise the error without keeping it, as its traceback leads back here."""
        error, self.error = self.error, None
        if error is None:
            return self.value
        try:
            raise error
        finally:
            del error


async def run_stage(
    bus: Bus,
    fn: Callable[[], Awaitable[T]],
    *,
    name: str,
    owner: str,
    timeout: float,
    running: dict[Job, None] | None = None,
) -> T:
    """Return what ``fn`` returns, within ``timeout`` seconds.

    A step that is cancelled, because its time is up or because whoever waits here was cancelled, has a second to
    end. One that goes on regardless is left to itself: nothing can stop it within this process.

    Args:
        bus: where the task runs.
        fn: the step.
        name: of the step, for errors.
        owner: the plugin.
        timeout: seconds.
        running: where the task is kept while it runs, for somebody who wants to end it.

    Raises:
        TimeoutError: the time is up.
        Exception, SystemExit: what ``fn`` raised.
    """
    outcome: _Outcome[T] = _Outcome()
    over = anyio.Event()
    timed_out = False
    running = {} if running is None else running

    def ended(job: Job) -> None:
        running.pop(job, None)
        over.set()

    try:
        job = bus.start_job(outcome.fill, fn, name=name, owner=owner, on_end=ended)
    except BusClosed:  # what has to be done even then is done here
        with anyio.fail_after(timeout):
            await outcome.fill(fn)
        return outcome.take()

    def expire() -> None:
        nonlocal timed_out
        timed_out = True
        job.cancel()
        timers.append(bus.clock.call_later(PATIENCE, over.set))

    running[job] = None
    timers = [] if isinf(timeout) else [bus.clock.call_later(timeout, expire)]
    try:
        await over.wait()
    except BaseException:
        await end(job)
        raise
    finally:
        for timer in timers:
            timer.cancel()
    if timed_out:
        ignored = "" if job.is_done else ", and goes on although it was cancelled"
        raise TimeoutError(f"{name} took longer than {timeout:g} s{ignored}")
    return outcome.take()


async def finish(bus: Bus, fn: Callable[[], Awaitable[object]], *, name: str) -> None:
    """Run ``fn`` to its end, whatever becomes of the caller meanwhile."""
    try:
        job = bus.start_job(fn, name=name, owner="manager")
    except BusClosed:
        with anyio.CancelScope(shield=True):
            await fn()
        return
    with anyio.CancelScope(shield=True):
        await job.wait()


async def end(job: Job) -> None:
    """Cancel a step, and give it a moment to end."""
    job.cancel()
    with anyio.move_on_after(PATIENCE, shield=True):
        await job.wait()
