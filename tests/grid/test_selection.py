"""Selecting rows."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from gridbus.bus import Bus, Draft
from gridbus.errors import RowNotFound, Veto, Vetoed
from gridbus.grid import ROW_DESELECT, ROW_SELECT, Grid, RowsDeselected, RowsSelected
from gridbus.testing import Recorder


@pytest.fixture
async def rows(grid: Grid) -> Grid:
    """A grid with rows '1' to '4'."""
    await grid.load(None, [{"age": age} for age in range(4)])
    return grid


async def test_rows_join_the_selection_in_order_and_once(rows: Grid, events: Recorder) -> None:
    """Only those that join are told."""
    assert await rows.select(["3", "1", "3"]) == ("3", "1")
    assert await rows.select(["1", "2"]) == ("2",)
    assert await rows.select(["1"]) == ()
    assert rows.selection == ("3", "1", "2")
    assert events.payloads(ROW_SELECT) == [RowsSelected(("3", "1")), RowsSelected(("2",))]


async def test_rows_leave_the_selection(rows: Grid, events: Recorder) -> None:
    """Some, or all; those that were not in it are not told."""
    await rows.select(["3", "1", "2"])
    assert await rows.deselect(["1", "4", "9"]) == ("1",)
    assert await rows.deselect() == ("3", "2")
    assert await rows.deselect() == ()
    assert rows.selection == ()
    assert events.payloads(ROW_DESELECT) == [RowsDeselected(("1",)), RowsDeselected(("3", "2"))]


async def test_a_text_is_one_id(grid: Grid) -> None:
    """Not many of one letter."""
    await grid.create({}, id="12")
    assert await grid.select("12") == ("12",)
    assert await grid.deselect("12") == ("12",)


async def test_a_row_that_is_not_there_cannot_be_selected(rows: Grid, events: Recorder) -> None:
    """Nor can the others of the same call."""
    with pytest.raises(RowNotFound, match="'9'"):
        await rows.select(["1", "9"])
    assert rows.selection == ()
    assert events.of(ROW_SELECT) == []


async def test_interceptors_may_change_or_refuse(bus: Bus, rows: Grid, events: Recorder) -> None:
    """What they leave is selected."""
    handle = bus.intercept(ROW_SELECT, lambda draft: attrs.evolve(draft.payload, ids=draft.payload.ids[:1]))
    assert await rows.select(["1", "2"]) == ("1",)
    handle.close()
    handle = bus.intercept(ROW_SELECT, lambda draft: attrs.evolve(draft.payload, ids=("1",)))
    assert await rows.select(["2"]) == ()
    handle.close()

    def refuse(draft: Draft[Any]) -> None:
        raise Veto("no")

    bus.intercept("row:*", refuse)
    with pytest.raises(Vetoed):
        await rows.select("2")
    with pytest.raises(Vetoed):
        await rows.deselect()
    assert rows.selection == ("1",)
    assert len(events.of(ROW_SELECT)) == 1


async def test_a_deselection_that_came_true_meanwhile_publishes_nothing(bus: Bus, rows: Grid, events: Recorder) -> None:
    """The row was deleted while an interceptor looked."""
    await rows.select("1")

    async def delete(draft: Draft[Any]) -> None:
        if "1" in rows:
            await rows.delete("1")

    bus.intercept(ROW_DESELECT, delete)
    assert await rows.deselect("1") == ()
    assert len(events.of(ROW_DESELECT)) == 1


async def test_replacing_all_rows_ends_the_selection(rows: Grid, events: Recorder) -> None:
    """It is told after the load."""
    await rows.select(["1", "2"])
    await rows.load(None, [{"age": 9}], replace=True)
    assert rows.selection == ()
    assert events.topics[-2:] == ["data:load", "row:deselect"]
    assert events.payloads(ROW_DESELECT) == [RowsDeselected(("1", "2"))]
