"""G5: asking or waiting for oneself raises at once."""

import anyio
import pytest

from gridbus.bus import Bus, Scope
from gridbus.channels import Channel
from gridbus.errors import MailboxFull, ReentrancyError, RemoteError
from gridbus.events import Event, Topic
from gridbus.testing import Recorder

PING: Topic[int] = Topic("ping:sent", int)
ASK_A: Channel[int, int] = Channel("a:ask", int, int)
ASK_B: Channel[int, int] = Channel("b:ask", int, int)
ASK_C: Channel[int, int] = Channel("c:ask", int, int)


def chain(bus: Bus, scope: Scope, channel: Channel[int, int], following: Channel[int, int]) -> None:
    """Serve ``channel`` by asking ``following``."""

    async def serve(number: int) -> int:
        return 0 if number == 0 else await bus.ask(following, number - 1, timeout=None) + 1

    scope.serve(channel, serve)


async def test_g5_asking_oneself_raises_at_once(bus: Bus) -> None:
    """A server that asks its own channel gets ReentrancyError; without a time-out it would hang for ever."""
    chain(bus, bus.scope("a"), ASK_A, ASK_A)
    with anyio.fail_after(2), pytest.raises(RemoteError) as caught:
        await bus.ask(ASK_A, 1, timeout=None)
    assert caught.value.type_name == "ReentrancyError"
    assert await bus.ask(ASK_A, 0) == 0


async def test_g5_asking_around_a_circle_raises_at_once(bus: Bus) -> None:
    """A asks b, b asks c, c asks a: the last ask raises and names the path."""
    for owner, channel, following in (("a", ASK_A, ASK_B), ("b", ASK_B, ASK_C), ("c", ASK_C, ASK_A)):
        chain(bus, bus.scope(owner), channel, following)
    with anyio.fail_after(2), pytest.raises(RemoteError) as caught:
        await bus.ask(ASK_A, 3, timeout=None)
    assert "ReentrancyError" in caught.value.traceback_text
    assert "->" in caught.value.traceback_text
    assert await bus.ask(ASK_A, 2) == 2


async def test_g5_asking_back_on_another_channel_is_no_circle(bus: Bus) -> None:
    """A plugin that is asked by whom it asks answers, as long as the mailbox is another."""
    chain(bus, bus.scope("a"), ASK_A, ASK_B)
    chain(bus, bus.scope("b"), ASK_B, ASK_C)

    async def last(number: int) -> int:
        return 10

    bus.scope("a").serve(ASK_C, last)
    assert await bus.ask(ASK_A, 2, timeout=2.0) == 12


async def test_g5_a_server_with_a_free_worker_may_be_asked_by_itself(bus: Bus) -> None:
    """With concurrency=2 the second worker answers the first."""

    async def serve(number: int) -> int:
        return 0 if number == 0 else await bus.ask(ASK_A, number - 1, timeout=None) + 1

    bus.serve(ASK_A, serve, concurrency=2)
    assert await bus.ask(ASK_A, 1) == 1
    with anyio.fail_after(2), pytest.raises(RemoteError, match="ReentrancyError"):
        await bus.ask(ASK_A, 2, timeout=None)


async def test_g5_waiting_for_one_s_own_handling_raises(bus: Bus) -> None:
    """publish_and_wait and drain from inside a handler would wait for that handler."""
    errors: list[Exception] = []

    async def handler(event: Event[int]) -> None:
        for wait in (bus.publish_and_wait(PING, 2), bus.drain()):
            try:
                await wait
            except ReentrancyError as error:
                errors.append(error)

    bus.on(PING, handler)
    with Recorder(bus) as events:
        await bus.publish(PING, 1)
        with anyio.fail_after(2):
            await bus.drain()
    assert len(errors) == 2
    assert events.topics == ["ping:sent"]


async def test_g5_two_handlers_that_wait_for_each_other_raise(bus: Bus) -> None:
    """The second publish_and_wait closes the circle and raises."""
    other: Topic[int] = Topic("pong:sent", int)
    errors: list[Exception] = []

    async def first(event: Event[int]) -> None:
        await bus.publish_and_wait(other, event.payload)

    async def second(event: Event[int]) -> None:
        try:
            await bus.publish_and_wait(PING, event.payload)
        except ReentrancyError as error:
            errors.append(error)

    bus.on(PING, first)
    bus.on(other, second)
    with anyio.fail_after(2):
        await bus.publish_and_wait(PING, 1)
    assert len(errors) == 1


async def test_g5_a_committed_fact_is_no_error_of_whoever_committed_it(bus: Bus) -> None:
    """A handler that proposes into its own full mailbox loses events, counted, and its commits stand."""
    committed: list[int] = []

    def commit(number: int) -> int:
        committed.append(number)
        return number

    async def handler(event: Event[int]) -> None:
        if event.payload == 0:
            for number in range(1, 5):
                await bus.propose(PING, number, commit)

    sub = bus.on(PING, handler, capacity=2, block_timeout=60)
    with anyio.fail_after(2):
        await bus.publish(PING, 0)
        await bus.drain()
    assert committed == [1, 2, 3, 4]
    assert (sub.stats().handled, sub.stats().failed, sub.stats().dropped) == (3, 0, 2)


async def test_g5_publishing_into_one_s_own_full_mailbox_raises(bus: Bus) -> None:
    """A handler that floods its own topic gets MailboxFull instead of waiting for itself."""
    errors: list[Exception] = []

    async def handler(event: Event[int]) -> None:
        if event.payload == 0:
            for number in range(1, 5):
                try:
                    await bus.publish(PING, number)
                except MailboxFull as error:
                    errors.append(error)

    sub = bus.on(PING, handler, capacity=2, block_timeout=60)
    with anyio.fail_after(2):
        await bus.publish(PING, 0)
        await bus.drain()
    assert len(errors) == 2
    assert sub.stats().dropped == 2
