"""Which rows a grid shows, in which order: found when somebody asks, and kept until it may be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice

import attrs

from gridbus.errors import QueryError
from gridbus.grid.filtering import RowFilter
from gridbus.grid.offload import BIG, Between, in_thread, undisturbed
from gridbus.grid.schema import Schema
from gridbus.grid.snapshot import Snapshot, ViewPage
from gridbus.grid.sorting import RowOrder
from gridbus.grid.store import RowStore
from gridbus.grid.values import Cells
from gridbus.query import Filter, Page, SortKey

_CHUNK = 16_384  # rows filtered between two looks at whether anybody still wants them


@attrs.frozen(eq=False)
class Found:
    """Rows, and the state of the store that they were found in."""

    rows: Sequence[Cells]
    schema: Schema
    order: int
    version: int


class View:
    """Filter, sort and page of one grid.

    The rows that pass and their order are kept, and found anew when a row came or went or a cell changed that filter
    or sort look at. Many rows are worked on in a thread, on a copy of the list of rows: what is returned was right at
    some moment after it was asked for, however rows change meanwhile. Those who ask at the same time share the work;
    when the one whose turn it is is cancelled, the next takes it up.
    """

    def __init__(self, store: RowStore, schema: Schema) -> None:
        self._store, self._schema = store, schema
        self.filter: RowFilter | None = None
        self.order = RowOrder((), schema)
        self.page = Page()
        self._everything: Found | None = None
        self._passing: Found | None = None
        self._ordered: Found | None = None
        self._lock = asyncio.Lock()

    @property
    def where(self) -> Filter | None:
        """The filter's expression."""
        return None if self.filter is None else self.filter.where

    @property
    def keys(self) -> tuple[SortKey, ...]:
        """The sort keys."""
        return self.order.keys

    def use_filter(self, row_filter: RowFilter | None, passing: Found | None) -> None:
        """Show the rows that pass this filter; ``passing`` are these, if they were found before."""
        self.filter, self._passing = row_filter, passing
        self._watch()

    def use_order(self, order: RowOrder) -> None:
        """Show the rows in this order."""
        self.order = order
        self._watch()

    def use_schema(self, schema: Schema, row_filter: RowFilter | None, order: RowOrder) -> None:
        """Take other columns, with filter and order made for them."""
        self._schema, self.filter, self.order = schema, row_filter, order
        self._everything = self._passing = None
        self._watch()

    async def passing(self, row_filter: RowFilter | None) -> Found:
        """Return the rows that pass a filter, which need not be the one in use, in the order of the grid."""
        if row_filter is None or len(self._store.rows) <= BIG:
            return self.passing_now(row_filter)
        everything, chosen = self.passing_now(None), row_filter
        rows = await in_thread(lambda between: _filtered(everything.rows, chosen, between))
        return attrs.evolve(everything, rows=rows)

    def passing_now(self, row_filter: RowFilter | None) -> Found:
        """Return the same at once, for few rows."""
        store, found = self._store, self._everything
        if found is None or found.version != store.version:  # 10 ms per million rows, so worth keeping
            found = self._everything = Found(list(store.rows.values()), self._schema, store.order, store.version)
        if row_filter is None:
            return found
        return attrs.evolve(found, rows=_filtered(found.rows, row_filter, undisturbed))

    async def found(self, *, exact: bool) -> Found:
        """Return the rows of all pages.

        Args:
            exact: each row is as it is now; otherwise rows may lack changes to cells that decide nothing here, and
                callers look up by id those that they show.
        """
        order, version = self._store.order, self._store.version if exact else 0
        if self._ordered is not None and self._ordered.order >= order and self._ordered.version >= version:
            return self._ordered
        async with self._lock:
            ordered, passing = self._ordered, self._passing
            if ordered is not None and ordered.order >= order and ordered.version >= version:
                return ordered
            row_filter, row_order = self.filter, self.order
            if passing is None or passing.order < order or passing.version < version:
                passing = await self.passing(row_filter)
            rows = passing.rows
            if not row_order.keys:
                ordered = passing
            elif len(rows) <= BIG:
                ordered = attrs.evolve(passing, rows=row_order.sort(rows, undisturbed))
            else:
                ordered = attrs.evolve(passing, rows=await in_thread(lambda between: row_order.sort(rows, between)))
            if row_filter is self.filter and row_order is self.order:
                self._passing, self._ordered = passing, ordered
            return ordered

    async def cut(self, start: int, stop: int | None) -> tuple[Found, int]:
        """Return some of the rows as they are now, and how many there are on all pages."""
        store = self._store
        if self.filter is None and not self.order.keys and stop is not None:
            rows = store.rows
            return Found(list(islice(rows.values(), start, stop)), self._schema, store.order, store.version), len(rows)
        found = await self.found(exact=stop is None)
        if not start and stop is None:
            return found, len(found.rows)
        cells = found.rows[start:stop]
        if found.version != store.version and found.order == store.order:
            cells = [store.rows[row[-1]] for row in cells]
        return attrs.evolve(found, rows=cells), len(found.rows)

    async def show(self, page: Page) -> ViewPage:
        """Return one page."""
        part, visible = await self.cut(*bounds(page))
        return ViewPage(
            rows=Snapshot(part.schema, part.rows),
            number=page.number,
            size=page.size,
            pages=1 if page.size is None else max(1, -(-visible // page.size)),
            visible=visible,
            total=len(self._store.rows),
        )

    def _watch(self) -> None:
        """Look at the columns that decide from now on.

        Changes to their cells did not count before, so rows found before any such change are not to be trusted.
        """
        self._store.watched = self.order.columns | (self.filter.columns if self.filter is not None else frozenset())
        self._ordered = None
        if self._passing is not None and self._passing.version != self._store.version:
            self._passing = None


def bounds(page: Page) -> tuple[int, int | None]:
    """Return where a page begins and ends in the view."""
    if page.size is None:
        return 0, None
    return (page.number - 1) * page.size, page.number * page.size


def checked_page(number: object, size: object) -> Page:
    """Return a page.

    Raises:
        QueryError: the numbers are none, or below 1.
    """
    for name, value in (("number", number), ("size", size)):
        if name == "size" and value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise QueryError(f"a page's {name} is a whole number from 1, not {value!r} @ $.{name}")
    if size is None and number != 1:
        raise QueryError("without a size there is one page only @ $.number")
    return Page(number, size)  # type: ignore[arg-type]


def _filtered(rows: Sequence[Cells], row_filter: RowFilter, between: Between) -> list[Cells]:
    found: list[Cells] = []
    for start in range(0, len(rows), _CHUNK):
        between()
        found += row_filter.select(rows[start : start + _CHUNK])
    return found
