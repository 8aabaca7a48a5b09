"""Fixtures of the health tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from gridbus.bus import Bus
from gridbus.testing import FakeClock, Recorder


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
async def bus(clock: FakeClock) -> AsyncIterator[Bus]:
    """An open bus."""
    async with Bus(clock=clock, id="bus") as bus:
        yield bus


@pytest.fixture
def recorder(bus: Bus) -> Iterator[Recorder]:
    """Every event of the bus, in order."""
    with Recorder(bus) as recorder:
        yield recorder
