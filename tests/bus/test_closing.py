"""G6, G7, G8: cancelling, closing, and changes during dispatch."""

import asyncio

import anyio
import pytest

from gridbus.bus import Bus, EventStream
from gridbus.channels import Channel
from gridbus.errors import BusClosed, ServerGone
from gridbus.events import Event, Topic
from gridbus.testing import FakeClock, settle

PING: Topic[int] = Topic("ping:sent", int)
ECHO: Channel[int, int] = Channel("echo:say", int, int)


def registered(bus: Bus) -> tuple[int, int, int]:
    """Count what is registered on a bus: subscriptions, channels, tasks of this test."""
    stats = bus.stats()
    return (len(stats.subscriptions), len(stats.channels), len(asyncio.all_tasks()))


async def test_g6_cancelling_a_wait_leaves_nothing(bus: Bus, clock: FakeClock) -> None:
    """wait_for, ask, stream and publish_and_wait are cancelled while they wait; nothing of them remains."""

    async def never(message: int) -> int:
        await anyio.sleep_forever()
        return message

    async def stuck(event: Event[int]) -> None:
        await anyio.sleep_forever()

    server = bus.serve(ECHO, never)
    sub = bus.on(PING, stuck, capacity=1)
    await bus.publish(PING, 0)
    await settle()
    await bus.publish(PING, 1)
    before = registered(bus)

    async def read(stream: EventStream[int]) -> None:
        async with stream:
            async for _ in stream:
                pass

    waits = [
        lambda: bus.wait_for("other:*"),
        lambda: bus.ask(ECHO, 1),
        lambda: bus.publish_and_wait(PING, 2),
        lambda: bus.publish(PING, 3),
        lambda: read(bus.stream("other:*")),
        lambda: bus.drain(),
    ]
    for wait in waits:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await settle()
                scope.cancel()
        await settle()
        assert registered(bus) == before
        assert sub.stats().depth == 1
    assert not sub.mailbox.putters
    assert not sub.mailbox.receipts
    assert sub.stats().dropped == 2  # the two that were published and withdrawn
    sub.cancel()
    server.cancel()
    await clock.advance(60)
    assert clock.waiting == 0


async def test_g6_a_cancelled_subscriber_loses_no_worker_of_others(bus: Bus) -> None:
    """Closing a subscription while its handler runs leaves the others at work."""
    seen: list[int] = []

    async def stuck(event: Event[int]) -> None:
        await anyio.sleep_forever()

    sub = bus.on(PING, stuck)
    bus.on(PING, lambda event: seen.append(event.payload))
    await bus.publish(PING, 1)
    await settle()
    assert await sub.aclose(grace=0.0) == 1
    await bus.publish(PING, 2)
    await bus.drain(timeout=2)
    assert seen == [1, 2]


async def test_g6_an_asker_that_is_cancelled_does_not_harm_the_server(bus: Bus) -> None:
    """The server handles the next request; a request whose asker left before its turn is skipped."""
    served: list[int] = []
    go = anyio.Event()

    async def serve(message: int) -> int:
        served.append(message)
        await go.wait()
        return message

    bus.serve(ECHO, serve)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(bus.ask, ECHO, 1)
            group.start_soon(bus.ask, ECHO, 2)
            await settle()
            scope.cancel()
    go.set()
    assert await bus.ask(ECHO, 3) == 3
    assert served == [1, 3]


async def test_g7_closing_drains_the_mailboxes() -> None:
    """What was published before the close is handled, and so is what follows from it."""
    seen: list[int] = []
    async with Bus() as bus:

        async def handler(event: Event[int]) -> None:
            await asyncio.sleep(0)
            seen.append(event.payload)
            if event.payload == 1:
                await bus.publish(PING, 100)

        bus.on(PING, handler)
        for number in range(5):
            await bus.publish(PING, number)
    assert seen == [0, 1, 2, 3, 4, 100]


async def test_g7_closing_closes_the_intake_first() -> None:
    """While mailboxes drain, publishing from outside is refused."""
    go = anyio.Event()

    async def handler(event: Event[int]) -> None:
        await go.wait()

    async with Bus() as bus, anyio.create_task_group() as group:
        bus.on(PING, handler)
        await bus.publish(PING, 1)
        await settle()
        group.start_soon(bus.aclose)
        await settle()
        with pytest.raises(BusClosed, match="closing"):
            await bus.publish(PING, 2)
        with pytest.raises(BusClosed):
            bus.on(PING, handler)
        go.set()


