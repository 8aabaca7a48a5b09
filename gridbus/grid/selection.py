"""Which rows are selected."""

from __future__ import annotations

from collections.abc import Iterable

from gridbus.errors import RowNotFound
from gridbus.events.grid import ROW_DESELECT, ROW_SELECT, RowsDeselected, RowsSelected
from gridbus.grid.core import GridCore, Unchanged


class SelectionOperations(GridCore):
    """The selection: ids of rows, in the order in which they joined."""

    @property
    def selection(self) -> tuple[str, ...]:
        """The ids of the selected rows."""
        return tuple(self._selection)

    async def select(self, ids: str | Iterable[str], *, source: str | None = None) -> tuple[str, ...]:
        """Add rows to the selection and publish ``row:select``; return the ids that joined.

        Rows that are selected already are left out of the fact; where none joins, none is published.

        Raises:
            RowNotFound: there is no row with one of these ids; none joins.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        joining = self._joining(_listed(ids))

        def commit(payload: RowsSelected) -> RowsSelected:
            self._check_open()
            joined = self._joining(payload.ids)
            if not joined:
                raise Unchanged
            self._selection.update(dict.fromkeys(joined))
            return RowsSelected(joined)

        if not joining:
            return ()
        try:
            event = await self._bus.propose(ROW_SELECT, RowsSelected(joining), commit, source=source)
        except Unchanged:
            return ()
        return event.payload.ids

    async def deselect(self, ids: str | Iterable[str] | None = None, *, source: str | None = None) -> tuple[str, ...]:
        """Take rows, or all, out of the selection and publish ``row:deselect``; return the ids that left.

        Raises:
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        leaving = self._leaving(self._selection if ids is None else _listed(ids))

        def commit(payload: RowsDeselected) -> RowsDeselected:
            self._check_open()
            left = self._leaving(payload.ids)
            if not left:
                raise Unchanged
            for row_id in left:
                del self._selection[row_id]
            return RowsDeselected(left)

        if not leaving:
            return ()
        try:
            event = await self._bus.propose(ROW_DESELECT, RowsDeselected(leaving), commit, source=source)
        except Unchanged:
            return ()
        return event.payload.ids

    def _joining(self, ids: Iterable[str]) -> tuple[str, ...]:
        rows, selection = self._store.rows, self._selection
        joining = dict.fromkeys(ids)
        for row_id in joining:
            if row_id not in rows:
                raise RowNotFound(row_id)
        return tuple([row_id for row_id in joining if row_id not in selection])

    def _leaving(self, ids: Iterable[str]) -> tuple[str, ...]:
        selection = self._selection
        return tuple([row_id for row_id in dict.fromkeys(ids) if row_id in selection])


def _listed(ids: str | Iterable[str]) -> list[str]:
    """Return the ids as a list; a text is one id, not many of one letter."""
    return [ids] if isinstance(ids, str) else list(ids)
