"""One step of a plugin's life, run in a task of its own so that nothing it does can hold up whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import isinf
from typing import Generic, TypeVar

import anyio

from gridbus.bus import Bus, Job
from gridbus.errors import BusClosed

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that a cancelled step is given to end."""


class _Outcome(Generic[T]):
    """What came of a step."""

    __slots__ = ("error", "value")

    error: BaseException | None
    value: T

    def __init__(self) -> None:
        self.error = BusClosed("the bus closed in the middle of this")

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


async def run_stage(bus: Bus, fn: Callable[[], Awaitable[T]], *, name: str, owner: str, timeout: float) -> T:
    """Return what ``fn`` returns, within ``timeout`` seconds.

    A step that is cancelled, because its time is up or because whoever waits here was cancelled, has a second to
    end. One that goes on regardless is left to itself: nothing can stop it within this process.

    Raises:
        TimeoutError: the time is up.
        Exception, SystemExit: what ``fn`` raised.
    """
    outcome: _Outcome[T] = _Outcome()
    over = anyio.Event()
    timed_out = False
    try:
        job = bus.start_job(outcome.fill, fn, name=name, owner=owner, on_end=lambda _: over.set())
    except BusClosed:  # what has to be done even then is done here
        with anyio.fail_after(timeout):
            await outcome.fill(fn)
        return outcome.take()

    def expire() -> None:
        nonlocal timed_out
        timed_out = True
        job.cancel()
        timers.append(bus.clock.call_later(PATIENCE, over.set))

    timers = [] if isinf(timeout) else [bus.clock.call_later(timeout, expire)]
    try:
        await over.wait()
    except BaseException:
        await _end(job)
        raise
    finally:
        for timer in timers:
            timer.cancel()
    if timed_out:
        ignored = "" if job.is_done else ", and goes on although it was cancelled"
        raise TimeoutError(f"{name} took longer than {timeout:g} s{ignored}")
    return outcome.take()


async def finish(bus: Bus, fn: Callable[[], Awaitable[None]], *, name: str) -> None:
    """Run ``fn`` to its end, whatever becomes of the caller meanwhile."""
    try:
        job = bus.start_job(fn, name=name, owner="manager")
    except BusClosed:
        with anyio.CancelScope(shield=True):
            await fn()
        return
    with anyio.CancelScope(shield=True):
        await job.wait()


async def _end(job: Job) -> None:
    job.cancel()
    with anyio.move_on_after(PATIENCE, shield=True):
        await job.wait()
