"""What type checkers say of the bus; never run, only checked."""

from typing import Any, assert_type

import attrs

from gridbus.bus import Batch, Bus, Draft, EventStream
from gridbus.events import Event, Topic
from gridbus.grid import ROW_CREATE, ROW_UPDATE, RowCreated, RowUpdated

PING: Topic[int] = Topic("ping:sent", int)


async def created(event: Event[RowCreated]) -> None:
    """Handle one kind of event."""
    assert_type(event.payload, RowCreated)
    assert_type(event.payload.id, str)


async def created_many(events: list[Event[RowCreated]]) -> None:
    """Handle a batch."""


async def anything(event: Event[Any]) -> None:
    """Handle whatever comes."""


def is_first(event: Event[RowCreated]) -> bool:
    """Look at an event."""
    return event.payload.id == "1"


def double(draft: Draft[int]) -> int:
    """Change a payload."""
    return draft.payload * 2


async def check(bus: Bus) -> None:
    """Use each verb."""
    bus.on(ROW_CREATE, created)
    bus.on(RowCreated, created)
    bus.on("row:*", anything)
    bus.on(ROW_CREATE, created_many, pace=Batch(10, within=1.0))
    bus.on(RowUpdated, created)  # type: ignore[arg-type]
    bus.intercept(PING, double)

    event = await bus.publish(ROW_CREATE, RowCreated("1", {}))
    assert_type(event, Event[RowCreated])
    assert_type(await bus.publish_and_wait(PING, 1), Event[int])
    assert_type(bus.publish_nowait(PING, 1), Event[int])
    await bus.publish(ROW_UPDATE, RowCreated("1", {}))  # type: ignore[misc]
    await bus.publish(PING, "text")  # type: ignore[misc]

    async with bus.stream(ROW_CREATE) as events:
        assert_type(events, EventStream[RowCreated])
        async for each in events:
            assert_type(each, Event[RowCreated])
    async with bus.stream("row:*") as whatever:
        assert_type(whatever, EventStream[Any])

    found = await bus.wait_for(ROW_CREATE, where=is_first, timeout=1.0)
    assert_type(found, Event[RowCreated])
    assert_type(await bus.wait_for(RowCreated), Event[RowCreated])

    proposed = await bus.propose(PING, 1, lambda number: number + 1)
    assert_type(proposed, Event[int])


@attrs.frozen
class Mine:
    """A payload of a plugin."""


assert_type(Topic("mine:done", Mine), Topic[Mine])
assert_type(Topic("mine:done"), Topic[Any])
