"""Adding, removing, moving and changing columns."""

from __future__ import annotations

from datetime import date
from typing import Any

import anyio
import attrs
import pytest

from gridbus.bus import Bus, Draft
from gridbus.errors import ColumnError, QueryError, ValueRejected, Veto, Vetoed
from gridbus.grid import (
    COLUMN_ADD,
    COLUMN_MOVE,
    COLUMN_REMOVE,
    COLUMN_UPDATE,
    Column,
    ColumnAdded,
    ColumnMoved,
    ColumnRemoved,
    ColumnType,
    ColumnUpdated,
    Grid,
)
from gridbus.query import And, Compare, Not, SortKey
from gridbus.testing import Recorder, settle

A, B, C = Column("a", ColumnType.INT), Column("b"), Column("c", ColumnType.FLOAT)


@pytest.fixture
async def abc(bus: Bus) -> Grid:
    """Three columns, two rows."""
    grid = Grid(bus, name="abc", columns=(A, B, C))
    await grid.open()
    await grid.load(None, [(1, "x", 1.5), (2, "y", 2.5)])
    return grid


@pytest.fixture
def facts(bus: Bus, abc: Grid) -> Any:
    """What is published from here on."""
    with Recorder(bus) as events:
        yield events


def names(grid: Grid) -> list[str]:
    """The columns' names in order."""
    return [column.name for column in grid.columns]


@pytest.fixture(params=["small", "big"])
def any_size(request: pytest.FixtureRequest) -> None:
    """The test runs with few rows, and as if they were many."""
    if request.param == "big":
        request.getfixturevalue("big")


@pytest.mark.usefixtures("any_size")
async def test_a_column_joins_at_its_place_with_a_cell_for_each_row(abc: Grid, facts: Recorder) -> None:
    """The default for rows there are; new rows say their own."""
    new = Column("d", ColumnType.DATE)
    assert await abc.add_column(new, index=1, default="2026-11-24") == new
    assert names(abc) == ["a", "d", "b", "c"]
    assert [tuple(map(str, row.values.values())) for row in abc] == [
        ("1", "2026-11-24", "x", "1.5"),
        ("2", "2026-11-24", "y", "2.5"),
    ]
    assert (await abc.create({"a": 3}))["d"] is None
    assert facts.payloads(COLUMN_ADD)[0] == ColumnAdded(new, 1, date(2026, 11, 24))
    await abc.add_column(Column("e"))
    assert names(abc)[-1] == "e"


@pytest.mark.usefixtures("any_size")
async def test_a_column_goes_with_its_cells(abc: Grid, facts: Recorder) -> None:
    """The others keep theirs."""
    assert await abc.remove_column("b") == B
    assert [dict(row) for row in abc] == [{"a": 1, "c": 1.5}, {"a": 2, "c": 2.5}]
    assert facts.payloads(COLUMN_REMOVE) == [ColumnRemoved(B, 1)]


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize(("name", "index"), [("a", 2), ("c", 0), ("b", 0), ("a", 1)])
async def test_a_column_moves_with_its_cells(abc: Grid, facts: Recorder, name: str, index: int) -> None:
    """It stands at the index afterwards, whichever side it came from."""
    before, old = [dict(row) for row in abc], names(abc).index(name)
    await abc.move_column(name, index)
    assert names(abc)[index] == name
    assert [dict(row) for row in abc] == before
    assert facts.payloads(COLUMN_MOVE) == [ColumnMoved(name, old, index)]


async def test_a_column_moved_to_its_place_is_no_change(abc: Grid, facts: Recorder) -> None:
    """Nothing is published."""
    await abc.move_column("b", 1)
    assert facts.topics == []


async def test_a_column_is_renamed_retitled_and_hidden(abc: Grid, facts: Recorder) -> None:
    """One fact for what changes; what is not mentioned stays."""
    new = Column("label", title="The label", hidden=True)
    assert await abc.update_column("b", new_name="label", title="The label", hidden=True) == new
    assert abc.get("1")["label"] == "x"
    await abc.update_column("label", title=None)
    assert abc.columns[1] == Column("label", hidden=True)
    await abc.update_column("label", hidden=True, new_name="label")
    assert facts.payloads(COLUMN_UPDATE) == [ColumnUpdated(B, new), ColumnUpdated(new, Column("label", hidden=True))]


async def test_filter_and_sort_follow_a_renamed_column(abc: Grid, facts: Recorder) -> None:
    """The view shows what it showed."""
    where = And((Not(Compare("a", "lt", 2)), Compare("b", "eq", "y")))
    await abc.filter(where)
    await abc.sort(SortKey("a", desc=True), SortKey("c"))
    await abc.update_column("a", new_name="number")
    assert abc.filtered_by == And((Not(Compare("number", "lt", 2)), Compare("b", "eq", "y")))
    assert abc.sorted_by == (SortKey("number", desc=True), SortKey("c"))
    assert [row.id for row in (await abc.view()).rows] == ["2"]
    await abc.update("2", {"number": 0})
    assert list((await abc.view()).rows) == []
    assert facts.topics == ["filter:apply", "sort:change", "column:update", "row:update"]


