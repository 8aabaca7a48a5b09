"""Creating, updating and deleting rows; reading single ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from gridbus.errors import (
    ColumnError,
    DuplicateRow,
    GridError,
    InterceptorError,
    RowNotFound,
    RowsRejected,
    ValueRejected,
    Vetoed,
)
from gridbus.events.grid import (
    ROW_CREATE,
    ROW_DELETE,
    ROW_DESELECT,
    ROW_REJECT,
    ROW_UPDATE,
    Change,
    Column,
    RowCreated,
    RowDeleted,
    RowRejected,
    RowsDeselected,
    RowUpdated,
)
from gridbus.grid.columns import ColumnOperations
from gridbus.grid.core import Unchanged, refusal
from gridbus.grid.row import Row
from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells, cell_text, described, infer_type, plain

_BREATH = 64  # changes of one call between two turns of the loop


class RowOperations(ColumnOperations):
    """Rows: each change that was asked for ends as its fact, or as ``row:reject`` and an error.

    An update that changes nothing is neither. Interceptors see what is about to be written, may change it, or veto;
    what they leave is checked like what callers write, and old values are those at the moment of writing.
    """

    def __len__(self) -> int:
        """Return the number of rows, whether the filter shows them or not."""
        return len(self._store.rows)

    def __contains__(self, row_id: object) -> bool:
        return row_id in self._store.rows

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the rows as they are now, in the order in which they came; later changes do not show."""
        schema = self._schema
        return (Row(schema, cells) for cells in list(self._store.rows.values()))

    def get(self, row_id: str) -> Row:
        """Return a row.

        Raises:
            RowNotFound: there is none with this id.
        """
        return Row(self._schema, self._existing(row_id))

    def rows(self) -> list[Row]:
        """Return all rows in the order in which they came."""
        return list(self)

    async def create(self, values: Mapping[str, Any], *, id: str | None = None, source: str | None = None) -> Row:
        """Add a row and publish ``row:create``.

        A grid without columns takes them from its first row, and publishes ``column:add`` for each.

        Args:
            values: cells by column name; columns left out are empty.
            id: the new row's id; by default the next number, or the text of the id column's cell.
            source: who changes the grid, for the fact's ``source``.

        Raises:
            ColumnError, ValueRejected, DuplicateRow: the values do not fit the grid.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        claimed: range | None = None
        try:
            if not self._schema.columns:
                await self._take_columns(values, source)
            schema = self._schema
            cells = schema.cells(values)
            if id is None and self._id_column is None:
                claimed = self._store.counter.claim(1)
                id = str(claimed.start)
            row: Cells = (*cells, self._id_of(cells, id))
            draft = RowCreated(row[-1], schema.values(cells))

            def commit(payload: RowCreated) -> RowCreated:
                nonlocal row, schema, claimed
                self._check_open()
                if payload is not draft or schema is not self._schema:
                    schema = self._schema
                    cells = schema.cells(payload.values)
                    row = (*cells, self._id_of(cells, payload.id if payload.id != draft.id else id))
                    payload = RowCreated(row[-1], schema.values(cells))
                if row[-1] in self._store.rows:
                    raise DuplicateRow(row[-1])
                self._store.add(row[-1], row)
                if claimed is None or row[-1] != draft.id:
                    self._store.counter.pass_over((row[-1],))
                claimed = None
                return payload

            await self._bus.propose(ROW_CREATE, draft, commit, source=source)
        except (GridError, Vetoed, InterceptorError) as error:
            await self._reject(Change.CREATE, None if claimed is not None else id, values, error, source)
            raise
        finally:
            if claimed is not None:
                self._store.counter.give_back(claimed)
        return Row(schema, row)

    async def update(self, row_id: str, changes: Mapping[str, Any], *, source: str | None = None) -> Row:
        """Change cells of a row and publish ``row:update``; cells that stay as they are count as not mentioned.

        Raises:
            RowNotFound: there is no such row, or it vanished while interceptors looked at the change.
            ColumnError, ValueRejected: the changes do not fit the grid.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        if not self._is_open:
            self._check_open()
        store, schema = self._store, self._schema
        try:
            before = store.rows.get(row_id)
            if before is None:
                raise RowNotFound(row_id)
            row, old, new = schema.changed(before, changes)
            if row is before:
                return Row(schema, row)
            if self._id_column is not None and self._id_column in new:
                raise self._id_is_fixed(row_id)
            draft = RowUpdated(row_id, old, new)
            pending = _PendingUpdate(self, row_id, before, row, schema, draft)
            await self._bus.propose(ROW_UPDATE, draft, pending.commit, source=source)
        except Unchanged:
            return self.get(row_id)
        except (GridError, Vetoed, InterceptorError) as error:
            await self._reject(Change.UPDATE, row_id, changes, error, source)
            raise
        return Row(pending.schema, pending.row)

    async def delete(self, row_id: str, *, source: str | None = None) -> Row:
        """Remove a row and publish ``row:delete``; return it as it was.

        A selected row leaves the selection with it: ``row:deselect`` follows. Interceptors may veto; what they change
        in the payload does not count.

        Raises:
            RowNotFound: there is no such row, or it vanished while interceptors looked at the change.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        was_selected = False
        try:
            row, schema = self._existing(row_id), self._schema
            draft = RowDeleted(row_id, schema.values(row))

            def commit(payload: RowDeleted) -> RowDeleted:
                nonlocal row, schema, was_selected
                self._check_open()
                now = self._existing(row_id)
                if now is row and schema is self._schema:
                    payload = draft
                else:
                    row, schema = now, self._schema
                    payload = RowDeleted(row_id, schema.values(now))
                self._store.remove(row_id)
                was_selected = row_id in self._selection
                self._selection.pop(row_id, None)
                return payload

            await self._bus.propose(ROW_DELETE, draft, commit, source=source)
        except (GridError, Vetoed, InterceptorError) as error:
            await self._reject(Change.DELETE, row_id, {}, error, source)
            raise
        finally:
            if was_selected:
                await self._announce(ROW_DESELECT, RowsDeselected((row_id,)), source)
        return Row(schema, row)

    async def create_many(self, rows: Iterable[Mapping[str, Any]], *, source: str | None = None) -> list[Row]:
        """Add rows one after the other, each with its own fact; a row that is refused does not keep out the others.

        Raises:
            RowsRejected: rows were refused; its ``rejected`` says which by index, and its ``done`` are the new rows.
            GridClosed: the grid is not open.
        """
        changes = ((index, self.create(values, source=source)) for index, values in enumerate(rows))
        return await self._each(changes, "created")

    async def update_many(self, changes: Mapping[str, Mapping[str, Any]], *, source: str | None = None) -> list[Row]:
        """Change rows, given as changes by row id; as ``create_many``.

        Raises:
            RowsRejected: rows were refused; its ``rejected`` says which by id.
            GridClosed: the grid is not open.
        """
        return await self._each(
            ((row_id, self.update(row_id, cells, source=source)) for row_id, cells in changes.items()), "updated"
        )

    async def delete_many(self, ids: Iterable[str], *, source: str | None = None) -> list[Row]:
        """Remove rows; as ``create_many``.

        Raises:
            RowsRejected: rows were refused; its ``rejected`` says which by id.
            GridClosed: the grid is not open.
        """
        return await self._each(((row_id, self.delete(row_id, source=source)) for row_id in ids), "deleted")

    async def _each(self, changes: Iterable[tuple[Any, Awaitable[Row]]], what: str) -> list[Row]:
        self._check_open()
        done: list[Row] = []
        rejected: dict[Any, Exception] = {}
        for count, (key, change) in enumerate(changes, 1):
            try:
                done.append(await change)
            except (GridError, Vetoed, InterceptorError) as error:
                error.add_note(f"row {key!r}")
                rejected[key] = error
            if not count % _BREATH:
                await asyncio.sleep(0)
        if rejected:
            total = len(done) + len(rejected)
            raise RowsRejected(f"{len(rejected)} of {total} rows were not {what}", rejected, done)
        return done

    def _existing(self, row_id: str) -> Cells:
        row = self._store.rows.get(row_id)
        if row is None:
            raise RowNotFound(row_id)
        return row

    def _id_of(self, cells: Cells, row_id: object) -> str:
        """Return the id of a new row, which somebody may have asked to be ``row_id``."""
        if self._id_column is not None:
            cell = cells[self._schema.position(self._id_column)]
            if cell is None:
                raise ValueRejected(f"new row, column {self._id_column!r}: it is the row's id and must not be empty")
            text = cell_text(cell)
            if row_id is not None and row_id != text:
                raise ValueRejected(f"the row's id is its {self._id_column!r}, {text!r}, so it cannot be {row_id!r}")
            row_id = text
        if not isinstance(row_id, str) or not row_id:
            raise ValueRejected(f"an id is a text of at least one character, not {described(row_id)}")
        return row_id

    def _id_is_fixed(self, row_id: str) -> ValueRejected:
        return ValueRejected(f"row {row_id!r}, column {self._id_column!r}: it is the row's id and stays as it is")

    def _changed_anew(self, row_id: str, payload: RowUpdated) -> tuple[Cells, RowUpdated]:
        """Apply what interceptors left of an update to the row as it is now."""
        if payload.id != row_id:
            raise GridError(f"an interceptor turned the update of row {row_id!r} into one of row {payload.id!r}")
        before = self._existing(row_id)
        row, old, new = self._schema.changed(before, payload.new)
        if row is before:
            raise Unchanged
        if self._id_column in new:
            raise self._id_is_fixed(row_id)
        return row, RowUpdated(row_id, old, new)

    async def _take_columns(self, values: Mapping[str, Any], source: str | None) -> None:
        """Give a grid without columns those of its first row."""
        if isinstance(values, Mapping):
            kinds = {name: infer_type([type(value)], name) for name, value in values.items()}
            for name, kind in kinds.items():
                if name not in self._schema.index:
                    try:
                        await self.add_column(Column(name, kind), source=source)
                    except ColumnError:  # another first row may have come at the same time, with the same column
                        if name not in self._schema.index:
                            raise

    async def _reject(
        self, change: Change, row_id: str | None, values: object, error: Exception, source: str | None
    ) -> None:
        if not self._is_open:
            return  # grid:destroy is the last word; whoever asked gets the error
        reason, by = refusal(error)
        await self._announce(ROW_REJECT, RowRejected(change, row_id, plain(values), reason, by), source)


class _PendingUpdate(msgspec.Struct, gc=False, eq=False):
    """An update between its draft and its commit.

    A closure would say the same, but costs twice as much to make, and an update is made for every cell that somebody
    edits. Nothing leads back to it, so the collector need not track it.
    """

    grid: RowOperations
    row_id: str
    before: Cells
    row: Cells
    schema: Schema
    draft: RowUpdated

    def commit(self, payload: RowUpdated) -> RowUpdated:
        """Write the row; what was made for the draft holds if neither the draft, the row nor the columns changed."""
        grid = self.grid
        store, row_id = grid._store, self.row_id
        if payload is not self.draft or store.rows.get(row_id) is not self.before or grid._schema is not self.schema:
            self.schema = grid._schema
            self.row, payload = grid._changed_anew(row_id, payload)
        if not grid._is_open:
            grid._check_open()
        store.change(row_id, self.row, payload.new)
        return payload
