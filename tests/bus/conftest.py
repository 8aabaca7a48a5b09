"""Fixtures of the bus tests."""

from collections.abc import AsyncIterator

import attrs
import pytest

from gridbus.bus import Bus
from gridbus.events import Topic
from gridbus.testing import FakeClock


@attrs.frozen
class Ping:
    """A payload."""

    id: int
    text: str = ""


PING: Topic[Ping] = Topic("ping:sent", Ping)


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
def log() -> list[tuple[str, int]]:
    """What was heard, by whom."""
    return []
