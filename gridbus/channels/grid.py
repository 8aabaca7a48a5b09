"""The channels on which a grid is read and written, and what is said on them."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from gridbus.channels.channel import Channel
from gridbus.events.grid import Change, Column
from gridbus.query import Value

MOST_ROWS = 10_000
"""Rows in one reply, and changes in one message, at most."""


class RowScope(enum.StrEnum):
    """Which rows of a grid are meant."""

    PAGE = "page"  #: those of the current page, in the order of the view
    VISIBLE = "visible"  #: those that pass the filter, in the order of the view
    SELECTED = "selected"  #: the selection, in the order in which rows joined it
    ALL = "all"  #: all, in the order in which they came


@attrs.frozen
class GridQuery:
    """Asks for rows of a grid, a bounded number at a time."""

    scope: RowScope = RowScope.VISIBLE
    ids: tuple[str, ...] | None = None  #: these rows, in this order, whatever the scope; unknown ids are left out
    columns: tuple[str, ...] | None = None  #: by name; the columns that are not hidden where None
    offset: int = 0  #: rows to skip
    limit: int = 1_000  #: rows per reply, at most ``MOST_ROWS``; 0 asks for columns and counts only


@attrs.frozen
class GridPage:
    """Rows of a grid, and how many there are."""

    grid: str
    columns: tuple[Column, ...]  #: those of ``rows``, in their order
    ids: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]  #: the cells of each row
    offset: int
    matching: int  #: rows that the query is about, on all replies
    total: int  #: rows of the grid
    version: int  #: grows with each change of a row: replies of the same version fit together

    @property
    def next_offset(self) -> int | None:
        """Where the next rows begin; None where these are the last."""
        end = self.offset + len(self.rows)
        return end if end < self.matching else None


@attrs.frozen
class RowChange:
    """One change that is asked for."""

    change: Change
    id: str | None = None  #: of the row; a new row may go without
    values: Mapping[str, Value] = attrs.field(factory=dict)  #: cells by column name; none for a delete


@attrs.frozen
class GridWrite:
    """Asks for changes, made one after the other; one that is refused does not keep out the others."""

    changes: tuple[RowChange, ...]


@attrs.frozen
class RowOutcome:
    """What came of one change."""

    id: str | None
    values: Mapping[str, Value] | None = None  #: the row as it is now, or was when it was deleted; None where refused
    error: str | None = None  #: type name of the error where it was refused
    message: str = ""


@attrs.frozen
class GridWritten:
    """What came of each change, in the order in which they were asked for."""

    outcomes: tuple[RowOutcome, ...]


GRID_READ: Channel[GridQuery, GridPage] = Channel("grid:read", GridQuery, GridPage)
"""Asked for some rows as they are now."""

GRID_STREAM: Channel[GridQuery, GridPage] = Channel("grid:stream", GridQuery, GridPage)
"""Asked (``ask_stream``) for all rows of a query as they were at one moment, ``limit`` per reply."""

GRID_WRITE: Channel[GridWrite, GridWritten] = Channel("grid:write", GridWrite, GridWritten)
"""Asked to change rows."""
