"""Loading many rows at once."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.bus import Bus, Draft
from gridbus.errors import ColumnError, DuplicateRow, GridError, QueryError, ValueRejected, Veto, Vetoed
from gridbus.grid import DATA_LOAD, Column, ColumnType, DataLoaded, Grid, loader
from gridbus.grid.loader import Loader
from gridbus.grid.schema import Schema
from gridbus.grid.store import IdCounter
from gridbus.query import Compare
from gridbus.testing import Recorder

A, B = Column("a", ColumnType.INT), Column("b")


def loaded(
    rows: Any, schema: Schema | None = None, ids: Any = None, *, skip_bad: bool = False, id_column: Any = None
) -> Loader:
    """Read rows as a load does."""
    reader = Loader(schema, id_column, IdCounter(), skip_bad=skip_bad)
    reader.read(rows, ids, lambda: None)
    return reader


async def test_a_load_is_one_fact(bus: Bus) -> None:
    """It says how much came from where; rows are read through the grid."""
    async with Grid(bus) as grid:
        with Recorder(bus) as events:
            fact = await grid.load(
                (A, B), [(1, "x"), (2, None)], source="people.csv", skipped=1, problems=["line 3: too short"]
            )
        assert events.topics == ["data:load"]
        assert events.payloads(DATA_LOAD) == [fact]
        assert fact == DataLoaded("grid", 2, (A, B), "people.csv", 1, ("line 3: too short",))
        assert [(row.id, dict(row)) for row in grid] == [("1", {"a": 1, "b": "x"}), ("2", {"a": 2, "b": None})]


async def test_columns_are_found_in_the_rows(bus: Bus) -> None:
    """In the order in which they first appear; rows without a cell have an empty one."""
    rows = [{"name": "Ada", "pay": 1}, {"pay": 1.5, "on": date(2026, 1, 1)}, {"name": None, "left": None}]
    async with Grid(bus, rows=rows) as grid:
        assert grid.columns == (
            Column("name"),
            Column("pay", ColumnType.FLOAT),
            Column("on", ColumnType.DATE),
            Column("left"),
        )
        assert [row["pay"] for row in grid] == [1.0, 1.5, None]


async def test_a_grid_s_own_columns_hold_for_rows_without_any(bus: Bus) -> None:
    """Cells are converted to them."""
    async with Grid(bus, columns=[Column("a", ColumnType.FLOAT)], rows=[{"a": 1}]) as grid:
        assert grid.rows()[0]["a"] == 1.0
        with pytest.raises(GridError, match="holds 1 rows"):
            await grid.load(None, [])
        await grid.load(None, [], replace=True)
        assert len(grid) == 0


async def test_replacing_takes_the_place_of_rows_and_columns(bus: Bus) -> None:
    """Numbers go on counting, so that no id ever means another row."""
    async with Grid(bus, rows=[{"x": 1}, {"x": 2}]) as grid:
        await grid.load((A,), [(5,)], replace=True)
        assert [(row.id, dict(row)) for row in grid] == [("3", {"a": 5})]
        assert grid.columns == (A,)


async def test_replacing_refuses_columns_that_the_filter_cannot_do_without(bus: Bus) -> None:
    """Rows, columns and filter stay."""
    async with Grid(bus, rows=[{"x": 1}, {"x": 2}]) as grid:
        await grid.filter(Compare("x", "gt", 1))
        with pytest.raises(QueryError, match="no column is named 'x'"):
            await grid.load((A,), [(5,)], replace=True)
        with pytest.raises(QueryError, match="'x' is text"):
            await grid.load((Column("x"),), [("5",)], replace=True)
        assert [row["x"] for row in (await grid.view()).rows] == [2]
        await grid.load((A, Column("x", ColumnType.FLOAT)), [(5, 0.5), (6, 1.5)], replace=True)
        assert [row["a"] for row in (await grid.view()).rows] == [6]


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ((1,), ValueRejected, "row 3 of the data: 1 cells for 2 columns"),
        ((1, "x", 2), ValueRejected, "row 3 of the data: 3 cells for 2 columns"),
        (("1", "x"), ValueRejected, "row 3 of the data, column 'a': expected a whole number, got text '1'"),
        ({"a": 1, "c": 1}, ColumnError, "row 3 of the data: no column is named 'c'"),
        ("ab", ValueRejected, "row 3 of the data: a row is a mapping or a sequence"),
        (7, ValueRejected, "row 3 of the data: a row is a mapping or a sequence"),
    ],
)
async def test_a_row_that_does_not_fit_is_refused_by_number_or_left_out(
    bus: Bus, row: Any, error: type[Exception], message: str
) -> None:
    """Without ``skip_bad`` nothing is loaded; with it the others are, and the fact counts and explains."""
    rows = [(1, "x"), {"a": 2}, row, [4, "y"]]
    async with Grid(bus, columns=(A, B)) as grid:
        with pytest.raises(error, match=message):
            await grid.load(None, rows)
        assert len(grid) == 0
        fact = await grid.load(None, rows, skip_bad=True)
        assert (fact.rows, fact.skipped, len(fact.problems)) == (3, 1, 1)
        assert message in fact.problems[0]
        assert [(found.id, found["a"]) for found in grid] == [("1", 1), ("2", 2), ("3", 4)]


async def test_ids_come_from_the_id_column(bus: Bus) -> None:
    """Missing and repeated ones are refused by row and column, or left out: the first stays."""
    rows = [(7, "x"), (None, "y"), (7, "z"), (8, "w")]
    async with Grid(bus, columns=(A, B), id_column="a") as grid:
        with pytest.raises(ValueRejected, match="row 2 of the data, column 'a': a row's id must not be empty"):
            await grid.load(None, rows)
        with pytest.raises(DuplicateRow, match="row 2 of the data, column 'a': an earlier row has the id '7'"):
            await grid.load(None, [rows[0], rows[2]])
        fact = await grid.load(None, rows, skip_bad=True)
        assert fact.skipped == 2
        assert [(row.id, row["b"]) for row in grid] == [("7", "x"), ("8", "w")]


async def test_repeated_ids_are_found_however_far_apart(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later row is left out."""
    monkeypatch.setattr(loader, "_CHUNK", 2)
    rows = [(1, "x"), (2, "x"), (3, "x"), (4, "x"), (5, "x"), (1, "y")]
    async with Grid(bus, columns=(A, B), id_column="a") as grid:
        fact = await grid.load(None, rows, skip_bad=True)
        assert (fact.rows, fact.skipped) == (5, 1)
        assert grid.get("1")["b"] == "x"


