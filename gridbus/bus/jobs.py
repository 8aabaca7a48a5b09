"""Background work that belongs to somebody: started on a bus, cancelled with its owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from gridbus.bus.cell import Cell, current_cell, enter_cell
from gridbus.bus.report import Reporter
from gridbus.errors import SubscriptionError


class Job:
    """A handle on one background task."""

    __slots__ = ("_done", "_on_end", "_scope", "error", "name", "owner")

    def __init__(self, name: str, owner: str, on_end: Callable[[Job], None]) -> None:
        self.name, self.owner = name, owner
        self._on_end = on_end
        self.error: BaseException | None = None  #: what ended it, if it did not end well
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()

    @property
    def is_done(self) -> bool:
        """Tell whether it ended, in whatever way."""
        return self._done.is_set()

    def cancel(self) -> None:
        """Ask it to end; does nothing when it has."""
        self._scope.cancel()

    async def wait(self) -> None:
        """Return when it has ended; its failure is on ``error`` and was published as ``bus:task_failed``."""
        await self._done.wait()

    async def run(
        self,
        fn: Callable[..., Awaitable[object]],
        arguments: tuple[Any, ...],
        cell: Cell,
        reporter: Reporter,
    ) -> None:
        """Run to the end and report a failure; started by the bus."""
        enter_cell(cell)
        try:
            with self._scope:
                await fn(*arguments)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._report(error, cell, reporter)
        except (Exception, SystemExit) as error:
            self._report(error, cell, reporter)
        finally:
            cell.leave()

    def retire(self) -> None:
        """Note that it has ended, or was cancelled before it began; called by the bus."""
        self._done.set()
        self._on_end(self)

    def _report(self, error: BaseException, cell: Cell, reporter: Reporter) -> None:
        self.error = error
        trace = cell.event.trace_effects() if cell.event is not None else None
        reporter.task_failed(self.name, self.owner, error, trace)


def cell_of_cause() -> Cell:
    """Return a cell for a new task that keeps the event in hand here as the cause of what the task publishes."""
    here = current_cell()
    cell = Cell()
    if here is not None:
        cell.event = here.event
    return cell


def every(
    seconds: float, fn: Callable[[], Awaitable[object]], sleep: Callable[[float], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    """Return a task that calls ``fn`` again and again, ``seconds`` apart; a failing call ends it."""
    if not seconds > 0:
        raise SubscriptionError(f"a timer needs a number of seconds above 0, not {seconds!r}")

    async def repeat() -> None:
        while True:
            await sleep(seconds)
            await fn()

    return repeat
