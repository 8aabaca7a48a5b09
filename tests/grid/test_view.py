"""The view after filter, sort and page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.bus import Bus, Draft
from gridbus.errors import QueryError, Veto, Vetoed
from gridbus.grid import (
    FILTER_APPLY,
    PAGE_CHANGE,
    SORT_CHANGE,
    Column,
    ColumnType,
    FilterApplied,
    Grid,
    PageChanged,
    Snapshot,
    SortChanged,
)
from gridbus.grid.view import View
from gridbus.query import And, Compare, Not, Page, SortKey
from gridbus.testing import Recorder

OLD = Compare("age", "gt", 30)


async def fill(grid: Grid, ages: Sequence[int | None] = (36, 25, None, 41, 30)) -> None:
    """Rows '1' and so on."""
    await grid.load(None, [{"age": age} for age in ages])


async def ids(grid: Grid, page: Page | None = None) -> list[str]:
    """The ids that are shown."""
    return [row.id for row in (await grid.view(page)).rows]


async def test_without_filter_and_sort_rows_show_in_the_order_in_which_they_came(grid: Grid) -> None:
    """All on one page."""
    await fill(grid)
    view = await grid.view()
    assert [row.id for row in view.rows] == ["1", "2", "3", "4", "5"]
    assert (view.number, view.size, view.pages, view.visible, view.total) == (1, None, 1, 5, 5)


async def test_a_filter_is_told_with_the_rows_that_pass(grid: Grid, events: Recorder) -> None:
    """And what was there before."""
    await fill(grid)
    assert await grid.filter(OLD) == 2
    assert grid.filtered_by == OLD
    assert await ids(grid) == ["1", "4"]
    assert await grid.filter(None) == 5
    assert events.payloads(FILTER_APPLY) == [FilterApplied(None, OLD, 2), FilterApplied(OLD, None, 5)]


async def test_a_sort_is_told_with_what_was_there_before(grid: Grid, events: Recorder) -> None:
    """Columns may be given by name."""
    await fill(grid)
    await grid.sort("age")
    assert await ids(grid) == ["2", "5", "1", "4", "3"]
    await grid.sort(SortKey("age", desc=True), "name")
    assert await ids(grid) == ["4", "1", "5", "2", "3"]
    await grid.sort()
    assert await ids(grid) == ["1", "2", "3", "4", "5"]
    first, second = (SortKey("age"),), (SortKey("age", True), SortKey("name"))
    assert events.payloads(SORT_CHANGE) == [SortChanged((), first), SortChanged(first, second), SortChanged(second, ())]


async def test_a_page_is_a_part_of_the_view(grid: Grid, events: Recorder) -> None:
    """The last one may be short; one behind it has no rows."""
    await fill(grid)
    await grid.page(3, 2)
    view = await grid.view()
    assert ([row.id for row in view.rows], view.pages, view.visible) == (["5"], 3, 5)
    assert await ids(grid, Page(2, 2)) == ["3", "4"]
    assert await ids(grid, Page(4, 2)) == []
    await grid.filter(OLD)
    assert list((await grid.view()).rows) == []
    assert grid.current_page == Page(3, 2)
    assert events.payloads(PAGE_CHANGE) == [PageChanged(Page(), Page(3, 2))]


async def test_setting_what_is_set_publishes_nothing(grid: Grid, events: Recorder) -> None:
    """Only changes are facts."""
    await fill(grid)
    for _ in range(2):
        assert await grid.filter(OLD) == 2
        await grid.sort("age")
        await grid.page(2, 2)
    assert events.topics == ["data:load", "filter:apply", "sort:change", "page:change"]


@pytest.mark.parametrize(("number", "size"), [(0, 5), (-1, 5), (1, 0), (True, 5), (1.5, 5), (1, "5"), (2, None)])
async def test_pages_count_from_one(grid: Grid, number: Any, size: Any) -> None:
    """Other numbers are refused, here and in passing."""
    with pytest.raises(QueryError):
        await grid.page(number, size)
    with pytest.raises(QueryError):
        await grid.view(Page(number, size))


async def test_a_filter_or_sort_that_does_not_fit_changes_nothing(grid: Grid, events: Recorder) -> None:
    """The error names the column."""
    with pytest.raises(QueryError, match="did you mean 'age'"):
        await grid.filter(Compare("agee", "gt", 1))
    with pytest.raises(QueryError, match="did you mean 'age'"):
        await grid.sort("agee")
    assert (grid.filtered_by, grid.sorted_by, events.topics) == (None, (), [])


@pytest.mark.parametrize("nonsense", [{"column": "age", "eq": 1}, "age", 7])
async def test_nonsense_is_no_filter_and_no_sort_key(grid: Grid, nonsense: Any) -> None:
    """Also inside of one, and the error says where it is."""
    with pytest.raises(QueryError, match=r"parse_filter reads JSON.* @ \$"):
        await grid.filter(nonsense)
    with pytest.raises(QueryError, match=r"@ \$\.and\[0\]\.not"):
        await grid.filter(And((Not(nonsense),)))
    if nonsense != "age":
        with pytest.raises(QueryError, match=r"a sort key is .* @ \$\[1\]"):
            await grid.sort("age", nonsense)


async def test_a_veto_keeps_the_view_as_it_was(bus: Bus, grid: Grid, events: Recorder) -> None:
    """For each of its parts."""

    def refuse(draft: Draft[Any]) -> None:
        raise Veto("no")

    await fill(grid)
    for topic in (FILTER_APPLY, SORT_CHANGE, PAGE_CHANGE):
        bus.intercept(topic, refuse)
    with pytest.raises(Vetoed):
        await grid.filter(OLD)
    with pytest.raises(Vetoed):
        await grid.sort("age")
    with pytest.raises(Vetoed):
        await grid.page(2, 2)
    assert await ids(grid) == ["1", "2", "3", "4", "5"]
    assert events.topics == ["data:load"]


@pytest.mark.parametrize("size", ["small", "big"])
async def test_interceptors_may_put_another_filter_in_place(
    bus: Bus, grid: Grid, events: Recorder, size: str, request: pytest.FixtureRequest
) -> None:
    """It is the one that is counted and told, once, however many rows there are."""
    if size == "big":
        request.getfixturevalue("big")
    await fill(grid)
    bus.intercept(FILTER_APPLY, lambda draft: attrs.evolve(draft.payload, new=Not(draft.payload.new), visible=99))
    assert await grid.filter(OLD) == 3
    assert grid.filtered_by == Not(OLD)
    assert await ids(grid) == ["2", "3", "5"]
    assert events.payloads(FILTER_APPLY) == [FilterApplied(None, Not(OLD), 3)]


async def test_a_filter_by_an_interceptor_is_checked(bus: Bus, grid: Grid, events: Recorder) -> None:
    """It cannot break the view."""
    bus.intercept(FILTER_APPLY, lambda draft: attrs.evolve(draft.payload, new=Compare("fax", "eq", "1")))
    with pytest.raises(QueryError, match="fax"):
        await grid.filter(OLD)
    assert grid.filtered_by is None
    bus.intercept(SORT_CHANGE, lambda draft: attrs.evolve(draft.payload, new=(SortKey("fax"),)))
    bus.intercept(PAGE_CHANGE, lambda draft: attrs.evolve(draft.payload, new=Page(0, 1)))
    with pytest.raises(QueryError, match="fax"):
        await grid.sort("age")
    with pytest.raises(QueryError, match="whole number"):
        await grid.page(1, 5)
    assert events.topics == []


async def test_interceptors_that_undo_a_change_leave_nothing_to_tell(bus: Bus, grid: Grid, events: Recorder) -> None:
    """The view is as it was."""
    await fill(grid)
    bus.intercept(FILTER_APPLY, lambda draft: attrs.evolve(draft.payload, new=draft.payload.old))
    bus.intercept(SORT_CHANGE, lambda draft: attrs.evolve(draft.payload, new=draft.payload.old))
    bus.intercept(PAGE_CHANGE, lambda draft: attrs.evolve(draft.payload, new=draft.payload.old))
    assert await grid.filter(OLD) == 5
    await grid.sort("age")
    await grid.page(2, 2)
    assert events.topics == ["data:load"]


async def test_the_view_follows_the_rows(grid: Grid) -> None:
    """Rows come and go, and cells that decide change."""
    await fill(grid)
    await grid.filter(OLD)
    await grid.sort("age")
    assert await ids(grid) == ["1", "4"]
    await grid.create({"age": 38})
    assert await ids(grid) == ["1", "6", "4"]
    await grid.update("1", {"age": 99})
    assert await ids(grid) == ["6", "4", "1"]
    await grid.update("4", {"age": 1})
    assert await ids(grid) == ["6", "1"]
    await grid.delete("6")
    assert await ids(grid) == ["1"]


async def test_cells_that_decide_nothing_show_without_another_sort(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit far from filter and sort costs no pass over all rows."""
    await fill(grid)
    await grid.sort("age")
    await grid.page(1, 2)
    assert await ids(grid) == ["2", "5"]
    monkeypatch.setattr(View, "passing", None)
    await grid.update("2", {"name": "Ada"})
    view = await grid.view()
    assert [(row.id, row["name"]) for row in view.rows] == [("2", "Ada"), ("5", None)]


