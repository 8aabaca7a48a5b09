"""Loading many rows at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized

import attrs

from gridbus.errors import GridError
from gridbus.events.grid import DATA_LOAD, ROW_DESELECT, Column, DataLoaded, RowsDeselected
from gridbus.grid.core import GridCore
from gridbus.grid.loader import MOST_PROBLEMS, Loader, RawRow
from gridbus.grid.offload import in_thread, retire, undisturbed
from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells

_FEW = 2_000  # rows that are read in the loop's thread: a millisecond or two


class LoadOperations(GridCore):
    """Loading: one fact for all rows, whose cells are read through the grid."""

    async def load(
        self,
        columns: Sequence[Column] | None,
        rows: Iterable[RawRow],
        *,
        ids: Iterable[str] | None = None,
        source: str = "rows",
        replace: bool = False,
        skip_bad: bool = False,
        skipped: int = 0,
        problems: Sequence[str] = (),
    ) -> DataLoaded:
        """Fill an empty grid, or replace all rows, and publish one ``data:load``; nothing is loaded by halves.

        ``row:create`` is not published. Where rows are replaced, the selection ends, and numbered ids go on counting.
        Many rows, and those of a generator, are read in a thread.

        Args:
            columns: the columns; by default the grid's, or where it has none those found in the rows.
            rows: mappings by column name, or sequences of cells in column order.
            ids: the id of each row; by default the text of the id column's cell, or a number.
            source: where the rows come from, as the fact tells it.
            replace: take the place of the rows there are.
            skip_bad: leave out rows that do not fit and count them in the fact, instead of raising.
            skipped: rows that the source had and that are not among ``rows``.
            problems: why, each naming its place.

        Raises:
            GridError: the grid has rows already, and ``replace`` was not asked for.
            ColumnError, ValueRejected, DuplicateRow: a row does not fit; the message names the first.
            QueryError: filter or sort do not fit the new columns.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        self._check_room(replace)
        if columns is not None:
            schema: Schema | None = Schema(columns)
        else:
            schema = self._schema if self._schema.columns else None
        loader = Loader(schema, self._id_column, self._store.counter, skip_bad=skip_bad)
        before: dict[str, Cells] = {}
        deselected: tuple[str, ...] = ()
        is_loaded = False

        def commit(payload: DataLoaded) -> DataLoaded:
            nonlocal before, deselected, is_loaded
            self._check_open()
            self._check_room(replace)
            if self._id_column is not None:
                loader.schema.position(self._id_column)
            self._use_schema(loader.schema)
            before = self._store.replace(loader.rows)
            if ids is not None and self._id_column is None:
                self._store.counter.pass_over(loader.rows)
            deselected, self._selection = tuple(self._selection), {}
            is_loaded = True
            return attrs.evolve(payload, grid=self._name, rows=len(loader.rows), columns=loader.schema.columns)

        try:
            if isinstance(rows, Sized) and len(rows) <= _FEW:
                loader.read(rows, ids, undisturbed)
            else:
                await in_thread(lambda between: loader.read(rows, ids, between))
            draft = DataLoaded(
                grid=self._name,
                rows=len(loader.rows),
                columns=loader.schema.columns,
                source=source,
                skipped=skipped + loader.skipped,
                problems=(*problems, *loader.problems)[:MOST_PROBLEMS],
            )
            event = await self._bus.propose(DATA_LOAD, draft, commit)
        finally:
            if not is_loaded:
                loader.give_back()
            if deselected:
                await self._announce(ROW_DESELECT, RowsDeselected(deselected))
        await retire(before)
        return event.payload

    def _check_room(self, replace: bool) -> None:
        if self._store.rows and not replace:
            raise GridError(
                f"grid {self._name!r} holds {len(self._store.rows):,} rows: load(..., replace=True) takes their place"
            )
