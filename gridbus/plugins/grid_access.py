"""The grid, as a plugin sees it: rows read and changed over the grid's channels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from gridbus.channels import Channel
from gridbus.channels.grid import (
    GRID_READ,
    GRID_STREAM,
    GRID_WRITE,
    GridPage,
    GridQuery,
    GridWrite,
    GridWritten,
    RowChange,
    RowOutcome,
)
from gridbus.errors import ChangeRefused
from gridbus.events.grid import Change
from gridbus.query import Value

M = TypeVar("M")
R = TypeVar("R")


class Asking(Protocol):
    """Whoever can ask on channels, within what they may."""

    async def ask(self, channel: Channel[M, R], message: M, *, to: str | None = None, timeout: float | None = 5.0) -> R:
        """Return the reply."""
        ...

    def ask_stream(
        self, channel: Channel[M, R], message: M, *, to: str | None = None, timeout: float | None = 5.0
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Return the replies."""
        ...


class GridAccess:
    """Reads a grid with the permission ``grid.read`` and changes it with ``grid.write``."""

    __slots__ = ("_asking", "name")

    def __init__(self, asking: Asking, name: str | None = None) -> None:
        self._asking = asking
        self.name = name  #: which of several grids; None for the only one

    def named(self, name: str) -> GridAccess:
        """Return the access to one of several grids."""
        return GridAccess(self._asking, name)

    async def read(self, query: GridQuery | None = None) -> GridPage:
        """Return some rows as they are now; by default the first thousand that the view shows, over all pages."""
        return await self._asking.ask(GRID_READ, query or GridQuery(), to=self.name)

    def stream(self, query: GridQuery | None = None) -> AbstractAsyncContextManager[AsyncIterator[GridPage]]:
        """Read all rows of a query as they are at one moment: ``async with ctx.grid.stream() as pages``."""
        return self._asking.ask_stream(GRID_STREAM, query or GridQuery(), to=self.name, timeout=None)

    async def write(self, *changes: RowChange) -> GridWritten:
        """Make changes one after the other; one that is refused does not keep out the others."""
        return await self._asking.ask(GRID_WRITE, GridWrite(changes), to=self.name, timeout=None)

    async def create(self, values: Mapping[str, Value], *, id: str | None = None) -> RowOutcome:
        """Add a row; return it with its id.

        Raises:
            ChangeRefused: the grid did not take it.
        """
        return await self._write_one(RowChange(Change.CREATE, id, values))

    async def update(self, id: str, changes: Mapping[str, Value]) -> RowOutcome:
        """Change cells of a row; return the row as it is then.

        Raises:
            ChangeRefused: the grid did not take it.
        """
        return await self._write_one(RowChange(Change.UPDATE, id, changes))

    async def delete(self, id: str) -> RowOutcome:
        """Remove a row; return it as it was.

        Raises:
            ChangeRefused: the grid did not do it.
        """
        return await self._write_one(RowChange(Change.DELETE, id))

    async def _write_one(self, change: RowChange) -> RowOutcome:
        [outcome] = (await self.write(change)).outcomes
        if outcome.error is not None:
            raise ChangeRefused(outcome.error, outcome.message)
        return outcome
