"""Reading and writing a grid over channels."""

from __future__ import annotations

from typing import Any

import pytest

from gridbus.bus import Bus
from gridbus.channels.grid import (
    GRID_READ,
    GRID_STREAM,
    GRID_WRITE,
    MOST_ROWS,
    GridPage,
    GridQuery,
    GridWrite,
    RowChange,
    RowOutcome,
    RowScope,
)
from gridbus.errors import AmbiguousServer, NoServer, RemoteError, Veto
from gridbus.grid import ROW_CREATE, Change, Column, ColumnType, Grid
from gridbus.query import Compare, SortKey
from gridbus.testing import Recorder

COLUMNS = (Column("name"), Column("age", ColumnType.INT), Column("note", hidden=True))


@pytest.fixture
async def people(bus: Bus) -> Any:
    """Five rows, of which the view shows three, sorted, two per page."""
    async with Grid(bus, name="people", columns=COLUMNS) as grid:
        await grid.load(None, [(name, age, None) for name, age in zip("abcde", (36, 25, 41, None, 52), strict=True)])
        await grid.filter(Compare("age", "gt", 30))
        await grid.sort(SortKey("age", desc=True))
        await grid.page(1, 2)
        await grid.select(["4", "1"])
        yield grid


async def test_visible_rows_are_read_by_default(bus: Bus, people: Grid) -> None:
    """In the order of the view, without hidden columns, with all counts."""
    page = await bus.ask(GRID_READ, GridQuery())
    assert page == GridPage(
        grid="people",
        columns=COLUMNS[:2],
        ids=("5", "3", "1"),
        rows=(("e", 52), ("c", 41), ("a", 36)),
        offset=0,
        matching=3,
        total=5,
        version=page.version,
    )
    assert page.next_offset is None


@pytest.mark.parametrize(
    ("query", "ids", "matching"),
    [
        (GridQuery(limit=2), ["5", "3"], 3),
        (GridQuery(offset=2), ["1"], 3),
        (GridQuery(offset=9), [], 3),
        (GridQuery(limit=0), [], 3),
        (GridQuery(RowScope.PAGE), ["5", "3"], 2),
        (GridQuery(RowScope.PAGE, limit=1), ["5"], 2),
        (GridQuery(RowScope.PAGE, offset=1), ["3"], 2),
        (GridQuery(RowScope.PAGE, offset=2), [], 2),
        (GridQuery(RowScope.ALL), ["1", "2", "3", "4", "5"], 5),
        (GridQuery(RowScope.ALL, offset=3, limit=1), ["4"], 5),
        (GridQuery(RowScope.SELECTED), ["4", "1"], 2),
        (GridQuery(ids=("3", "9", "2")), ["3", "2"], 2),
        (GridQuery(ids=("3", "9", "2"), offset=1), ["2"], 2),
    ],
)
async def test_a_query_says_which_rows(bus: Bus, people: Grid, query: GridQuery, ids: list[str], matching: int) -> None:
    """By scope or by id, some at a time; a stream gives all that follow, in parts."""
    page = await bus.ask(GRID_READ, query)
    assert (list(page.ids), page.matching, page.total) == (ids, matching, 5)
    if query.limit:
        found = []
        async with bus.ask_stream(GRID_STREAM, query) as pages:
            async for part in pages:
                assert len(part.ids) <= query.limit
                assert part.offset == query.offset + len(found)
                assert part.matching == matching
                found += part.ids
        assert found[: query.limit] == ids
        assert len(found) == max(0, matching - query.offset)


async def test_the_last_page_may_be_short(bus: Bus, people: Grid) -> None:
    """And one behind it empty."""
    await people.page(2, 2)
    page = await bus.ask(GRID_READ, GridQuery(RowScope.PAGE))
    assert (page.ids, page.matching) == (("1",), 1)
    await people.page(9, 2)
    page = await bus.ask(GRID_READ, GridQuery(RowScope.PAGE))
    assert (page.ids, page.matching) == ((), 0)


