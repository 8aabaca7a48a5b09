"""What interceptors do to changes of rows."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import attrs
import pytest

from gridbus.bus import Bus, Draft
from gridbus.errors import (
    ColumnError,
    DuplicateRow,
    GridError,
    InterceptorError,
    RowNotFound,
    ValueRejected,
    Veto,
    Vetoed,
)
from gridbus.grid import (
    ROW_CREATE,
    ROW_DELETE,
    ROW_REJECT,
    ROW_UPDATE,
    Change,
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


@pytest.mark.parametrize("change", list(Change))
async def test_a_veto_keeps_the_grid_as_it_was(bus: Bus, grid: Grid, events: Recorder, change: Change) -> None:
    """The caller gets it, and ``row:reject`` says who refused what and why."""
    await grid.create({"name": "Ada"})
    topic = {Change.CREATE: ROW_CREATE, Change.UPDATE: ROW_UPDATE, Change.DELETE: ROW_DELETE}[change]
    bus.intercept(topic, refuse, owner="guard")
    before = grid.rows()
    attempts = {
        Change.CREATE: lambda: grid.create({"name": "Bob"}),
        Change.UPDATE: lambda: grid.update("1", {"name": "Bob"}),
        Change.DELETE: lambda: grid.delete("1"),
    }
    with pytest.raises(Vetoed, match="not today"):
        await attempts[change]()
    assert grid.rows() == before
    values = {} if change is Change.DELETE else {"name": "Bob"}
    row_id = None if change is Change.CREATE else "1"
    assert events.payloads(ROW_REJECT) == [RowRejected(change, row_id, values, "not today", "guard/refuse")]
    assert events.topics == ["row:create", "row:reject"]


async def test_an_interceptor_that_fails_keeps_the_change_out(bus: Bus, grid: Grid, events: Recorder) -> None:
    """A guard that breaks does not open the gate."""

    async def broken(draft: Draft[RowCreated]) -> None:
        raise RuntimeError("oops")

    bus.intercept(ROW_CREATE, broken, owner="guard")
    with pytest.raises(InterceptorError, match="oops"):
        await grid.create({"name": "Ada"})
    assert len(grid) == 0
    assert events.payloads(ROW_REJECT)[0].by.startswith("guard/")


async def test_interceptors_may_change_what_is_written(bus: Bus, grid: Grid, events: Recorder) -> None:
    """What they leave is checked, stored and told."""

    def shout(draft: Draft[Any]) -> Any:
        payload = draft.payload
        if isinstance(payload, RowCreated):
            return attrs.evolve(payload, values={**payload.values, "name": payload.values["name"].upper(), "score": 1})
        return attrs.evolve(payload, new={**payload.new, "name": "X", "age": 5})

    bus.intercept(ROW_CREATE, shout)
    bus.intercept(ROW_UPDATE, shout)
    row = await grid.create({"name": "ada"})
    assert (row["name"], row["score"]) == ("ADA", 1.0)
    row = await grid.update("1", {"name": "bob"})
    assert (row["name"], row["age"]) == ("X", 5)
    assert events.payloads(ROW_CREATE)[0].values == dict(EMPTY, name="ADA", score=1.0)
    assert events.payloads(ROW_UPDATE) == [RowUpdated("1", {"name": "ADA", "age": None}, {"name": "X", "age": 5})]


@pytest.mark.parametrize(
    ("changed", "error"), [({"age": "x"}, ValueRejected), ({"nam": "x"}, ColumnError)], ids=["value", "column"]
)
async def test_what_interceptors_write_is_checked_like_everything(
    bus: Bus, grid: Grid, events: Recorder, changed: dict[str, Any], error: type[Exception]
) -> None:
    """They cannot break the grid."""
    await grid.create({})
    bus.intercept(ROW_CREATE, lambda draft: attrs.evolve(draft.payload, values=changed))
    bus.intercept(ROW_UPDATE, lambda draft: attrs.evolve(draft.payload, new=changed))
    with pytest.raises(error):
        await grid.create({"name": "Ada"})
    with pytest.raises(error):
        await grid.update("1", {"name": "Ada"})
    assert [fact.change for fact in events.payloads(ROW_REJECT)] == [Change.CREATE, Change.UPDATE]
    assert [dict(row) for row in grid] == [EMPTY]


async def test_an_interceptor_may_choose_the_id_of_a_new_row(bus: Bus, grid: Grid) -> None:
    """If it is free."""
    handle = bus.intercept(ROW_CREATE, lambda draft: attrs.evolve(draft.payload, id="5"))
    assert (await grid.create({})).id == "5"
    with pytest.raises(DuplicateRow):
        await grid.create({})
    handle.close()
    assert (await grid.create({})).id == "6"


async def test_an_interceptor_cannot_turn_an_update_on_another_row(bus: Bus, grid: Grid) -> None:
    """Old values and checks were those of the row that was asked for."""
    await grid.create({})
    await grid.create({})
    bus.intercept(ROW_UPDATE, lambda draft: attrs.evolve(draft.payload, id="2"))
    with pytest.raises(GridError, match="into one of row '2'"):
        await grid.update("1", {"age": 1})
    assert grid.get("2")["age"] is None


class Gate:
    """An interceptor that holds drafts until it is opened."""

    def __init__(self) -> None:
        self.opened = anyio.Event()
        self.held = 0

    async def __call__(self, draft: Draft[Any]) -> None:
        if not self.opened.is_set():
            self.held += 1
            await self.opened.wait()


@pytest.fixture
def gate(bus: Bus) -> Gate:
    """A gate in the way of updates and deletes."""
    gate = Gate()
    bus.intercept(ROW_UPDATE, gate, timeout=60)
    bus.intercept(ROW_DELETE, gate, timeout=60)
    return gate


async def test_old_values_are_those_at_the_moment_of_writing(grid: Grid, events: Recorder, gate: Gate) -> None:
    """Another change came between draft and commit."""
    await grid.create({"age": 1})
    async with anyio.create_task_group() as group:
        group.start_soon(grid.update, "1", {"age": 2})
        await settle()
        group.start_soon(grid.update, "1", {"age": 3, "name": "Ada"})
        await settle()
        assert gate.held == 2
        gate.opened.set()
    facts = events.payloads(ROW_UPDATE)
    assert facts[0] == RowUpdated("1", {"age": 1}, {"age": 2})
    assert facts[1] == RowUpdated("1", {"age": 2, "name": None}, {"age": 3, "name": "Ada"})


async def test_a_change_that_came_true_meanwhile_publishes_nothing(grid: Grid, events: Recorder, gate: Gate) -> None:
    """There is nothing left to tell."""
    await grid.create({"age": 1})
    async with anyio.create_task_group() as group:
        group.start_soon(grid.update, "1", {"age": 2})
        group.start_soon(grid.update, "1", {"age": 2})
        await settle()
        gate.opened.set()
    assert len(events.payloads(ROW_UPDATE)) == 1
    assert grid.get("1")["age"] == 2


async def test_a_row_that_vanished_meanwhile_is_not_updated(grid: Grid, events: Recorder, gate: Gate) -> None:
    """The update is rejected, the deletion stands."""
    await grid.create({"age": 1})
    errors: list[Exception] = []

    async def update() -> None:
        try:
            await grid.update("1", {"age": 2})
        except RowNotFound as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(grid.delete, "1")
        await settle()
        group.start_soon(update)
        await settle()
        gate.opened.set()
    assert len(errors) == 1
    assert events.topics == ["row:create", "row:delete", "row:reject"]


async def test_a_delete_tells_the_cells_at_the_moment_of_deleting(grid: Grid, events: Recorder, gate: Gate) -> None:
    """And of the columns there are then."""
    await grid.create({"age": 1})
    async with anyio.create_task_group() as group:
        group.start_soon(grid.update, "1", {"age": 2})
        await settle()
        group.start_soon(grid.delete, "1")
        await settle()
        await grid.update_column("name", new_name="label")
        gate.opened.set()
    values = {("label" if name == "name" else name): value for name, value in {**EMPTY, "age": 2}.items()}
    assert events.payloads(ROW_DELETE) == [RowDeleted("1", values)]


async def test_a_column_renamed_meanwhile_rejects_the_update_that_names_it(
    grid: Grid, events: Recorder, gate: Gate
) -> None:
    """The draft's names are those that interceptors saw; they are not guessed at."""
    await grid.create({"age": 1})
    async with anyio.create_task_group() as group:

        async def update() -> None:
            with pytest.raises(ColumnError, match="no column is named 'age'"):
                await grid.update("1", {"age": 2})

        group.start_soon(update)
        await settle()
        await grid.update_column("age", new_name="years")
        gate.opened.set()
    assert grid.get("1")["years"] == 1
    assert events.topics[-1] == "row:reject"


async def test_cancelling_a_change_at_an_interceptor_leaves_no_trace(grid: Grid, events: Recorder, gate: Gate) -> None:
    """Neither in the grid nor on the bus."""
    await grid.create({"age": 1})
    async with anyio.create_task_group() as group:
        group.start_soon(grid.update, "1", {"age": 2})
        await settle()
        group.cancel_scope.cancel()
    assert grid.get("1")["age"] == 1
    assert events.topics == ["row:create"]


async def test_facts_come_in_the_order_of_the_changes(bus: Bus, grid: Grid, events: Recorder) -> None:
    """However long interceptors look at each."""
    await grid.create({"age": 0})

    async def slow_for_some(draft: Draft[RowUpdated]) -> None:
        for _ in range(draft.payload.new["age"] % 3):  # type: ignore[operator]
            await asyncio.sleep(0)

    bus.intercept(ROW_UPDATE, slow_for_some)
    await asyncio.gather(*(grid.update("1", {"age": age}) for age in range(1, 20)))
    facts = events.payloads(ROW_UPDATE)
    age = 0
    for fact in facts:
        assert fact.old["age"] == age
        age = fact.new["age"]
    assert grid.get("1")["age"] == age