async def test_a_load_without_the_id_column_is_refused(bus: Bus) -> None:
    """There would be no ids."""
    async with Grid(bus, id_column="code") as grid:
        with pytest.raises(ColumnError, match="no column is named 'code'"):
            await grid.load((A,), [(1,)])
    with pytest.raises(ColumnError, match="no column is named 'code'"):
        Grid(bus, columns=(A,), id_column="code")


async def test_ids_may_be_given_as_the_source_wrote_them(bus: Bus) -> None:
    """Such as with leading zeros; they are checked like all others."""
    async with Grid(bus, columns=(A, B), id_column="a") as grid:
        await grid.load(None, [(7, "x"), (8, "y")], ids=["007", "008"])
        assert [row.id for row in grid] == ["007", "008"]
        with pytest.raises(DuplicateRow, match="an earlier row has the id '1'"):
            await grid.load(None, [(7, "x"), (8, "y")], ids=["1", "1"], replace=True)
        with pytest.raises(GridError, match="row 2 of the data has no id"):
            await grid.load(None, [(7, "x"), (8, "y")], ids=["1"], replace=True)
        with pytest.raises(ValueRejected, match="must not be empty"):
            await grid.load(None, [(7, "x")], ids=[""], replace=True)
        assert len(grid) == 2


async def test_given_ids_are_not_handed_out_again(bus: Bus) -> None:
    """The next number follows the largest."""
    async with Grid(bus, columns=(A,)) as grid:
        await grid.load(None, [(1,), (2,)], ids=["7", "x"])
        assert (await grid.create({})).id == "8"


async def test_a_refused_load_takes_no_numbers(bus: Bus) -> None:
    """Whatever refused it."""

    def refuse(draft: Draft[Any]) -> None:
        raise Veto("no")

    async with Grid(bus, columns=(A,)) as grid:
        with pytest.raises(ValueRejected):
            await grid.load(None, [(1,), (2,), ("x",)])
        handle = bus.intercept(DATA_LOAD, refuse)
        with pytest.raises(Vetoed):
            await grid.load(None, [(1,), (2,)])
        handle.close()
        assert len(grid) == 0
        await grid.load(None, [(1,)])
        assert [row.id for row in grid] == ["1"]


