"""Adding, removing, moving and changing columns."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import attrs

from gridbus.errors import ColumnError
from gridbus.events.grid import (
    COLUMN_ADD,
    COLUMN_MOVE,
    COLUMN_REMOVE,
    COLUMN_UPDATE,
    Column,
    ColumnAdded,
    ColumnMoved,
    ColumnRemoved,
    ColumnUpdated,
)
from gridbus.grid.core import GridCore, Unchanged
from gridbus.grid.offload import retire
from gridbus.grid.rewrite import Rewrite, moving, placing, removing
from gridbus.grid.schema import Schema
from gridbus.grid.values import Cells, fit_cell


class ColumnOperations(GridCore):
    """Columns: filter, sort and id column hold on to theirs.

    A renamed column is renamed in the filter and the sort as well: ``column:update`` tells it. A column that they or
    the ids are made of cannot be removed, since the view would show other rows than were asked for.
    """

    async def add_column(
        self, column: Column, *, index: int | None = None, default: Any = None, source: str | None = None
    ) -> Column:
        """Add a column and publish ``column:add``.

        Args:
            column: the new one.
            index: where it stands, from 0; last by default.
            default: the cell of each row that exists; new rows say their own.
            source: who changes the grid, for the fact's ``source``.

        Raises:
            ColumnError: the name is taken, or the index is out of range.
            ValueRejected: the default does not fit the column.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        place = len(self._schema.columns) if index is None else index
        schema = self._with_added(column, place)
        before, value = self._schema, fit_cell(column, default, "default")
        draft = ColumnAdded(column, place, value)
        replaced: dict[str, Cells] = {}
        async with Rewrite(self._store, placing(place, value)) as rewrite:

            def commit(payload: ColumnAdded) -> ColumnAdded:
                nonlocal schema, replaced
                self._check_open()
                if payload is draft and self._schema is before:
                    rows = rewrite.take()
                else:
                    if index is None and payload.index == place:
                        payload = attrs.evolve(payload, index=len(self._schema.columns))  # others came before it
                    schema = self._with_added(payload.column, payload.index)
                    payload = attrs.evolve(payload, default=fit_cell(payload.column, payload.default, "default"))
                    rows = rewrite.take(placing(payload.index, payload.default))
                replaced = self._replace(schema, rows)
                return payload

            event = await self._bus.propose(COLUMN_ADD, draft, commit, source=source)
        await retire(replaced)
        return event.payload.column

    async def remove_column(self, name: str, *, source: str | None = None) -> Column:
        """Remove a column with its cells and publish ``column:remove``.

        Raises:
            ColumnError: there is no such column, or filter, sort or ids need it.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        before, index = self._schema, self._removable(name)
        draft = ColumnRemoved(before.columns[index], index)
        replaced: dict[str, Cells] = {}
        async with Rewrite(self._store, removing(index)) as rewrite:

            def commit(payload: ColumnRemoved) -> ColumnRemoved:
                nonlocal replaced
                self._check_open()
                place = self._removable(name)
                fact = ColumnRemoved(self._schema.columns[place], place)
                rows = rewrite.take(None if self._schema is before else removing(place))
                replaced = self._replace(self._schema.without(name), rows)
                return fact

            event = await self._bus.propose(COLUMN_REMOVE, draft, commit, source=source)
        await retire(replaced)
        return event.payload.column

    async def move_column(self, name: str, index: int, *, source: str | None = None) -> None:
        """Move a column to where it stands at ``index`` afterwards and publish ``column:move``.

        Raises:
            ColumnError: there is no such column, or the index is out of range.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        before = self._schema
        draft = self._move(name, index)
        if draft.old == draft.new:
            return
        replaced: dict[str, Cells] = {}
        async with Rewrite(self._store, moving(draft.old, draft.new)) as rewrite:

            def commit(payload: ColumnMoved) -> ColumnMoved:
                nonlocal replaced
                self._check_open()
                fact = self._move(name, payload.new)
                if fact.old == fact.new:
                    raise Unchanged
                is_as_prepared = self._schema is before and fact.new == draft.new
                rows = rewrite.take(None if is_as_prepared else moving(fact.old, fact.new))
                replaced = self._replace(self._schema.with_moved(name, fact.new), rows)
                return fact

            try:
                await self._bus.propose(COLUMN_MOVE, draft, commit, source=source)
            except Unchanged:
                return
        await retire(replaced)

    async def update_column(
        self,
        name: str,
        *,
        new_name: str | None = None,
        title: str | EllipsisType | None = ...,
        hidden: bool | None = None,
        source: str | None = None,
    ) -> Column:
        """Rename, retitle, hide or show a column and publish ``column:update``; return the column as it is then.

        Args:
            name: the column.
            new_name: its new name; filter and sort that use the column go on using it.
            title: its new heading; None shows the name.
            hidden: whether it is left out where rows are shown or exported.
            source: who changes the grid, for the fact's ``source``.

        Raises:
            ColumnError: there is no such column, or the new name is taken.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        old = self._schema.column(name)
        new = attrs.evolve(
            old,
            name=old.name if new_name is None else new_name,
            title=old.title if title is ... else title,
            hidden=old.hidden if hidden is None else hidden,
        )
        if new == old:
            return old
        self._schema.with_updated(name, new)

        def commit(payload: ColumnUpdated) -> ColumnUpdated:
            self._check_open()
            current, wanted = self._schema.column(name), payload.new
            if wanted.type is not current.type:
                raise ColumnError(f"column {name!r} is {current.type.value} and stays it: add another column")
            if wanted == current:
                raise Unchanged
            self._use_schema(self._schema.with_updated(name, wanted), {name: wanted.name})
            return ColumnUpdated(current, wanted)

        try:
            event = await self._bus.propose(COLUMN_UPDATE, ColumnUpdated(old, new), commit, source=source)
        except Unchanged:
            return new
        return event.payload.new

    def _with_added(self, column: Column, index: int) -> Schema:
        most = len(self._schema.columns)
        if not 0 <= index <= most:
            raise ColumnError(f"column {column.name!r} can stand at 0 to {most}, not at {index}")
        return self._schema.with_added(column, index)

    def _removable(self, name: str) -> int:
        index = self._schema.position(name)
        view = self._view
        for user, columns in (
            ("filter", view.filter.columns if view.filter is not None else frozenset()),
            ("sort", view.order.columns),
            ("row ids", frozenset((self._id_column,))),
        ):
            if name in columns:
                what = "they cannot do without it" if user == "row ids" else f"clear the {user} first"
                raise ColumnError(f"column {name!r} is used by the {user}: {what}")
        return index

    def _move(self, name: str, index: int) -> ColumnMoved:
        old, last = self._schema.position(name), len(self._schema.columns) - 1
        if not 0 <= index <= last:
            raise ColumnError(f"column {name!r} can stand at 0 to {last}, not at {index}")
        return ColumnMoved(name, old, index)

    def _replace(self, schema: Schema, rows: dict[str, Cells]) -> dict[str, Cells]:
        """Take columns and the rows cut for them; return the rows there were."""
        self._use_schema(schema)
        return self._store.replace(rows)