@pytest.mark.parametrize("size", ["small", "big"])
async def test_a_new_sort_or_filter_sees_cells_that_did_not_matter_before(
    grid: Grid, size: str, request: pytest.FixtureRequest
) -> None:
    """Rows that were found while another column decided are looked at again."""
    if size == "big":
        request.getfixturevalue("big")
    await fill(grid)
    await grid.filter(Compare("age", "ge", 30))
    assert await ids(grid) == ["1", "4", "5"]
    await grid.update_many({"1": {"score": 3}, "4": {"score": 1}, "5": {"score": 2}})
    await grid.sort("score")
    assert await ids(grid) == ["4", "5", "1"]
    await grid.update("1", {"name": "x"})
    await grid.filter(Compare("name", "eq", "x"))
    assert await ids(grid) == ["1"]


async def test_a_snapshot_is_the_whole_view_and_stays_as_it_is(grid: Grid) -> None:
    """Filtered, sorted, all pages, with the cells of that moment."""
    await fill(grid)
    await grid.filter(OLD)
    await grid.sort(SortKey("age", desc=True))
    await grid.page(1, 1)
    assert (await grid.view()).visible == 2
    await grid.update("1", {"name": "Ada"})
    snapshot = await grid.snapshot()
    await grid.update("1", {"name": "Bob"})
    await grid.delete("4")
    assert snapshot.ids() == ["4", "1"]
    assert [row["name"] for row in snapshot] == [None, "Ada"]
    assert snapshot[1]["name"] == "Ada"
    assert len(snapshot) == 2


