"""What the parts of a grid share: its state, and how it speaks to the bus."""

from __future__ import annotations

import enum
import logging
from typing import TypeVar

from gridbus.bus import Bus
from gridbus.errors import BusClosed, GridClosed, InterceptorError, Vetoed
from gridbus.events import Topic
from gridbus.events.grid import Column
from gridbus.grid.filtering import RowFilter, renamed
from gridbus.grid.schema import Schema
from gridbus.grid.sorting import RowOrder
from gridbus.grid.store import RowStore
from gridbus.grid.view import View
from gridbus.query import SortKey

T = TypeVar("T")

logger = logging.getLogger("gridbus.grid")


class GridState(enum.Enum):
    """Where a grid is in its life."""

    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"


class Unchanged(Exception):
    """Raised by a commit that finds nothing left to change: no fact is published."""


class GridCore:
    """State of one grid. Changes are made in the commits of ``Bus.propose`` only, so the grid's order is the bus's."""

    def __init__(self, bus: Bus, name: str, columns: tuple[Column, ...], id_column: str | None) -> None:
        self._bus, self._name, self._id_column = bus, name, id_column
        self._scope = bus.scope(name)
        self._schema = Schema(columns)
        if id_column is not None and columns:
            self._schema.position(id_column)
        self._store = RowStore()
        self._view = View(self._store, self._schema)
        self._selection: dict[str, None] = {}
        self._state = GridState.NEW
        self._is_open = False  #: the same, where every update asks for it

    @property
    def name(self) -> str:
        """The grid's name, which its facts and channels carry."""
        return self._name

    @property
    def state(self) -> GridState:
        """Where the grid is in its life."""
        return self._state

    @property
    def id_column(self) -> str | None:
        """The column whose text is the id of each row; None where the grid numbers them."""
        return self._id_column

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns in order."""
        return self._schema.columns

    def _check_open(self) -> None:
        if not self._is_open:
            hint = "open it with async with" if self._state is GridState.NEW else "make another"
            raise GridClosed(f"grid {self._name!r} is {self._state.value}: {hint}")

    def _use_schema(self, schema: Schema, renamed_to: dict[str, str] | None = None) -> None:
        """Take other columns, and keep filter and sort, by new names where columns were renamed.

        Raises:
            QueryError: filter or sort do not fit these columns; nothing has changed then.
        """
        names = renamed_to or {}
        where, keys = self._view.where, self._view.keys
        if names:
            where = None if where is None else renamed(where, names)
            keys = tuple(SortKey(names.get(key.column, key.column), key.desc) for key in keys)
        row_filter = None if where is None else RowFilter(where, schema)
        order = RowOrder(keys, schema)
        self._schema = schema
        self._view.use_schema(schema, row_filter, order)
        if self._id_column is not None:
            self._id_column = names.get(self._id_column, self._id_column)

    async def _announce(self, topic: Topic[T], payload: T, source: str | None = None) -> None:
        """Publish what has happened already; an interceptor that refuses it comes too late and is logged."""
        try:
            await self._bus.publish(topic, payload, source=source)
        except (Vetoed, InterceptorError) as error:
            logger.warning("grid %r: %s (it has happened, and is not published)", self._name, error)
        except BusClosed:
            logger.debug("grid %r: %s is not published, the bus is closed", self._name, topic)


def refusal(error: Exception) -> tuple[str, str]:
    """Return why a change was not made, and who refused it."""
    if isinstance(error, Vetoed):
        return error.reason, error.by
    if isinstance(error, InterceptorError):
        return str(error), error.by
    return str(error), "grid"