async def test_filter_and_sort_follow_a_moved_column(abc: Grid) -> None:
    """They look at the column, not at its place."""
    await abc.filter(Compare("a", "gt", 1))
    await abc.sort("c")
    await abc.move_column("a", 2)
    await abc.add_column(Column("d"), index=0)
    assert [row.id for row in (await abc.view()).rows] == ["2"]


async def test_a_column_in_use_cannot_be_removed(abc: Grid, facts: Recorder) -> None:
    """Dropping the filter in silence would show rows that were filtered out."""
    await abc.filter(Not(Compare("a", "eq", 1)))
    await abc.sort("c")
    with pytest.raises(ColumnError, match="'a' is used by the filter: clear the filter first"):
        await abc.remove_column("a")
    with pytest.raises(ColumnError, match="'c' is used by the sort: clear the sort first"):
        await abc.remove_column("c")
    await abc.filter(None)
    await abc.remove_column("a")
    assert names(abc) == ["b", "c"]


async def test_the_id_column_cannot_be_removed_but_renamed(bus: Bus) -> None:
    """Ids go on being read from it."""
    async with Grid(bus, columns=(A, B), id_column="a") as grid:
        with pytest.raises(ColumnError, match="'a' is used by the row ids"):
            await grid.remove_column("a")
        await grid.update_column("a", new_name="code")
        assert grid.id_column == "code"
        assert (await grid.create({"code": 7})).id == "7"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda grid: grid.add_column(Column("b")), "'b' exists already"),
        (lambda grid: grid.add_column(Column("d"), index=4), "can stand at 0 to 3, not at 4"),
        (lambda grid: grid.add_column(Column("d"), index=-1), "not at -1"),
        (lambda grid: grid.add_column(Column("")), "no name"),
        (lambda grid: grid.remove_column("x"), "no column is named 'x'"),
        (lambda grid: grid.move_column("x", 0), "no column is named 'x'"),
        (lambda grid: grid.move_column("a", 3), "can stand at 0 to 2, not at 3"),
        (lambda grid: grid.update_column("x", hidden=True), "no column is named 'x'"),
        (lambda grid: grid.update_column("a", new_name="b"), "'b' exists already"),
        (lambda grid: grid.update_column("a", new_name=""), "no name"),
    ],
)
async def test_what_cannot_be_is_refused_before_anybody_is_asked(
    abc: Grid, facts: Recorder, change: Any, message: str
) -> None:
    """The message says what is wrong, and nothing changes."""
    with pytest.raises(ColumnError, match=message):
        await change(abc)
    assert abc.columns == (A, B, C)
    assert facts.topics == []


async def test_a_default_that_does_not_fit_is_refused(abc: Grid) -> None:
    """Named by its column."""
    with pytest.raises(ValueRejected, match="default, column 'd': expected a whole number"):
        await abc.add_column(Column("d", ColumnType.INT), default="x")


CHANGES = {
    COLUMN_ADD: lambda grid: grid.add_column(Column("d"), default="z"),
    COLUMN_REMOVE: lambda grid: grid.remove_column("b"),
    COLUMN_MOVE: lambda grid: grid.move_column("a", 2),
    COLUMN_UPDATE: lambda grid: grid.update_column("a", new_name="n"),
}


@pytest.mark.parametrize("topic", list(CHANGES))
async def test_a_veto_keeps_the_columns_as_they_were(bus: Bus, abc: Grid, facts: Recorder, topic: Any) -> None:
    """And the rows."""

    def refuse(draft: Draft[Any]) -> None:
        raise Veto("no")

    before = abc.rows()
    bus.intercept(topic, refuse)
    with pytest.raises(Vetoed):
        await CHANGES[topic](abc)
    assert abc.rows() == before
    assert facts.topics == []
    await abc.update("1", {"a": 9})
    assert abc.get("1")["a"] == 9


async def test_interceptors_may_change_a_change_of_columns(bus: Bus, abc: Grid, facts: Recorder) -> None:
    """What they leave is checked and told."""
    bus.intercept(COLUMN_ADD, lambda draft: attrs.evolve(draft.payload, column=Column("e"), index=0))
    bus.intercept(COLUMN_MOVE, lambda draft: attrs.evolve(draft.payload, new=1))
    bus.intercept(
        COLUMN_UPDATE, lambda draft: attrs.evolve(draft.payload, new=attrs.evolve(draft.payload.new, title="T"))
    )
    assert await abc.add_column(Column("d"), default="z") == Column("e")
    assert [row["e"] for row in abc] == ["z", "z"]
    await abc.move_column("e", 3)
    assert names(abc) == ["a", "e", "b", "c"]
    assert [dict(row) for row in abc] == [
        {"a": 1, "e": "z", "b": "x", "c": 1.5},
        {"a": 2, "e": "z", "b": "y", "c": 2.5},
    ]
    await abc.move_column("e", 3)
    assert (await abc.update_column("e", hidden=True)) == Column("e", title="T", hidden=True)
    assert facts.topics == ["column:add", "column:move", "column:update"]