async def test_g7_what_is_left_after_the_grace_is_cancelled_and_counted() -> None:
    """One handler runs and two events wait: three are left."""
    cancelled: list[int] = []

    async def stuck(event: Event[int]) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(event.payload)

    async with Bus() as bus:
        bus.on(PING, stuck)
        for number in range(3):
            await bus.publish(PING, number)
        await settle()
        assert await bus.aclose(grace=0.01) == 3
    assert cancelled == [0]


async def test_g7_an_exception_in_the_block_cancels_at_once() -> None:
    """The handlers are cancelled without grace and the exception comes out as it is."""
    seen: list[int] = []

    async def stuck(event: Event[int]) -> None:
        seen.append(event.payload)
        await anyio.sleep_forever()

    with anyio.fail_after(2), pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block's own error is what matters
        async with Bus() as bus:
            bus.on(PING, stuck)
            await bus.publish(PING, 1)
            await settle()
            raise ZeroDivisionError
    assert seen == [1]


async def test_g7_closing_a_server_tells_who_asks() -> None:
    """Requests in hand and in line get ServerGone."""
    errors: list[Exception] = []

    async def stuck(message: int) -> int:
        await anyio.sleep_forever()
        return message

    async with Bus() as bus:
        server = bus.serve(ECHO, stuck)

        async def ask(number: int) -> None:
            try:
                await bus.ask(ECHO, number)
            except ServerGone as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(ask, number)
            await settle()
            server.cancel()
    assert len(errors) == 3


async def test_g8_a_closed_subscription_gets_nothing_more(bus: Bus) -> None:
    """Closed by an earlier subscriber during the same dispatch, it does not get the event that waits for it."""
    seen: list[int] = []

    closed: list[int] = []
    bus.on(PING, lambda event: closed.append(late.close()))
    late = bus.on(PING, lambda event: seen.append(event.payload))
    await bus.publish(PING, 1)
    await bus.drain()
    await bus.publish(PING, 2)
    await bus.drain()
    assert (seen, closed) == ([], [1, 0])
    assert late.is_closed
    assert late.stats().dropped == 1


async def test_g8_closing_from_its_own_handler_ends_a_batch(bus: Bus) -> None:
    """Of the batch in hand nothing is handed over after close returned."""
    seen: list[int] = []

    async def once(event: Event[int]) -> None:
        seen.append(event.payload)
        for number in range(5, 8):
            await bus.publish(PING, number)
        sub.close()

    sub = bus.on(PING, once)
    for number in range(5):
        await bus.publish(PING, number)
    await bus.drain()
    assert seen == [0]
    assert (sub.stats().handled, sub.stats().dropped) == (1, 7)


async def test_g8_aclose_handles_what_waits(bus: Bus) -> None:
    """Unlike close it lets the handler finish what was published before."""
    seen: list[int] = []

    async def handler(event: Event[int]) -> None:
        await asyncio.sleep(0)
        seen.append(event.payload)

    sub = bus.on(PING, handler)
    for number in range(3):
        await bus.publish(PING, number)
    assert await sub.aclose() == 0
    assert seen == [0, 1, 2]
    await bus.publish(PING, 3)
    await bus.drain()
    assert seen == [0, 1, 2]
    assert await sub.aclose() == 0


async def test_g8_aclose_from_its_own_handler_does_not_hang(bus: Bus) -> None:
    """It cannot wait for itself, so it returns and the rest follows."""
    seen: list[int] = []

    async def handler(event: Event[int]) -> None:
        await sub.aclose()
        seen.append(event.payload)

    sub = bus.on(PING, handler)
    await bus.publish(PING, 1)
    await bus.publish(PING, 2)
    await bus.drain(timeout=2)
    assert seen == [1, 2]


async def test_g8_subscribing_during_dispatch_is_safe(bus: Bus) -> None:
    """A handler and a predicate may subscribe; the newcomer gets the next event."""
    seen: list[int] = []
    added: list[object] = []

    def add(event: Event[int]) -> bool:
        if not added:
            added.append(bus.on(PING, lambda event: seen.append(event.payload)))
        return True

    bus.on(PING, lambda event: None, where=add)
    await bus.publish(PING, 1)
    await bus.publish(PING, 2)
    await bus.drain()
    assert seen == [2]


async def test_closing_twice_and_draining_an_idle_bus_are_harmless(bus: Bus) -> None:
    """Both return at once."""
    await bus.drain()
    assert await bus.aclose() == 0
    assert await bus.aclose() == 0


def test_a_keyboard_interrupt_is_not_swallowed() -> None:
    """Raised in a handler it ends the program, as it does anywhere."""

    async def main() -> None:
        async with Bus() as bus:

            async def interrupt(event: Event[int]) -> None:
                raise KeyboardInterrupt

            bus.on(PING, interrupt)
            await bus.publish(PING, 1)
            await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
