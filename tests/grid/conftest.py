"""Fixtures of the grid tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from gridbus.bus import Bus
from gridbus.grid import Column, ColumnType, Grid
from gridbus.testing import FakeClock, Recorder

COLUMNS = (
    Column("name"),
    Column("age", ColumnType.INT),
    Column("score", ColumnType.FLOAT),
    Column("active", ColumnType.BOOL),
    Column("born", ColumnType.DATE),
    Column("seen", ColumnType.DATETIME),
)


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    """An open bus."""
    async with Bus(clock=FakeClock(), id="bus") as bus:
        yield bus


@pytest.fixture
async def grid(bus: Bus) -> AsyncIterator[Grid]:
    """An open grid with a column of each type and no rows."""
    async with Grid(bus, columns=COLUMNS) as grid:
        yield grid


@pytest.fixture
def events(bus: Bus, grid: Grid) -> Iterator[Recorder]:
    """What the bus publishes once the grid is open."""
    with Recorder(bus) as events:
        yield events


@pytest.fixture
def big(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of rows counts as many: work on them leaves the loop's thread."""
    for module in ("view", "viewing", "rewrite", "offload"):
        monkeypatch.setattr(f"gridbus.grid.{module}.BIG", -1)
    monkeypatch.setattr("gridbus.grid.loading._FEW", -1)