async def test_columns_are_chosen_by_name(bus: Bus, people: Grid) -> None:
    """Hidden ones too, in the order asked for."""
    page = await bus.ask(GRID_READ, GridQuery(columns=("note", "name"), limit=1))
    assert (page.columns, page.rows) == ((COLUMNS[2], COLUMNS[0]), ((None, "e"),))
    with pytest.raises(RemoteError, match="no column is named 'fax'") as caught:
        await bus.ask(GRID_READ, GridQuery(columns=("fax",)))
    assert caught.value.type_name == "ColumnError"


@pytest.mark.parametrize("query", [GridQuery(limit=MOST_ROWS + 1), GridQuery(limit=-1), GridQuery(offset=-1)])
async def test_a_reply_is_bounded(bus: Bus, people: Grid, query: GridQuery) -> None:
    """Nobody gets a million rows in one message."""
    with pytest.raises(RemoteError, match="is at least"):
        await bus.ask(GRID_READ, query)


async def test_parts_of_different_versions_tell_it(bus: Bus, people: Grid) -> None:
    """So whoever reads part by part knows that rows changed in between; a stream is of one moment."""
    first = await bus.ask(GRID_READ, GridQuery(limit=1))
    async with bus.ask_stream(GRID_STREAM, GridQuery(limit=1)) as pages:
        parts = [await anext(pages)]
        await people.update("1", {"name": "x", "age": 99})
        await people.delete("3")
        parts += [part async for part in pages]
    assert [part.rows[0] for part in parts] == [("e", 52), ("c", 41), ("a", 36)]
    assert {(part.version, part.total) for part in parts} == {(first.version, 5)}
    assert (await bus.ask(GRID_READ, GridQuery(limit=1))).version > first.version


async def test_changes_are_made_in_the_name_of_who_asks(bus: Bus, people: Grid) -> None:
    """One after the other; the reply tells each row as it is then."""
    changes = (
        RowChange(Change.CREATE, values={"name": "f", "age": 1}),
        RowChange(Change.UPDATE, "6", {"age": 2}),
        RowChange(Change.DELETE, "1"),
    )
    with Recorder(bus) as events:
        written = await bus.ask(GRID_WRITE, GridWrite(changes), source="importer")
    assert written.outcomes == (
        RowOutcome("6", {"name": "f", "age": 1, "note": None}),
        RowOutcome("6", {"name": "f", "age": 2, "note": None}),
        RowOutcome("1", {"name": "a", "age": 36, "note": None}),
    )
    assert events.topics == ["row:create", "row:update", "row:delete", "row:deselect"]
    assert {event.source for event in events.events} == {"importer"}


async def test_a_refused_change_is_told_and_the_others_are_made(bus: Bus, people: Grid) -> None:
    """By type and message of the error."""

    def guard(draft: Any) -> None:
        if draft.payload.values["age"] == 13:
            raise Veto("too young")

    bus.intercept(ROW_CREATE, guard)
    changes = (
        RowChange(Change.CREATE, values={"age": 13}),
        RowChange(Change.UPDATE, "9", {"age": 2}),
        RowChange(Change.UPDATE, None, {"age": 2}),
        RowChange(Change.CREATE, "x", {"age": 14}),
    )
    outcomes = (await bus.ask(GRID_WRITE, GridWrite(changes))).outcomes
    assert [outcome.error for outcome in outcomes] == ["Vetoed", "RowNotFound", "ValueRejected", None]
    assert "too young" in outcomes[0].message
    assert people.get("x")["age"] == 14


async def test_a_message_has_bounded_many_changes(bus: Bus, people: Grid) -> None:
    """None of them is made where there are more."""
    changes = (RowChange(Change.DELETE, "1"),) * (MOST_ROWS + 1)
    with pytest.raises(RemoteError, match="up to 10,000 changes"):
        await bus.ask(GRID_WRITE, GridWrite(changes))
    assert "1" in people


async def test_grids_of_one_bus_are_asked_by_name(bus: Bus, people: Grid) -> None:
    """A closed one answers no more."""
    async with Grid(bus, name="other"):
        with pytest.raises(AmbiguousServer):
            await bus.ask(GRID_READ, GridQuery())
        assert (await bus.ask(GRID_READ, GridQuery(), to="other")).total == 0
    with pytest.raises(NoServer):
        await bus.ask(GRID_READ, GridQuery(), to="other")
