"""Topics and payloads of a grid: what changed, with old and new values."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from gridbus.events.topic import Topic
from gridbus.query import Filter, Page, SortKey, Value


class ColumnType(enum.StrEnum):
    """What the cells of a column hold; an empty cell is None in each."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATE = "date"
    DATETIME = "datetime"
    TEXT = "text"


class Change(enum.StrEnum):
    """The kinds of change that a grid makes to its rows."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@attrs.frozen
class Column:
    """One column: its name, what it holds, and how it is shown."""

    name: str
    type: ColumnType = ColumnType.TEXT
    title: str | None = None  #: heading to show; the name where None
    hidden: bool = False


@attrs.frozen
class GridReady:
    """A grid is open and takes changes."""

    grid: str
    rows: int
    columns: tuple[Column, ...]


@attrs.frozen
class GridDestroyed:
    """A grid is closing and takes no more changes."""

    grid: str
    rows: int


@attrs.frozen
class DataLoaded:
    """Many rows were loaded at once; their cells are read through the grid."""

    grid: str
    rows: int  #: rows loaded
    columns: tuple[Column, ...]
    source: str
    skipped: int = 0  #: rows of the source that could not be loaded
    problems: tuple[str, ...] = ()  #: the first of the reasons, each naming its line


@attrs.frozen
class RowCreated:
    """A row exists; ``values`` holds each column."""

    id: str
    values: Mapping[str, Value]


@attrs.frozen
class RowUpdated:
    """Cells of a row changed; ``old`` and ``new`` hold the changed columns only."""

    id: str
    old: Mapping[str, Value]
    new: Mapping[str, Value]


@attrs.frozen
class RowDeleted:
    """A row is gone; ``values`` are its last ones."""

    id: str
    values: Mapping[str, Value]


@attrs.frozen
class RowRejected:
    """A change was not made: an interceptor refused it, or its values do not fit."""

    change: Change
    id: str | None
    values: Mapping[str, Value]
    reason: str
    by: str  #: the interceptor that refused, or ``grid``


@attrs.frozen
class RowsSelected:
    """Rows joined the selection."""

    ids: tuple[str, ...]


@attrs.frozen
class RowsDeselected:
    """Rows left the selection."""

    ids: tuple[str, ...]


@attrs.frozen
class SortChanged:
    """The view is sorted otherwise; no keys means the order of the rows themselves."""

    old: tuple[SortKey, ...]
    new: tuple[SortKey, ...]


@attrs.frozen
class FilterApplied:
    """The view shows other rows; None means all."""

    old: Filter | None
    new: Filter | None
    visible: int  #: rows that pass, over all pages


@attrs.frozen
class PageChanged:
    """The view shows another page."""

    old: Page
    new: Page


@attrs.frozen
class ColumnAdded:
    """A column joined at ``index``; ``default`` is what its cells hold."""

    column: Column
    index: int
    default: Value = None


@attrs.frozen
class ColumnRemoved:
    """A column is gone, with its cells."""

    column: Column
    index: int


@attrs.frozen
class ColumnMoved:
    """A column stands elsewhere."""

    name: str
    old: int
    new: int


@attrs.frozen
class ColumnUpdated:
    """A column was renamed, retitled, hidden or shown."""

    old: Column
    new: Column


GRID_READY: Topic[GridReady] = Topic("grid:ready", GridReady)
GRID_DESTROY: Topic[GridDestroyed] = Topic("grid:destroy", GridDestroyed)
DATA_LOAD: Topic[DataLoaded] = Topic("data:load", DataLoaded)
ROW_CREATE: Topic[RowCreated] = Topic("row:create", RowCreated)
ROW_UPDATE: Topic[RowUpdated] = Topic("row:update", RowUpdated)
ROW_DELETE: Topic[RowDeleted] = Topic("row:delete", RowDeleted)
ROW_REJECT: Topic[RowRejected] = Topic("row:reject", RowRejected)
ROW_SELECT: Topic[RowsSelected] = Topic("row:select", RowsSelected)
ROW_DESELECT: Topic[RowsDeselected] = Topic("row:deselect", RowsDeselected)
SORT_CHANGE: Topic[SortChanged] = Topic("sort:change", SortChanged)
FILTER_APPLY: Topic[FilterApplied] = Topic("filter:apply", FilterApplied)
PAGE_CHANGE: Topic[PageChanged] = Topic("page:change", PageChanged)
COLUMN_ADD: Topic[ColumnAdded] = Topic("column:add", ColumnAdded)
COLUMN_REMOVE: Topic[ColumnRemoved] = Topic("column:remove", ColumnRemoved)
COLUMN_MOVE: Topic[ColumnMoved] = Topic("column:move", ColumnMoved)
COLUMN_UPDATE: Topic[ColumnUpdated] = Topic("column:update", ColumnUpdated)
