"""What a worker is doing right now, for whoever publishes or asks from inside its handler."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from gridbus.bus.activity import Activity
from gridbus.errors import HopLimitExceeded
from gridbus.events.event import Trace


class Emptied(Protocol):
    """A mailbox, as far as a cell knows it."""

    name: str
    activity: Activity
    cells: tuple[Cell, ...]


class Cell:
    """One worker's or job's present: the event in hand, and the mailbox it waits for.

    The context variable is set once per task and the cell changes in place: setting a context variable for each
    event would cost as much as calling the handler. So a task that a handler starts by other means than its scope
    inherits the cell of a task that has moved on; ``current_cell`` therefore answers only in the cell's own task.
    """

    __slots__ = ("event", "mailbox", "task", "timed_out", "trace", "traced", "waiting_for", "watched")

    def __init__(self, mailbox: Emptied | None = None) -> None:
        self.event: Any = None  #: Event or Request in hand; None between batches
        self.mailbox = mailbox  #: the mailbox that this worker empties; None for a job
        self.task: asyncio.Task[Any] | None = None
        self.waiting_for: tuple[Emptied, ...] = ()  #: while the handler waits for room, for a reply or for handlers
        self.traced: Any = None  #: the event that ``trace`` was made for
        self.trace: Trace | None = None
        self.timed_out = 0  #: how often the watchdog cancelled the handler of ``event``
        self.watched: tuple[Any, float] | None = None  #: the event the watchdog saw last, and since when

    def leave(self) -> None:
        """Note that the task has ended.

        A cancelled task keeps its exception, whose traceback keeps the frames that know this cell, and CPython 3.11's
        collector does not see the first of these links: if the cell kept the task, all of it would stay for ever.
        """
        self.let_go()
        self.task = None

    def let_go(self) -> None:
        """Forget what was in hand: events must not live on in a worker that sleeps."""
        self.event = self.traced = self.trace = self.watched = None

    def trace_of_effects(self, hop_limit: int) -> Trace | None:
        """Return the trace that events published from here carry.

        Raises:
            HopLimitExceeded: the chain would be longer than ``hop_limit``.
        """
        event = self.event
        if event is None or self.task is not asyncio.current_task():
            return None
        if self.traced is not event:
            self.trace, self.traced = event.trace_effects(), event
        trace = self.trace
        if trace is not None and trace.hops > hop_limit:
            raise HopLimitExceeded(
                f"{trace.hops} events in a row caused each other (the limit is {hop_limit}), the last is "
                f"{trace.causation_id}; two handlers answer each other without end, or raise Bus(hop_limit=...)"
            )
        return trace


_CELL: ContextVar[Cell | None] = ContextVar("gridbus_cell", default=None)
get_cell = _CELL.get


def current_cell() -> Cell | None:
    """Return the cell of the worker or job whose own task runs this code."""
    cell = _CELL.get()
    return cell if cell is not None and cell.task is asyncio.current_task() else None


def enter_cell(cell: Cell) -> None:
    """Make ``cell`` the current one for the rest of this task."""
    cell.task = asyncio.current_task()
    _CELL.set(cell)


@contextmanager
def acting_for(event: Any, worker: Cell | None) -> Iterator[None]:
    """Let what is done here have ``event`` as its cause, as if the worker whose handler runs elsewhere did it itself.

    Args:
        event: the event or request in the handler's hand; None where nothing led to this.
        worker: the cell that stands for the handler in its mailbox, where the handler waits for what is done here.
            Its place is taken meanwhile, so that circles of waiting are found.
    """
    before = _CELL.get()
    cell = Cell(None if worker is None else worker.mailbox)
    cell.event, cell.task = event, asyncio.current_task()
    _CELL.set(cell)
    if worker is not None and worker.mailbox is not None:
        _swap(worker.mailbox, worker, cell)
    try:
        yield
    finally:
        if worker is not None and worker.mailbox is not None:
            _swap(worker.mailbox, cell, worker)
        _CELL.set(before)
        cell.leave()


def _swap(mailbox: Emptied, old: Cell, new: Cell) -> None:
    mailbox.cells = tuple(new if cell is old else cell for cell in mailbox.cells)


def circle(start: Cell | None, target: Emptied) -> list[str] | None:
    """Return the path around the circle that waiting for ``target`` from ``start`` would close, if it would.

    A mailbox is stuck behind ``start`` when each of its workers is: it is ``start`` itself, or waits for a mailbox
    that is stuck. Mailboxes that wait for each other in a circle are stuck as well.
    """
    if start is None or start.mailbox is None:
        return None
    path = _stuck(target, start, {})
    return None if path is None else [start.mailbox.name, *path]


def _stuck(mailbox: Emptied, start: Cell, known: dict[int, list[str] | None]) -> list[str] | None:
    if id(mailbox) in known:
        return known[id(mailbox)]
    if not mailbox.cells:
        return None
    known[id(mailbox)] = longest = [mailbox.name]  # until shown otherwise
    for cell in mailbox.cells:
        if cell is start:
            continue
        paths = [path for waited in cell.waiting_for if (path := _stuck(waited, start, known)) is not None]
        if cell.event is None or not paths:
            known[id(mailbox)] = None
            return None
        longest = max(longest, [mailbox.name, *max(paths, key=len)], key=len)
    return longest
