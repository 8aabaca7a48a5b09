"""Channels: tell, ask, stream; who serves; what goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import attrs
import pytest

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.errors import (
    AlreadyServed,
    AmbiguousServer,
    AskTimeout,
    ChannelError,
    ChannelTypeError,
    NoServer,
    RemoteError,
    ServerGone,
    SubscriptionError,
    TopicError,
)
from gridbus.events.system import BUS_HANDLER_FAILED
from gridbus.testing import FakeClock, Recorder, settle


@attrs.frozen
class Hello:
    """A message."""

    name: str


GREET: Channel[Hello, str] = Channel("greeter:greet", Hello, str)
COUNT: Channel[int, int] = Channel("counter:count", int, int)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
async def bus(clock: FakeClock) -> AsyncIterator[Bus]:
    """An open bus."""
    async with Bus(clock=clock, id="bus") as bus:
        yield bus


async def greet(message: Hello) -> str:
    """Greet."""
    return f"hello, {message.name}"


async def count_up(limit: int) -> AsyncIterator[int]:
    """Count."""
    for number in range(limit):
        yield number


async def test_ask_returns_the_reply(bus: Bus) -> None:
    """Async and plain functions serve alike."""
    bus.serve(GREET, greet)
    assert await bus.ask(GREET, Hello("Ada")) == "hello, Ada"
    bus.serve(COUNT, lambda number: number + 1)
    assert await bus.ask(COUNT, 1) == 2


async def test_tell_returns_when_the_message_is_taken(bus: Bus) -> None:
    """What the handler raises is published, since nobody waits for it."""
    told: list[int] = []

    def serve(number: int) -> int:
        told.append(number)
        raise ValueError("no reply needed")

    bus.serve(COUNT, serve, owner="counter")
    with Recorder(bus) as events:
        await bus.tell(COUNT, 1)
        assert told == []
        await bus.drain()
        await settle()
    assert told == [1]
    [fact] = events.payloads(BUS_HANDLER_FAILED)
    assert (fact.owner, fact.event.topic, fact.event.payload, fact.event.seq) == ("counter", "counter:count", 1, 0)


async def test_servers_are_addressed_by_owner(bus: Bus) -> None:
    """One server per channel and owner; without an address two are ambiguous."""
    for owner in ("a", "b"):

        def serve(message: Hello, owner: str = owner) -> str:
            return owner

        bus.serve(GREET, serve, owner=owner)
    assert await bus.ask(GREET, Hello("x"), to="b") == "b"
    with pytest.raises(AmbiguousServer, match="served by a, b: say which with to="):
        await bus.ask(GREET, Hello("x"))
    with pytest.raises(NoServer, match="'c' does not serve greeter:greet, but a, b does"):
        await bus.ask(GREET, Hello("x"), to="c")
    with pytest.raises(AlreadyServed, match="'a' serves greeter:greet already"):
        bus.serve(GREET, greet, owner="a")


async def test_a_channel_that_nobody_serves_says_what_is_served(bus: Bus) -> None:
    """The error helps to find a misspelt name."""
    with pytest.raises(NoServer, match="nothing is served"):
        await bus.ask(GREET, Hello("x"))
    bus.serve(COUNT, lambda number: number)
    with pytest.raises(NoServer, match="served are counter:count"):
        await bus.tell(GREET, Hello("x"))


async def test_messages_and_replies_are_of_the_declared_types(bus: Bus) -> None:
    """The asker is told, whoever is wrong."""
    bus.serve(GREET, lambda message: 7)
    with pytest.raises(ChannelTypeError, match="greeter:greet takes Hello, not str"):
        await bus.ask(GREET, "Ada")  # type: ignore[arg-type]
    with pytest.raises(ChannelTypeError, match="replied with int, not str"):
        await bus.ask(GREET, Hello("Ada"))
    with pytest.raises(ChannelTypeError, match="'other' would serve"):
        bus.serve(Channel("greeter:greet", Hello, int), lambda message: 7, owner="other")
    with pytest.raises(ChannelTypeError, match="asked as"):
        await bus.ask(Channel("greeter:greet", Hello, int), Hello("x"))
    with pytest.raises(TopicError):
        Channel("greet", Hello, str)


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (list[int], [1], (1,)),
        (int | None, None, "x"),
        (float, 1, "x"),
        (None, None, 0),
        (dict[str, Any], {}, []),
        (tuple[int, ...] | str, "x", 1),
    ],
)
async def test_types_are_checked_by_their_outermost_type(bus: Bus, annotation: Any, good: object, bad: object) -> None:
    """Generic aliases, unions, None and numbers are understood."""
    channel: Channel[Any, Any] = Channel("any:echo", annotation, object)
    bus.serve(channel, lambda message: message)
    assert await bus.ask(channel, good) == good
    with pytest.raises(ChannelTypeError):
        await bus.ask(channel, bad)


async def test_a_remote_error_carries_type_name_and_traceback(bus: Bus) -> None:
    """The asker sees what went wrong where; the server goes on."""

    def deep(number: int) -> int:
        return 10 // number

    async def serve(number: int) -> int:
        return deep(number)

    bus.serve(COUNT, serve, owner="counter")
    with pytest.raises(RemoteError, match="'counter' failed on counter:count: ZeroDivisionError") as caught:
        await bus.ask(COUNT, 0)
    assert caught.value.type_name == "ZeroDivisionError"
    assert "in deep" in caught.value.traceback_text
    assert await bus.ask(COUNT, 5) == 2


async def test_ask_times_out_and_the_server_goes_on(bus: Bus, clock: FakeClock) -> None:
    """The late reply is dropped, the next request is answered."""
    go = anyio.Event()

    async def serve(number: int) -> int:
        await go.wait()
        return number

    bus.serve(COUNT, serve, owner="counter")
    errors: list[Exception] = []

    async def ask() -> None:
        try:
            await bus.ask(COUNT, 1, timeout=2.0)
        except AskTimeout as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await clock.advance(2)
    assert str(errors[0]) == "counter:count was not answered within 2 s"
    go.set()
    assert await bus.ask(COUNT, 2) == 2
    await clock.advance(60)
    assert clock.waiting == 0


async def test_a_server_that_hangs_is_timed_out(bus: Bus, clock: FakeClock) -> None:
    """The server's own time-out reaches the asker as a remote error."""

    async def serve(number: int) -> int:
        await anyio.sleep_forever()
        return number

    bus.serve(COUNT, serve, timeout=1.0)
    errors: list[RemoteError] = []

    async def ask() -> None:
        try:
            await bus.ask(COUNT, 1, timeout=None)
        except RemoteError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await clock.advance(3)
    assert errors[0].type_name == "HandlerTimeout"


