"""Facts are complete: whoever hears them all knows the grid."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gridbus.bus import Bus, Draft
from gridbus.errors import GridError, RowsRejected, Veto, Vetoed
from gridbus.events import Event
from gridbus.events.grid import (
    ColumnAdded,
    ColumnMoved,
    ColumnRemoved,
    ColumnUpdated,
    DataLoaded,
    FilterApplied,
    GridReady,
    PageChanged,
    RowCreated,
    RowDeleted,
    RowsDeselected,
    RowsSelected,
    RowUpdated,
    SortChanged,
)
from gridbus.grid import Column, ColumnType, Grid
from gridbus.grid.filtering import renamed
from gridbus.query import Compare, Page, SortKey


class Model:
    """What an observer makes of the facts; each ``old`` has to be what it knows."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.rows: dict[str, dict[str, Any]] = {}
        self.selection: list[str] = []
        self.sort: tuple[SortKey, ...] = ()
        self.filter: Any = None
        self.page = Page()

    def hear(self, event: Event[Any]) -> None:
        """Take in one fact."""
        match event.payload:
            case GridReady(_, _, columns):
                self.columns = list(columns)
            case DataLoaded(_, _, columns):
                self.columns = list(columns)
                self.rows = {}
            case RowCreated(row_id, values):
                assert row_id not in self.rows
                assert list(values) == [column.name for column in self.columns]
                self.rows[row_id] = dict(values)
            case RowUpdated(row_id, old, new):
                row = self.rows[row_id]
                assert old.keys() == new.keys()
                assert {name: row[name] for name in old} == old != new
                row.update(new)
            case RowDeleted(row_id, values):
                assert self.rows.pop(row_id) == values
                self.selection = [selected for selected in self.selection if selected != row_id]
            case RowsSelected(ids):
                assert not set(ids) & set(self.selection)
                self.selection += ids
            case RowsDeselected(ids):
                self.selection = [row_id for row_id in self.selection if row_id not in ids]
            case SortChanged(old, new):
                assert old == self.sort != new
                self.sort = new
            case FilterApplied(old, new, _):
                assert old == self.filter != new
                self.filter = new
            case PageChanged(old, new):
                assert old == self.page != new
                self.page = new
            case ColumnAdded(column, index):
                self.columns.insert(index, column)
                for row in self.rows.values():
                    row[column.name] = None
            case ColumnRemoved(column, index):
                assert self.columns.pop(index) == column
                for row in self.rows.values():
                    del row[column.name]
            case ColumnMoved(name, old, new):
                assert self.columns[old].name == name
                self.columns.insert(new, self.columns.pop(old))
            case ColumnUpdated(old, new):
                self.columns[self.columns.index(old)] = new
                self.rename(old.name, new.name)

    def rename(self, old: str, new: str) -> None:
        """Everything that mentions a column follows it."""
        for row in self.rows.values():
            row[new] = row.pop(old)
        self.sort = tuple(SortKey(new if key.column == old else key.column, key.desc) for key in self.sort)
        self.filter = None if self.filter is None else renamed(self.filter, {old: new})


NAMES = st.sampled_from(["a", "b", "c"])
IDS = st.sampled_from([str(number) for number in range(1, 7)])
CELLS = st.none() | st.integers(0, 3) | st.just("x")
VALUES = st.dictionaries(NAMES, CELLS, max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("create"), VALUES),
    st.tuples(st.just("create_many"), st.lists(VALUES, max_size=3)),
    st.tuples(st.just("update"), IDS, VALUES),
    st.tuples(st.just("update_many"), st.dictionaries(IDS, VALUES, max_size=3)),
    st.tuples(st.just("delete"), IDS),
    st.tuples(st.just("select"), st.lists(IDS, max_size=3)),
    st.tuples(st.just("deselect"), st.none() | st.lists(IDS, max_size=3)),
    st.tuples(st.just("sort"), st.builds(SortKey, NAMES, st.booleans())),
    st.tuples(
        st.just("filter"), st.none() | st.builds(Compare, NAMES, st.sampled_from(["eq", "ne", "lt"]), st.just(1))
    ),
    st.tuples(st.just("page"), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.just("add_column"), st.builds(Column, NAMES, st.just(ColumnType.INT))),
    st.tuples(st.just("remove_column"), NAMES),
    st.tuples(st.just("move_column"), NAMES, st.integers(0, 3)),
    st.tuples(st.just("rename"), NAMES, NAMES),
)


async def take(grid: Grid, step: tuple[Any, ...]) -> None:
    """Take one step, whatever the grid says to it."""
    name, *arguments = step
    try:
        if name == "rename":
            await grid.update_column(arguments[0], new_name=arguments[1])
        else:
            await getattr(grid, name)(*arguments)
    except (GridError, RowsRejected, Vetoed):
        pass


def check(grid: Grid, model: Model) -> None:
    """The observer knows all."""
    assert model.columns == list(grid.columns)
    assert [(row.id, dict(row)) for row in grid] == [
        (row_id, {column.name: row[column.name] for column in model.columns}) for row_id, row in model.rows.items()
    ]
    assert model.selection == list(grid.selection)
    assert (model.sort, model.filter, model.page) == (grid.sorted_by, grid.filtered_by, grid.current_page)


async def check_view(grid: Grid) -> None:
    """The view is what a look at each row would give."""
    shown = grid.rows()
    where = grid.filtered_by
    if isinstance(where, Compare):
        name = where.column
        passes: Any = {
            "eq": lambda cell: cell == 1,
            "ne": lambda cell: cell != 1,
            "lt": lambda cell: cell is not None and cell < 1,
        }[where.op]
        shown = [row for row in shown if passes(row[name])]
    for key in reversed(grid.sorted_by):
        filled = [row for row in shown if row[key.column] is not None]
        filled.sort(key=lambda row, name=key.column: row[name], reverse=key.desc)
        shown = filled + [row for row in shown if row[key.column] is None]
    assert list(await grid.snapshot()) == shown
    page = grid.current_page
    first = 0 if page.size is None else (page.number - 1) * page.size
    assert list((await grid.view()).rows) == shown[first : None if page.size is None else first + page.size]


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=150)
async def test_facts_replayed_on_an_empty_model_give_the_grid(steps: list[tuple[Any, ...]]) -> None:
    """After each step, refused ones included."""
    async with Bus() as bus:
        model = Model()
        bus.trace(model.hear)
        async with Grid(bus, columns=[Column("a", ColumnType.INT), Column("b", ColumnType.INT)]) as grid:
            for step in steps:
                await take(grid, step)
                check(grid, model)
                await check_view(grid)


@given(st.lists(st.tuples(STEPS, st.integers(0, 3)), max_size=15))
@settings(max_examples=150)
async def test_facts_of_concurrent_changes_give_the_grid(steps: list[tuple[Any, int]]) -> None:
    """However long interceptors look at each, and whichever they refuse."""
    async with Bus() as bus:
        model = Model()
        bus.trace(model.hear)
        async with Grid(bus, columns=[Column("a", ColumnType.INT), Column("b", ColumnType.INT)]) as grid:
            await grid.create_many([{"a": 1}, {"a": 2}, {"b": 3}])
            delays = [delay for _, delay in steps]

            async def look(draft: Draft[Any]) -> None:
                delay = delays.pop() if delays else 0
                for _ in range(delay):
                    await asyncio.sleep(0)
                if delay == 2 and draft.topic not in ("row:reject", "row:deselect"):
                    raise Veto("no")

            bus.intercept("*", look)
            await asyncio.gather(*(take(grid, step) for step, _ in steps))
            check(grid, model)
            await check_view(grid)