async def test_a_load_that_others_got_ahead_of_is_refused(bus: Bus) -> None:
    """Their rows are not replaced unasked."""
    async with Grid(bus, columns=(A,)) as grid:

        async def create(draft: Draft[Any]) -> None:
            await grid.create({"a": 9})

        bus.intercept(DATA_LOAD, create)
        with pytest.raises(GridError, match="holds 1 rows"):
            await grid.load(None, [(1,)])
        assert [(row.id, row["a"]) for row in grid] == [("2", 9)]


async def test_a_generator_is_read_in_a_thread(bus: Bus) -> None:
    """It may wait for a file; the loop goes on."""
    go, threads = threading.Event(), []

    def rows() -> Iterator[tuple[int]]:
        threads.append(threading.current_thread())
        assert go.wait(10)
        yield (1,)

    async with Grid(bus, columns=(A,)) as grid, anyio.create_task_group() as group:
        group.start_soon(grid.load, None, rows())
        await anyio.lowlevel.checkpoint()
        go.set()
    assert threads[0] is not threading.main_thread()
    assert len(grid) == 1


async def test_cancelling_a_load_leaves_the_grid_as_it_was(bus: Bus) -> None:
    """The thread ends soon after."""
    started, asked = anyio.Event(), threading.Event()
    ended = threading.Event()

    def rows() -> Iterator[tuple[int]]:
        try:
            for number in range(10**9):
                if number == 10_000:
                    anyio.from_thread.run_sync(started.set)
                    assert asked.wait(10)
                yield (number,)
        finally:
            ended.set()

    async with Grid(bus, columns=(A,)) as grid:
        async with anyio.create_task_group() as group:
            group.start_soon(grid.load, None, rows())
            await started.wait()
            group.cancel_scope.cancel()
        asked.set()
        assert len(grid) == 0
        assert await anyio.to_thread.run_sync(ended.wait, 10)


def test_nan_is_loaded_as_an_empty_cell() -> None:
    """In bulk as one by one."""
    schema = Schema((Column("f", ColumnType.FLOAT),))
    rows = [(1.0,), (math.nan,), (math.inf,), (-math.inf,), (None,)]
    assert [cells[0] for cells in loaded(rows, schema).rows.values()] == [1.0, None, math.inf, -math.inf, None]


def test_only_the_first_problems_are_told() -> None:
    """All are counted."""
    reader = loaded([(str(number),) for number in range(50)], Schema((A,)), skip_bad=True)
    assert reader.skipped == 50
    assert len(reader.problems) == loader.MOST_PROBLEMS


def test_mappings_of_any_kind_are_rows() -> None:
    """They need not be dictionaries."""
    rows: list[Mapping[str, Any]] = [OrderedDict(a=1), {"b": "x"}]
    assert list(loaded(rows).rows.values()) == [(1, None, "1"), (None, "x", "2")]
    with pytest.raises(ColumnError, match="row 2 of the data: without columns a row is a mapping"):
        loaded([{"a": 1}, (2,)])


CELL = st.one_of(st.none(), st.integers(0, 3), st.sampled_from([0.5, math.nan]), st.booleans(), st.sampled_from("xy"))


@given(
    st.lists(st.lists(CELL, min_size=2, max_size=2).map(tuple) | st.dictionaries(st.sampled_from("ab"), CELL)),
    st.sampled_from(list(ColumnType)),
    st.sampled_from([None, "a", "b"]),
    st.integers(1, 5),
)
def test_rows_loaded_in_bulk_are_those_loaded_one_by_one(
    rows: list[Any], kind: ColumnType, id_column: str | None, chunk: int
) -> None:
    """The fast way and the careful way agree about cells, ids and problems."""
    schema = Schema((Column("a", kind), B))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "_CHUNK", chunk)
        fast = loaded(rows, schema, skip_bad=True, id_column=id_column)
        patch.setattr(Loader, "_fitting", lambda self, chunk: None)
        careful = loaded(rows, schema, skip_bad=True, id_column=id_column)
    assert list(fast.rows.items()) == list(careful.rows.items())
    assert (fast.skipped, fast.problems) == (careful.skipped, careful.problems)
    for row_id, cells in fast.rows.items():
        assert cells[-1] == row_id
        assert len(cells) == 3
