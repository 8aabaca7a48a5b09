"""Creating, updating and deleting rows."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus, Draft, Overflow
from gridbus.errors import (
    ColumnError,
    MailboxFull,
    RowNotFound,
    RowsRejected,
    ValueRejected,
    Veto,
)
from gridbus.grid import (
    COLUMN_ADD,
    ROW_CREATE,
    ROW_DELETE,
    ROW_DESELECT,
    ROW_REJECT,
    ROW_UPDATE,
    Change,
    Column,
    ColumnType,
    Grid,
    RowCreated,
    RowDeleted,
    RowRejected,
    RowUpdated,
)
from gridbus.testing import Recorder, settle

EMPTY = {"name": None, "age": None, "score": None, "active": None, "born": None, "seen": None}


async def refuse(draft: Draft[Any]) -> None:
    """Refuse whatever it is."""
    raise Veto("not today")


async def test_a_created_row_is_in_the_grid_and_told_with_all_its_cells(grid: Grid, events: Recorder) -> None:
    """Columns that were left out are empty, and values are as the column stores them."""
    row = await grid.create({"name": "Ada", "score": 7})
    assert grid.get("1") == row
    assert events.payloads(ROW_CREATE) == [RowCreated("1", {**EMPTY, "name": "Ada", "score": 7.0})]


async def test_an_update_is_told_with_old_and_new_cells(grid: Grid, events: Recorder) -> None:
    """Cells that stay as they were are not mentioned."""
    await grid.create({"name": "Ada", "age": 36})
    row = await grid.update("1", {"name": "Ada", "age": 37})
    assert row["age"] == grid.get("1")["age"] == 37
    assert events.payloads(ROW_UPDATE) == [RowUpdated("1", {"age": 36}, {"age": 37})]


async def test_an_update_that_changes_nothing_publishes_nothing(grid: Grid, events: Recorder) -> None:
    """It is no error either."""
    await grid.create({"name": "Ada", "score": 1.0})
    row = await grid.update("1", {"name": "Ada", "score": 1})
    assert row == grid.get("1")
    assert events.topics == ["row:create"]


async def test_a_deleted_row_is_told_with_its_last_cells_and_leaves_the_selection(grid: Grid, events: Recorder) -> None:
    """The deselection follows the deletion."""
    await grid.create({"name": "Ada"})
    await grid.select("1")
    row = await grid.delete("1")
    assert row["name"] == "Ada"
    assert "1" not in grid
    assert grid.selection == ()
    assert events.payloads(ROW_DELETE) == [RowDeleted("1", {**EMPTY, "name": "Ada"})]
    assert events.topics[-2:] == ["row:delete", "row:deselect"]


async def test_the_deselection_of_a_deleted_row_cannot_be_refused(
    bus: Bus, grid: Grid, events: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """The row is gone, so a veto is logged and changes nothing."""
    await grid.create({})
    await grid.select("1")
    bus.intercept(ROW_DESELECT, refuse)
    await grid.delete("1")
    assert grid.selection == ()
    assert "row:deselect" in caplog.text
    assert events.topics[-1] == "row:delete"


@pytest.mark.parametrize("change", [Change.UPDATE, Change.DELETE])
async def test_a_row_that_is_not_there_is_told_as_rejected(grid: Grid, events: Recorder, change: Change) -> None:
    """The error says which, and the fact says what was tried."""
    with pytest.raises(RowNotFound, match="'9'"):
        await (grid.update("9", {"age": 1}) if change is Change.UPDATE else grid.delete("9"))
    values = {"age": 1} if change is Change.UPDATE else {}
    assert events.payloads(ROW_REJECT) == [RowRejected(change, "9", values, "no row has the id '9'", "grid")]
    with pytest.raises(RowNotFound):
        grid.get("9")


async def test_values_that_do_not_fit_leave_the_row_as_it_was(grid: Grid, events: Recorder) -> None:
    """Also the cells that would have fitted."""
    await grid.create({"name": "Ada", "age": 36})
    with pytest.raises(ValueRejected, match="row '1', column 'age': expected a whole number, got text 'x'"):
        await grid.update("1", {"name": "Bob", "age": "x"})
    with pytest.raises(ColumnError, match="did you mean 'name'"):
        await grid.update("1", {"nam": "Bob"})
    assert grid.get("1")["name"] == "Ada"
    assert [(fact.change, fact.id, fact.by) for fact in events.payloads(ROW_REJECT)] == [
        (Change.UPDATE, "1", "grid"),
        (Change.UPDATE, "1", "grid"),
    ]


async def test_a_mailbox_that_refuses_keeps_the_change_out(bus: Bus, grid: Grid) -> None:
    """The subscriber asked to see every change or none."""
    blocked = anyio.Event()

    async def handler(event: object) -> None:
        await blocked.wait()

    bus.on(ROW_CREATE, handler, capacity=1, overflow=Overflow.FAIL)
    for _ in range(2):
        await grid.create({})
        await settle()
    with pytest.raises(MailboxFull):
        await grid.create({})
    assert len(grid) == 2
    blocked.set()


async def test_who_changes_the_grid_is_the_source_of_the_fact(grid: Grid, events: Recorder) -> None:
    """The application by default."""
    await grid.create({})
    await grid.update("1", {"age": 1}, source="importer")
    await grid.delete("1", source="importer")
    assert [event.source for event in events.events] == ["app", "importer", "importer"]


async def test_each_of_many_rows_has_its_own_fact(grid: Grid, events: Recorder) -> None:
    """Each listener sees each row."""
    rows = await grid.create_many([{"age": age} for age in range(100)])
    assert [row.id for row in rows] == [str(number) for number in range(1, 101)]
    await grid.update_many({"1": {"age": 50}, "2": {"age": 51}})
    await grid.delete_many(["3", "4"])
    assert len(events.of(ROW_CREATE)) == 100
    assert len(events.of(ROW_UPDATE)) == 2
    assert len(events.of(ROW_DELETE)) == 2
    assert len(grid) == 98


async def test_a_refused_row_does_not_keep_out_the_others(grid: Grid, events: Recorder) -> None:
    """The error at the end names each that was refused and holds those that were not."""
    with pytest.raises(RowsRejected, match="2 of 4 rows were not created") as caught:
        await grid.create_many([{"age": 1}, {"age": "x"}, {"agee": 1}, {"age": 2}])
    assert [row["age"] for row in caught.value.done] == [1, 2]
    assert {index: type(error) for index, error in caught.value.rejected.items()} == {1: ValueRejected, 2: ColumnError}
    assert events.topics == ["row:create", "row:reject", "row:reject", "row:create"]
    with pytest.raises(RowsRejected, match="1 of 2 rows were not updated") as caught:
        await grid.update_many({"1": {"age": 5}, "9": {"age": 6}})
    assert list(caught.value.rejected) == ["9"]
    with pytest.raises(RowsRejected, match="1 of 2 rows were not deleted"):
        await grid.delete_many(["1", "9"])
    assert len(grid) == 1


async def test_many_changes_let_others_run(grid: Grid) -> None:
    """A call with a thousand rows does not hold the loop until its end."""
    turns = 0
    async with anyio.create_task_group() as group:

        async def count() -> None:
            nonlocal turns
            while len(grid) < 1000:
                turns += 1
                await asyncio.sleep(0)

        group.start_soon(count)
        await grid.create_many({"age": age} for age in range(1000))
    assert turns > 5


async def test_a_grid_without_columns_takes_those_of_its_first_row(bus: Bus) -> None:
    """Each is told, before the row."""
    async with Grid(bus) as grid:
        with Recorder(bus) as events:
            await grid.create({"name": "Ada", "age": 36, "note": None})
        assert grid.columns == (Column("name"), Column("age", ColumnType.INT), Column("note"))
        assert events.topics == ["column:add", "column:add", "column:add", "row:create"]
        with pytest.raises(ColumnError):
            await grid.create({"fax": "1"})


async def test_two_first_rows_at_once_share_their_columns(bus: Bus) -> None:
    """The grid takes the columns of both."""
    async with Grid(bus) as grid:
        bus.intercept(COLUMN_ADD, lambda draft: asyncio.sleep(0))
        await asyncio.gather(grid.create({"a": 1, "b": 2}), grid.create({"a": 3, "c": 4}))
        assert {column.name for column in grid.columns} == {"a", "b", "c"}
        assert sorted((row["a"], row["b"], row["c"]) for row in grid) == [(1, 2, None), (3, None, 4)]


async def test_a_first_row_that_no_column_can_hold_is_rejected(bus: Bus) -> None:
    """Before any column is added."""
    async with Grid(bus) as grid:
        with pytest.raises(ValueRejected, match="'b' holds values of type list"):
            await grid.create({"a": 1, "b": [2]})
        assert grid.columns == ()


async def test_iterating_is_not_disturbed_by_changes(grid: Grid) -> None:
    """It shows the rows as they were when it began."""
    await grid.create_many([{"age": 1}, {"age": 2}])
    seen = []
    for row in grid:
        await grid.delete(row.id)
        seen.append(row["age"])
    assert seen == [1, 2]
    assert grid.rows() == []
