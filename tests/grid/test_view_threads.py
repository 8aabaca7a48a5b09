"""Views of many rows, found in threads while the grid goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from gridbus.grid import (
    Grid,
)
from gridbus.grid.filtering import RowFilter
from gridbus.query import Compare, Page, SortKey

OLD = Compare("age", "gt", 30)


async def fill(grid: Grid, ages: Sequence[int | None] = (36, 25, None, 41, 30)) -> None:
    """Rows '1' and so on."""
    await grid.load(None, [{"age": age} for age in ages])


async def ids(grid: Grid, page: Page | None = None) -> list[str]:
    """The ids that are shown."""
    return [row.id for row in (await grid.view(page)).rows]


class Crossroads:
    """Stops work in threads until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.calls = 0
        select = RowFilter.select

        def waiting(row_filter: RowFilter, rows: Any) -> Any:
            self.calls += 1
            self.arrived.release()
            assert self.go.wait(10)
            return select(row_filter, rows)

        monkeypatch.setattr(RowFilter, "select", waiting)

    async def wait(self) -> None:
        """Return when a thread is at work."""
        assert await anyio.to_thread.run_sync(self.arrived.acquire, True, 10)


@pytest.fixture
def crossroads(big: None, monkeypatch: pytest.MonkeyPatch) -> Crossroads:
    """Filters stop in their threads."""
    return Crossroads(monkeypatch)


async def applied(grid: Grid, crossroads: Crossroads) -> None:
    """A filter is set, and its result not known any more."""
    crossroads.go.set()
    await grid.filter(OLD)
    await grid.create({"age": 50})
    crossroads.go.clear()
    crossroads.calls = 0
    while crossroads.arrived.acquire(blocking=False):
        pass


async def test_those_who_ask_at_once_share_the_work(grid: Grid, crossroads: Crossroads) -> None:
    """The filter runs once."""
    await fill(grid)
    await applied(grid, crossroads)
    results: list[list[str]] = []

    async def ask() -> None:
        results.append(await ids(grid))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
        await crossroads.wait()
        crossroads.go.set()
    assert results == [["1", "4", "6"]] * 3
    assert crossroads.calls == 1


async def test_the_loop_goes_on_while_a_filter_runs_and_later_questions_see_later_rows(
    grid: Grid, crossroads: Crossroads
) -> None:
    """What was asked before a change may not show it; what is asked after it does."""
    await fill(grid)
    await applied(grid, crossroads)
    early: list[str] = []
    late: list[str] = []

    async def ask(answer: list[str]) -> None:
        answer += await ids(grid)

    async with anyio.create_task_group() as group:
        group.start_soon(ask, early)
        await crossroads.wait()
        await grid.delete("1")
        await grid.update("4", {"age": 1})
        group.start_soon(ask, late)
        crossroads.go.set()
    assert early == ["1", "4", "6"]
    assert late == ["6"]


async def test_rows_are_shown_as_the_filter_saw_them(grid: Grid, crossroads: Crossroads) -> None:
    """A view never shows a row with cells that the filter would not let pass."""
    await fill(grid)
    await applied(grid, crossroads)
    shown: list[Any] = []

    async def ask() -> None:
        shown.extend(row["age"] for row in (await grid.view(Page(1, 10))).rows)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await crossroads.wait()
        await grid.update("4", {"age": 1})
        crossroads.go.set()
    assert shown == [36, 41, 50]


async def test_the_next_in_line_takes_up_what_a_cancelled_one_began(grid: Grid, crossroads: Crossroads) -> None:
    """Cancelling one who asks does not harm the others."""
    await fill(grid)
    await applied(grid, crossroads)
    first = anyio.CancelScope()
    results: list[list[str]] = []

    async def ask_and_leave() -> None:
        with first:
            await ids(grid)

    async def ask() -> None:
        results.append(await ids(grid))

    async with anyio.create_task_group() as group:
        group.start_soon(ask_and_leave)
        await crossroads.wait()
        group.start_soon(ask)
        await asyncio.sleep(0)
        first.cancel()
        await crossroads.wait()
        crossroads.go.set()
    assert first.cancelled_caught
    assert results == [["1", "4", "6"]]


async def test_a_sort_set_while_a_filter_runs_wins(grid: Grid, crossroads: Crossroads) -> None:
    """The rows found in the old order are not kept for the new one."""
    await fill(grid)
    await applied(grid, crossroads)
    async with anyio.create_task_group() as group:
        group.start_soon(ids, grid)
        await crossroads.wait()
        await grid.sort(SortKey("age", desc=True))
        crossroads.go.set()
    assert await ids(grid) == ["6", "4", "1"]


async def test_cells_that_change_before_a_filter_is_set_are_seen_by_it(grid: Grid, crossroads: Crossroads) -> None:
    """They did not matter to the view when they changed, and do once it is set."""
    await fill(grid)
    async with anyio.create_task_group() as group:
        group.start_soon(grid.filter, OLD)
        await crossroads.wait()
        await grid.update("1", {"age": 1})
        await grid.update("2", {"age": 99})
        crossroads.go.set()
    assert await ids(grid) == ["2", "4"]


async def test_columns_that_change_before_a_filter_is_set_do_not_mix_it_up(grid: Grid, crossroads: Crossroads) -> None:
    """It looks at the column that it was made for, wherever that stands by then."""
    await fill(grid)
    async with anyio.create_task_group() as group:
        group.start_soon(grid.filter, OLD)
        await crossroads.wait()
        await grid.move_column("age", 5)
        crossroads.go.set()
    assert await ids(grid) == ["1", "4"]


async def test_a_filter_set_while_another_runs_wins(grid: Grid, crossroads: Crossroads) -> None:
    """The result of the first is not kept for the second."""
    await fill(grid)
    await applied(grid, crossroads)
    async with anyio.create_task_group() as group:
        group.start_soon(ids, grid)
        await crossroads.wait()
        group.start_soon(grid.filter, Compare("age", "lt", 30))
        await crossroads.wait()
        crossroads.go.set()
    assert await ids(grid) == ["2"]


async def test_columns_that_change_while_a_filter_runs_do_not_mix_up_cells(grid: Grid, crossroads: Crossroads) -> None:
    """Rows are read with the columns that they were found with."""
    await fill(grid)
    await applied(grid, crossroads)
    shown: list[Any] = []

    async def ask() -> None:
        shown.extend(row["age"] for row in (await grid.view()).rows)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await crossroads.wait()
        await grid.move_column("age", 5)
        crossroads.go.set()
    assert shown == [36, 41, 50]
    assert [row["age"] for row in (await grid.view()).rows] == [36, 41, 50]
