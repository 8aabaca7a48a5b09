"""Sorting, filtering, paging, and reading what they show."""

from __future__ import annotations

from typing import Any

from gridbus.events.grid import (
    FILTER_APPLY,
    PAGE_CHANGE,
    SORT_CHANGE,
    FilterApplied,
    PageChanged,
    SortChanged,
)
from gridbus.grid.core import GridCore, Unchanged
from gridbus.grid.filtering import RowFilter
from gridbus.grid.offload import BIG
from gridbus.grid.snapshot import Snapshot, ViewPage
from gridbus.grid.sorting import RowOrder
from gridbus.grid.view import Found, checked_page
from gridbus.query import Filter, Page, SortKey


class ViewOperations(GridCore):
    """The view: rows after filter, sort and page.

    Setting what is set already publishes nothing. A page stays as it was asked for when the filter changes; one behind
    the last has no rows.
    """

    @property
    def sorted_by(self) -> tuple[SortKey, ...]:
        """The sort keys; none shows rows in the order in which they came."""
        return self._view.keys

    @property
    def filtered_by(self) -> Filter | None:
        """The filter; None shows all rows."""
        return self._view.where

    @property
    def current_page(self) -> Page:
        """The page that is shown."""
        return self._view.page

    async def view(self, page: Page | None = None) -> ViewPage:
        """Return the rows of the current page, or of another one that is asked for in passing.

        Raises:
            QueryError: ``page`` has a number or size below 1.
        """
        return await self._view.show(self._view.page if page is None else checked_page(page.number, page.size))

    async def snapshot(self) -> Snapshot:
        """Return the visible rows of all pages as they are now; later changes do not show in it."""
        found = await self._view.found(exact=True)
        return Snapshot(found.schema, found.rows)

    async def sort(self, *keys: SortKey | str, source: str | None = None) -> None:
        """Sort by these columns, the first above all, and publish ``sort:change``; no keys undo the sorting.

        Empty cells come last either way; rows that are equal keep the order in which they came.

        Raises:
            QueryError: a column does not exist, or comes twice.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        wanted = tuple(SortKey(key) if isinstance(key, str) else key for key in keys)
        RowOrder(wanted, self._schema)
        old = self._view.keys
        if wanted == old:
            return

        def commit(payload: SortChanged) -> SortChanged:
            self._check_open()
            before = self._view.keys
            if payload.new == before:
                raise Unchanged
            self._view.use_order(RowOrder(payload.new, self._schema))
            return SortChanged(before, payload.new)

        try:
            await self._bus.propose(SORT_CHANGE, SortChanged(old, wanted), commit, source=source)
        except Unchanged:
            return

    async def page(self, number: int = 1, size: int | None = None, *, source: str | None = None) -> None:
        """Show a page of ``size`` rows and publish ``page:change``; without a size one page shows all.

        Raises:
            QueryError: number or size are below 1.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        wanted, old = checked_page(number, size), self._view.page
        if wanted == old:
            return

        def commit(payload: PageChanged) -> PageChanged:
            self._check_open()
            before, new = self._view.page, checked_page(payload.new.number, payload.new.size)
            if new == before:
                raise Unchanged
            self._view.page = new
            return PageChanged(before, new)

        try:
            await self._bus.propose(PAGE_CHANGE, PageChanged(old, wanted), commit, source=source)
        except Unchanged:
            return

    async def filter(self, where: Filter | None, *, source: str | None = None) -> int:
        """Show the rows that pass, publish ``filter:apply``, and return how many they are; None shows all.

        The count in the fact is that of the rows at the moment when the filter ran: above 20,000 rows that is a little
        before the fact. Interceptors may put another filter in place; they are asked twice then if there are many rows.

        Raises:
            QueryError: a column does not exist, or an operator or operand does not fit its column.
            Vetoed, InterceptorError: an interceptor refused, or failed.
            GridClosed: the grid is not open.
        """
        self._check_open()
        if where == self._view.where:
            return len((await self._view.found(exact=False)).rows)
        try:
            try:
                return await self._apply(where, await self._ready(where), source)
            except _OtherFilter as other:
                where = other.where
            return await self._apply(where, await self._ready(where), source, is_final=True)
        except Unchanged:
            return len((await self._view.found(exact=False)).rows)

    async def _ready(self, where: Filter | None) -> tuple[RowFilter | None, Found]:
        row_filter = None if where is None else RowFilter(where, self._schema)
        return row_filter, await self._view.passing(row_filter)

    async def _apply(
        self, where: Filter | None, ready: tuple[RowFilter | None, Found], source: str | None, *, is_final: bool = False
    ) -> int:
        row_filter, found = ready

        def commit(payload: FilterApplied) -> FilterApplied:
            nonlocal row_filter, found
            self._check_open()
            view = self._view
            before, new = view.where, where if is_final else payload.new
            if new == before:
                raise Unchanged
            is_small = len(self._store.rows) <= BIG
            if new != where and not is_small:
                raise _OtherFilter(new)
            if new != where or found.schema is not self._schema:
                row_filter = None if new is None else RowFilter(new, self._schema)
            if is_small:
                found = view.passing_now(row_filter)
            view.use_filter(row_filter, found if found.schema is self._schema else None)
            return FilterApplied(before, new, len(found.rows))

        draft = FilterApplied(self._view.where, where, len(found.rows))
        event = await self._bus.propose(FILTER_APPLY, draft, commit, source=source)
        return event.payload.visible


class _OtherFilter(Exception):
    """Raised by a commit: interceptors want a filter whose rows are not counted yet, and there are many to count."""

    def __init__(self, where: Any) -> None:
        super().__init__()
        self.where: Filter | None = where