async def test_an_interceptor_cannot_change_a_column_s_type(bus: Bus, abc: Grid) -> None:
    """Its cells would not fit any more."""
    bus.intercept(COLUMN_UPDATE, lambda draft: attrs.evolve(draft.payload, new=Column("a", ColumnType.TEXT)))
    with pytest.raises(ColumnError, match="is int and stays it"):
        await abc.update_column("a", title="x")
    bus.intercept(COLUMN_ADD, lambda draft: attrs.evolve(draft.payload, column=Column("d", ColumnType.BOOL)))
    with pytest.raises(ValueRejected, match="expected true or false"):
        await abc.add_column(Column("d"), default="z")
    assert abc.columns == (A, B, C)


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("topic", [COLUMN_ADD, COLUMN_REMOVE, COLUMN_MOVE])
async def test_rows_that_change_while_columns_do_are_not_lost(bus: Bus, abc: Grid, facts: Recorder, topic: Any) -> None:
    """Created, updated, deleted and created again: all as they are at the moment of the change, in their order."""
    held, opened = anyio.Event(), anyio.Event()

    async def hold(draft: Draft[Any]) -> None:
        held.set()
        await opened.wait()

    bus.intercept(topic, hold)
    await abc.create_many([{"a": 3}, {"a": 4}])
    async with anyio.create_task_group() as group:
        group.start_soon(CHANGES[topic], abc)
        await held.wait()
        await abc.update("1", {"a": 11})
        await abc.delete("2")
        await abc.delete("3")
        await abc.create({"a": 5})
        await abc.create({"a": 6})
        await abc.update("5", {"a": 55})
        await abc.create({"a": 33}, id="3")
        await abc.delete("6")
        opened.set()
    assert [(row.id, row["a"]) for row in abc] == [("1", 11), ("4", 4), ("5", 55), ("3", 33)]
    assert abc._store.journals == []


@pytest.mark.usefixtures("any_size")
async def test_columns_may_change_while_columns_change(bus: Bus, abc: Grid) -> None:
    """Each is applied to the columns that there are when its turn comes."""
    opened = anyio.Event()

    async def hold(draft: Draft[Any]) -> None:
        await opened.wait()

    handle = bus.intercept(COLUMN_ADD, hold)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: abc.add_column(Column("d"), default="z"))
        group.start_soon(lambda: abc.add_column(Column("e"), index=0))
        await settle()
        await abc.remove_column("a")
        await abc.load(None, [("v", 9.5)], replace=True)
        opened.set()
    handle.close()
    assert names(abc) == ["e", "b", "c", "d"]
    assert [dict(row) for row in abc] == [{"e": None, "b": "v", "c": 9.5, "d": "z"}]


@pytest.mark.usefixtures("any_size")
async def test_rows_that_are_replaced_while_a_column_joins_get_its_cell(bus: Bus, abc: Grid) -> None:
    """The columns are the same ones, the rows are not."""
    opened = anyio.Event()

    async def hold(draft: Draft[Any]) -> None:
        await opened.wait()

    bus.intercept(COLUMN_ADD, hold)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: abc.add_column(Column("d"), default="z"))
        await settle()
        await abc.load(None, [(7, "v", 9.5)], replace=True)
        opened.set()
    assert [dict(row) for row in abc] == [{"a": 7, "b": "v", "c": 9.5, "d": "z"}]


async def test_a_column_removed_meanwhile_is_not_removed_twice(bus: Bus, abc: Grid) -> None:
    """The second finds it gone."""
    opened = anyio.Event()

    async def hold(draft: Draft[Any]) -> None:
        await opened.wait()

    bus.intercept(COLUMN_REMOVE, hold)
    errors: list[ColumnError] = []

    async def remove() -> None:
        try:
            await abc.remove_column("b")
        except ColumnError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(remove)
        group.start_soon(remove)
        await settle()
        opened.set()
    assert len(errors) == 1
    assert names(abc) == ["a", "c"]


@pytest.mark.usefixtures("big")
async def test_cancelling_a_change_of_columns_leaves_them_as_they_were(bus: Bus, abc: Grid) -> None:
    """And nothing that would go on noting changes."""

    async def hold(draft: Draft[Any]) -> None:
        await anyio.sleep_forever()

    bus.intercept(COLUMN_ADD, hold)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: abc.add_column(Column("d")))
        await settle()
        group.cancel_scope.cancel()
    assert abc.columns == (A, B, C)
    assert abc._store.journals == []


async def test_rows_read_before_a_change_of_columns_stay_readable(abc: Grid) -> None:
    """By the columns they had."""
    row, snapshot = abc.get("1"), await abc.snapshot()
    await abc.remove_column("a")
    assert row["a"] == 1
    assert snapshot.records(["a", "b"]) == [(1, "x"), (2, "y")]
    with pytest.raises(ColumnError):
        abc.get("1")["a"]


async def test_a_filter_on_a_removed_column_is_refused_later(abc: Grid) -> None:
    """It names what is missing."""
    await abc.remove_column("a")
    with pytest.raises(QueryError, match="no column is named 'a'"):
        await abc.filter(Compare("a", "eq", 1))
