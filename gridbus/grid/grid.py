"""The grid: rows, columns and a view whose changes are events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.errors import GridClosed
from gridbus.events.grid import GRID_DESTROY, GRID_READY, Column, GridDestroyed, GridReady
from gridbus.grid.core import GridState
from gridbus.grid.loading import LoadOperations
from gridbus.grid.plugins import PluginOperations
from gridbus.grid.serving import ServingOperations

M = TypeVar("M")
R = TypeVar("R")


class Grid(ServingOperations, LoadOperations, PluginOperations):
    """Rows and columns on a bus: ``async with Grid(bus, rows=[...]) as grid``.

    Each change publishes its fact, with old and new values; the order of changes is the order of their events. All
    calls belong on the bus's event loop.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        name: str = "grid",
        columns: Iterable[Column] = (),
        rows: Iterable[Mapping[str, Any]] = (),
        id_column: str | None = None,
    ) -> None:
        """Prepare a grid; it opens with ``async with``.

        Args:
            bus: where it publishes; an open one, by the time the grid opens.
            name: tells the grids of one bus apart: facts and channels carry it.
            columns: what rows are made of; found in the first rows by default.
            rows: what to load when it opens.
            id_column: the column whose text is the id of each row; by default rows are numbered '1', '2', ...

        Raises:
            ColumnError: two columns have the same name, or none is the id column.
        """
        super().__init__(bus, name, tuple(columns), id_column)
        self._first_rows: Iterable[Mapping[str, Any]] | None = rows

    def __repr__(self) -> str:
        """Show name, size and state."""
        size = f"{len(self):,} rows of {len(self.columns)} columns"
        return f"<Grid {self._name!r}: {size}, {self._state.value}>"

    async def __aenter__(self) -> Self:
        """Open the grid."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the grid."""
        await self.aclose()

    async def open(self) -> None:
        """Publish ``grid:ready``, answer on the grid's channels, and load the rows that were given.

        Raises:
            GridClosed: it was opened before.
            AlreadyServed: another grid of this name is open on the bus.
            GridError: the rows do not fit; the grid is closed again.
        """
        if self._state is not GridState.NEW:
            raise GridClosed(f"grid {self._name!r} opens once, and is {self._state.value}: make another")
        rows, self._first_rows = self._first_rows, None
        self._serve()
        self._state, self._is_open = GridState.OPEN, True
        try:
            await self._bus.publish(GRID_READY, GridReady(self._name, len(self), self.columns))
            if rows:
                await self.load(None, rows)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Take no more changes, publish ``grid:destroy``, and leave the channels; what it holds can still be read."""
        if self._state is not GridState.OPEN:
            return
        self._state, self._is_open = GridState.CLOSED, False
        try:
            await self._announce(GRID_DESTROY, GridDestroyed(self._name, len(self)))
        finally:
            await self._scope.aclose()

    async def ask(self, channel: Channel[M, R], message: M, *, to: str | None = None, timeout: float | None = 5.0) -> R:
        """Ask a plugin on a channel; as ``Bus.ask``."""
        return await self._bus.ask(channel, message, to=to, timeout=timeout)

    async def tell(self, channel: Channel[M, Any], message: M, *, to: str | None = None) -> None:
        """Tell a plugin on a channel; as ``Bus.tell``."""
        await self._bus.tell(channel, message, to=to)

    def ask_stream(
        self, channel: Channel[M, R], message: M, *, to: str | None = None, timeout: float | None = 5.0
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Ask a plugin for many replies; as ``Bus.ask_stream``."""
        return self._bus.ask_stream(channel, message, to=to, timeout=timeout)
