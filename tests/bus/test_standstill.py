"""Handlers that are held between two events."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gridbus.bus import Bus
from gridbus.bus.succession import Standstill
from gridbus.errors import MailboxFull
from gridbus.events import Event
from gridbus.testing import FakeClock
from tests.bus.hearing import ASK, TICK, Hearing, Tick, scopes


async def test_settling_waits_for_what_is_in_hand(bus: Bus, log: list[tuple[str, int]]) -> None:
    """A standstill returns when no handler runs, and events wait until it is over."""
    old, _ = scopes(bus)
    hearing = Hearing("old", log)
    hearing.gate = anyio.Event()
    old.on(TICK, hearing.hear)
    await bus.publish(TICK, Tick(1))
    await bus.publish(TICK, Tick(2))
    await hearing.begun.wait()
    standstill = Standstill(old)
    async with anyio.create_task_group() as group:
        group.start_soon(settled, standstill, log)
        await checkpoint()
        hearing.gate.set()
    assert log == [("old", 1), ("settled", 0)]
    standstill.let_go()
    await bus.drain()
    assert log == [("old", 1), ("settled", 0), ("old", 2)]


async def settled(standstill: Standstill, log: list[tuple[str, int]]) -> None:
    """Note when it stands still."""
    assert await standstill.settle(within=5)
    log.append(("settled", 0))


async def test_handlers_that_wait_for_each_other_settle(clock: FakeClock, bus: Bus) -> None:
    """A handler that asks a server of the same scope is not kept from its end by the standstill."""
    old, _ = scopes(bus)
    begun, go = anyio.Event(), anyio.Event()
    replies: list[str] = []

    async def ask(event: Event[Tick]) -> None:
        begun.set()
        await go.wait()
        replies.append(await old.ask(ASK, event.payload.number))

    async def answer(message: int) -> str:
        return str(message)

    old.serve(ASK, answer)
    old.on(TICK, ask)
    await bus.publish(TICK, Tick(7))
    await begun.wait()
    standstill = Standstill(old)
    done = anyio.Event()

    async def settle() -> None:
        assert await standstill.settle(within=5)
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(settle)
        await checkpoint()
        go.set()
        while not done.is_set():
            await checkpoint()
            await clock.advance(0.01)
    assert replies == ["7"]
    standstill.let_go()


async def test_a_held_mailbox_overflows_as_it_says(bus: Bus) -> None:
    """Holding does not lift the bounds of mailboxes."""
    old, _ = scopes(bus)
    old.on(TICK, lambda event: None, capacity=2)
    standstill = Standstill(old)
    assert await standstill.settle(within=1)
    bus.publish_nowait(TICK, Tick(1))
    bus.publish_nowait(TICK, Tick(2))
    with pytest.raises(MailboxFull):
        bus.publish_nowait(TICK, Tick(3))
    standstill.let_go()
    await bus.drain()
