"""Ids of rows."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from gridbus.bus import Bus, Draft
from gridbus.errors import (
    DuplicateRow,
    ValueRejected,
    Veto,
    Vetoed,
)
from gridbus.grid import (
    ROW_CREATE,
    ROW_REJECT,
    ROW_UPDATE,
    Change,
    Column,
    ColumnType,
    Grid,
    RowCreated,
)
from gridbus.testing import Recorder


async def refuse(draft: Draft[Any]) -> None:
    """Refuse whatever it is."""
    raise Veto("not today")


async def test_rows_are_numbered_and_numbers_never_used_again(grid: Grid) -> None:
    """Also where the last row went, or somebody chose a number."""
    assert [(await grid.create({})).id for _ in range(2)] == ["1", "2"]
    await grid.delete("2")
    assert (await grid.create({})).id == "3"
    await grid.create({}, id="7")
    assert (await grid.create({})).id == "8"
    await grid.create({}, id="x9")
    assert (await grid.create({})).id == "9"


async def test_a_refused_row_takes_no_number(bus: Bus, grid: Grid) -> None:
    """The next row gets it."""
    handle = bus.intercept(ROW_CREATE, refuse)
    with pytest.raises(Vetoed):
        await grid.create({})
    handle.close()
    assert (await grid.create({})).id == "1"


async def test_concurrent_creates_get_different_numbers(bus: Bus, grid: Grid) -> None:
    """Also while interceptors look at them, and one of them is refused."""

    async def look(draft: Draft[RowCreated]) -> None:
        await asyncio.sleep(0)
        if draft.payload.values["age"] == 1:
            raise Veto("no")

    bus.intercept(ROW_CREATE, look)
    results = await asyncio.gather(*(grid.create({"age": age}) for age in range(3)), return_exceptions=True)
    assert [isinstance(result, Vetoed) for result in results] == [False, True, False]
    assert [(await grid.create({})).id for _ in range(2)] == ["4", "5"]
    assert [row.id for row in grid] == ["1", "3", "4", "5"]


async def test_a_taken_id_is_refused(grid: Grid, events: Recorder) -> None:
    """The row there stays as it is."""
    await grid.create({"name": "Ada"}, id="a")
    with pytest.raises(DuplicateRow, match="'a' exists already"):
        await grid.create({"name": "Bob"}, id="a")
    assert grid.get("a")["name"] == "Ada"
    [rejected] = events.payloads(ROW_REJECT)
    assert (rejected.change, rejected.id, rejected.values, rejected.by) == (
        Change.CREATE,
        "a",
        {"name": "Bob"},
        "grid",
    )


@pytest.mark.parametrize("row_id", ["", 7, ["a"]])
async def test_an_id_is_a_text(grid: Grid, row_id: Any) -> None:
    """Of one character at least."""
    with pytest.raises(ValueRejected, match="an id is a text"):
        await grid.create({}, id=row_id)
    assert len(grid) == 0


@pytest.fixture
async def keyed(bus: Bus) -> Grid:
    """A grid whose ids are in a column."""
    grid = Grid(bus, name="keyed", columns=[Column("code", ColumnType.INT), Column("name")], id_column="code")
    await grid.open()
    return grid


async def test_an_id_column_gives_the_ids(keyed: Grid) -> None:
    """As text; an id that is said has to be the same."""
    assert (await keyed.create({"code": 7})).id == "7"
    assert (await keyed.create({"code": 8}, id="8")).id == "8"
    with pytest.raises(ValueRejected, match="cannot be '10'"):
        await keyed.create({"code": 9}, id="10")
    with pytest.raises(DuplicateRow):
        await keyed.create({"code": 7})
    with pytest.raises(ValueRejected, match="must not be empty"):
        await keyed.create({"name": "Ada"})


async def test_an_id_cell_cannot_change(bus: Bus, keyed: Grid) -> None:
    """Neither by a caller nor by an interceptor; the same value is no change."""
    await keyed.create({"code": 7})
    assert (await keyed.update("7", {"code": 7, "name": "Ada"}))["name"] == "Ada"
    with pytest.raises(ValueRejected, match="it is the row's id"):
        await keyed.update("7", {"code": 8})
    bus.intercept(ROW_UPDATE, lambda draft: attrs.evolve(draft.payload, new={"code": 8}))
    with pytest.raises(ValueRejected, match="it is the row's id"):
        await keyed.update("7", {"name": "Bob"})
    assert keyed.get("7")["name"] == "Ada"


async def test_an_interceptor_that_changes_the_id_cell_changes_the_id(bus: Bus, keyed: Grid) -> None:
    """The two never differ."""
    bus.intercept(ROW_CREATE, lambda draft: attrs.evolve(draft.payload, values={"code": 9}))
    assert (await keyed.create({"code": 7})).id == "9"
