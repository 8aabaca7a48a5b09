"""The grid's end of its channels: plugins read and write it wherever they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import islice

import attrs

from gridbus.bus.cell import current_cell
from gridbus.channels.grid import (
    GRID_READ,
    GRID_STREAM,
    GRID_WRITE,
    MOST_ROWS,
    GridPage,
    GridQuery,
    GridWrite,
    GridWritten,
    RowChange,
    RowOutcome,
    RowScope,
)
from gridbus.errors import GridError, InterceptorError, QueryError, ValueRejected, Vetoed
from gridbus.events.grid import Change
from gridbus.grid.rows import RowOperations
from gridbus.grid.selection import SelectionOperations
from gridbus.grid.snapshot import Snapshot
from gridbus.grid.view import bounds
from gridbus.grid.viewing import ViewOperations

_BREATH = 64  # changes between two turns of the loop


class ServingOperations(RowOperations, ViewOperations, SelectionOperations):
    """Answers on ``grid:read``, ``grid:stream`` and ``grid:write``, under the grid's name."""

    def _serve(self) -> None:
        self._scope.serve(GRID_READ, self._read)
        self._scope.serve(GRID_STREAM, self._stream)
        self._scope.serve(GRID_WRITE, self._write)

    async def _read(self, query: GridQuery) -> GridPage:
        _check(query, least=0)
        rows, matching = await self._matching(query, query.offset, query.offset + query.limit)
        return self._reply(query, query.offset, rows, matching)

    async def _stream(self, query: GridQuery) -> AsyncIterator[GridPage]:
        _check(query, least=1)
        rows, matching = await self._matching(query, query.offset, None)
        version, total = self._store.version, len(self._store.rows)
        for start in range(0, max(len(rows), 1), query.limit):
            page = self._reply(query, query.offset + start, rows[start : start + query.limit], matching)
            yield attrs.evolve(page, version=version, total=total)

    async def _write(self, message: GridWrite) -> GridWritten:
        if len(message.changes) > MOST_ROWS:
            raise QueryError(f"one message has up to {MOST_ROWS:,} changes, not {len(message.changes):,} @ $.changes")
        cell = current_cell()
        asker = cell.event.origin.source if cell is not None and cell.event is not None else None
        outcomes = []
        for count, change in enumerate(message.changes, 1):
            outcomes.append(await self._make(change, asker))
            if not count % _BREATH:
                await asyncio.sleep(0)
        return GridWritten(tuple(outcomes))

    async def _make(self, wanted: RowChange, asker: str | None) -> RowOutcome:
        try:
            if wanted.change is Change.CREATE:
                row = await self.create(wanted.values, id=wanted.id, source=asker)
            elif wanted.id is None:
                raise ValueRejected(f"{wanted.change.value} names the row by its id")
            elif wanted.change is Change.UPDATE:
                row = await self.update(wanted.id, wanted.values, source=asker)
            else:
                row = await self.delete(wanted.id, source=asker)
        except (GridError, Vetoed, InterceptorError) as error:
            return RowOutcome(wanted.id, error=type(error).__name__, message=str(error))
        return RowOutcome(row.id, dict(row))

    async def _matching(self, query: GridQuery, start: int, stop: int | None) -> tuple[Snapshot, int]:
        """Return some of the rows that a query is about, and how many these are in all."""
        rows = self._store.rows
        if query.ids is not None or query.scope is RowScope.SELECTED:
            wanted = self._selection if query.ids is None else query.ids
            ids = [row_id for row_id in wanted if row_id in rows]
            return Snapshot(self._schema, [rows[row_id] for row_id in ids[start:stop]]), len(ids)
        if query.scope is RowScope.ALL:
            return Snapshot(self._schema, list(islice(rows.values(), start, stop))), len(rows)
        first, last = bounds(self._view.page) if query.scope is RowScope.PAGE else (0, None)
        ends = [end for end in (last, None if stop is None else first + stop) if end is not None]
        found, visible = await self._view.cut(first + start, min(ends, default=None))
        return Snapshot(found.schema, found.rows), len(range(visible)[first:last])

    def _reply(self, query: GridQuery, offset: int, rows: Snapshot, matching: int) -> GridPage:
        columns = rows.chosen(query.columns)
        return GridPage(
            grid=self._name,
            columns=columns,
            ids=tuple(rows.ids()),
            rows=tuple(rows.records([column.name for column in columns])),
            offset=offset,
            matching=matching,
            total=len(self._store.rows),
            version=self._store.version,
        )


def _check(query: GridQuery, *, least: int) -> None:
    for name, value, low, high in (("limit", query.limit, least, MOST_ROWS), ("offset", query.offset, 0, None)):
        if value < low or (high is not None and value > high):
            most = "" if high is None else f" and at most {high:,}"
            raise QueryError(f"{name} is at least {low}{most}, not {value:,} @ $.{name}")