async def test_a_full_server_holds_its_askers_back(bus: Bus, clock: FakeClock) -> None:
    """Requests wait for room; those whose time runs out meanwhile leave the line."""
    go = anyio.Event()
    served: list[int] = []

    async def serve(number: int) -> int:
        served.append(number)
        await go.wait()
        return number

    bus.serve(COUNT, serve, capacity=1)
    replies: list[int] = []

    async def ask(number: int, timeout: float) -> None:
        try:
            replies.append(await bus.ask(COUNT, number, timeout=timeout))
        except AskTimeout:
            replies.append(-number)

    async with anyio.create_task_group() as group:
        for number in range(1, 5):
            group.start_soon(ask, number, 60.0 if number != 3 else 1.0)
            await settle()
        await clock.advance(2)
        go.set()
    assert (served, sorted(replies)) == ([1, 2, 4], [-3, 1, 2, 4])


async def test_a_stream_of_replies(bus: Bus) -> None:
    """An async generator serves; several readers at once get each their own."""
    bus.serve(COUNT, count_up)
    async with bus.ask_stream(COUNT, 40) as first, bus.ask_stream(COUNT, 3) as second:
        assert [number async for number in second] == [0, 1, 2]
        assert [number async for number in first] == list(range(40))


async def test_leaving_a_stream_ends_the_server_s_generator(bus: Bus) -> None:
    """The server runs a bounded number of replies ahead and is closed with its reader."""
    sent: list[int] = []
    closed = anyio.Event()

    async def serve(start: int) -> AsyncIterator[int]:
        try:
            while True:
                sent.append(start)
                yield start
        finally:
            closed.set()

    bus.serve(COUNT, serve)
    async with bus.ask_stream(COUNT, 1) as numbers:
        assert await anext(numbers) == 1
        await settle()
        assert 10 < len(sent) < 30
    with anyio.fail_after(1):
        await closed.wait()


async def test_a_stream_that_fails_raises_in_the_reader(bus: Bus) -> None:
    """After the replies that were sent before."""

    async def serve(limit: int) -> AsyncIterator[int]:
        yield limit
        raise LookupError("gone")

    bus.serve(COUNT, serve)
    async with bus.ask_stream(COUNT, 1) as numbers:
        assert await anext(numbers) == 1
        with pytest.raises(RemoteError, match="LookupError: gone"):
            await anext(numbers)


async def test_a_stream_whose_server_is_closed_says_so(bus: Bus) -> None:
    """The reader gets ServerGone, not a silent end."""

    async def serve(limit: int) -> AsyncIterator[int]:
        yield limit
        await anyio.sleep_forever()

    server = bus.serve(COUNT, serve)
    async with bus.ask_stream(COUNT, 1) as numbers:
        assert await anext(numbers) == 1
        server.close()
        with pytest.raises(ServerGone, match="in the middle of a stream"):
            await anext(numbers)


async def test_a_stream_that_stalls_times_out(bus: Bus) -> None:
    """The time-out is for each reply."""

    async def serve(limit: int) -> AsyncIterator[int]:
        await anyio.sleep_forever()
        yield limit

    bus.serve(COUNT, serve)
    with pytest.raises(AskTimeout, match="sent nothing"):
        async with bus.ask_stream(COUNT, 1, timeout=0.01) as numbers:
            await anext(numbers)


async def test_asking_a_stream_and_streaming_an_answer_are_errors(bus: Bus) -> None:
    """Each says which verb to use."""
    bus.serve(COUNT, count_up)
    bus.serve(GREET, greet)
    with pytest.raises(ChannelError, match="use ask_stream"):
        await bus.ask(COUNT, 1)
    with pytest.raises(ChannelError, match="use ask_stream"):
        await bus.tell(COUNT, 1)
    with pytest.raises(ChannelError, match="use ask"):
        async with bus.ask_stream(GREET, Hello("x")):
            pass
    with pytest.raises(SubscriptionError, match="must take one argument"):
        bus.serve(Channel("x:y", int, int), lambda: 1)


async def test_requests_are_served_in_order_one_at_a_time(bus: Bus) -> None:
    """A server is a mailbox like any other; concurrency is opt-in."""
    running = 0
    served: list[int] = []

    async def serve(number: int) -> int:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        served.append(number)
        running -= 1
        return number

    server = bus.serve(COUNT, serve)
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(bus.ask, COUNT, number)
    assert served == list(range(20))
    assert server.stats().handled == 20
    assert [(entry.channel.name, entry.servers) for entry in bus.stats().channels] == [("counter:count", ("app",))]
    await server.aclose()
    with pytest.raises(NoServer):
        await bus.ask(COUNT, 1)