async def test_records_of_a_snapshot_leave_out_hidden_columns(grid: Grid) -> None:
    """Unless they are asked for by name."""
    await fill(grid, [36, 25])
    for name in ("score", "active", "born", "seen"):
        await grid.update_column(name, hidden=True)
    snapshot = await grid.snapshot()
    assert len(snapshot.columns) == 6
    assert [column.name for column in snapshot.chosen()] == ["name", "age"]
    assert snapshot.records() == [(None, 36), (None, 25)]
    assert snapshot.records(["age"]) == [(36,), (25,)]
    assert snapshot.records([]) == [(), ()]
    assert list(snapshot.chunks(["age"], size=1)) == [[(36,)], [(25,)]]
    assert snapshot[1:].ids() == ["2"]


AGES = st.lists(st.none() | st.integers(0, 5), max_size=20)


@given(AGES, st.integers(0, 5), st.booleans(), st.integers(1, 4), st.integers(1, 4))
async def test_pages_of_a_filtered_and_sorted_view_match_a_model(
    ages: list[int | None], least: int, desc: bool, number: int, size: int
) -> None:
    """Filter, then sort, then page."""
    async with Bus() as bus, Grid(bus, columns=[Column("age", ColumnType.INT)]) as grid:
        await fill(grid, ages)
        await grid.filter(Compare("age", "ge", least))
        await grid.sort(SortKey("age", desc))
        await grid.page(number, size)
        view = await grid.view()
        model = [(age, str(place)) for place, age in enumerate(ages, 1) if age is not None and age >= least]
        model.sort(key=lambda pair: pair[0], reverse=desc)
        assert [(row["age"], row.id) for row in view.rows] == model[(number - 1) * size : number * size]
        assert view.visible == len(model)
        assert view.pages == max(1, -(-len(model) // size))
        assert isinstance(await grid.snapshot(), Snapshot)
