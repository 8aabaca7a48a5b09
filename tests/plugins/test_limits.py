"""The limits that hold within the process: refused, slowed down or bounded, and told once per episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.errors import PluginLimitError, QuotaExceeded, SubscriptionError
from gridbus.events import Event, Topic
from gridbus.events.system import PLUGIN_LIMIT_REACHED, PluginLimitReached
from gridbus.manifest import ResourceLimits
from gridbus.plugins import Plugin, PluginContext, PluginManager
from gridbus.testing import FakeClock, Recorder

Make = Callable[..., type[Plugin[Any]]]

PING: Topic[int] = Topic("ping:sent", int)
OWN: Topic[int] = Topic("sample:done", int)
ECHO: Channel[str, str] = Channel("sample:echo", str, str)


async def running(manager: PluginManager, cls: type[Plugin[Any]]) -> PluginContext:
    """Bring a plugin up and return its context."""
    plugin = cls()
    await manager.register_and_initialize(plugin)
    return plugin.ctx


async def hear(event: Event[Any]) -> None:
    """Do nothing."""


async def test_handlers_beyond_the_limit_are_refused(
    manager: PluginManager, bus: Bus, recorder: Recorder, make: Make
) -> None:
    """Subscriptions, servers, interceptors and streams count together; closing one makes room."""
    limits = ResourceLimits(max_handlers=4)
    ctx = await running(manager, make(permissions=["subscribe:*", "intercept:*"], limits=limits))
    subscription = ctx.on(PING, hear)
    ctx.serve(ECHO, lambda text: text)
    interceptor = ctx.intercept(PING, lambda draft: None)
    stream = ctx.stream(PING)
    for one_more in (
        lambda: ctx.on(PING, hear),
        lambda: ctx.serve(Channel("sample:other", str, str), lambda text: text),
        lambda: ctx.intercept(PING, lambda draft: None),
        lambda: ctx.stream(PING),
        lambda: ctx.on_message(hear),
    ):
        with pytest.raises(PluginLimitError, match=r"all of its 4 handlers.*max_handlers") as caught:
            one_more()
        assert caught.value.plugin_id == "sample"
    await bus.drain()
    fact = PluginLimitReached("sample", "max_handlers", 4, "refused")
    assert recorder.payloads(PLUGIN_LIMIT_REACHED) == [fact]
    for closable in (subscription, interceptor, stream):
        closable.close()
        ctx.on(PING, hear)
        with pytest.raises(PluginLimitError):
            ctx.on(PING, hear)
    await bus.drain()
    assert recorder.payloads(PLUGIN_LIMIT_REACHED) == [fact] * 4  # each time it was kept again, a new episode


async def test_tasks_beyond_the_limit_are_refused(
    manager: PluginManager, bus: Bus, recorder: Recorder, make: Make
) -> None:
    """Timers are tasks; one that has ended makes room."""
    ctx = await running(manager, make(limits=ResourceLimits(max_tasks=2)))
    job = ctx.start_soon(anyio.sleep_forever)
    ctx.every(60, anyio.sleep_forever)
    with pytest.raises(PluginLimitError, match="all of its 2 tasks"):
        ctx.start_soon(anyio.sleep_forever)
    with pytest.raises(PluginLimitError):
        ctx.every(60, anyio.sleep_forever)
    job.cancel()
    await job.wait()
    ctx.start_soon(anyio.sleep_forever)
    await bus.drain()
    assert [fact.limit for fact in recorder.payloads(PLUGIN_LIMIT_REACHED)] == ["max_tasks"]


async def test_publishing_beyond_the_limit_waits(
    manager: PluginManager, clock: FakeClock, recorder: Recorder, make: Make
) -> None:
    """Nothing is lost, and the order stays; it is told once."""
    ctx = await running(manager, make(limits=ResourceLimits(max_events_per_second=10)))

    async def publish() -> None:
        for number in range(25):
            await ctx.publish(OWN, number)

    async with anyio.create_task_group() as group:
        group.start_soon(publish)
        await clock.advance(0)
        assert len(recorder.of(OWN)) == 10
        await clock.advance(0.55)
        assert len(recorder.of(OWN)) == 15
        await clock.advance(1.0)
    assert [event.payload for event in recorder.of(OWN)] == list(range(25))
    assert recorder.payloads(PLUGIN_LIMIT_REACHED) == [
        PluginLimitReached("sample", "max_events_per_second", 10, "throttled")
    ]
    await clock.advance(5)
    await ctx.publish(OWN, 0)
    for number in range(11):
        with anyio.move_on_after(0):
            await ctx.publish(OWN, number)
    await clock.advance(0)
    assert len(recorder.of(PLUGIN_LIMIT_REACHED)) == 2


async def test_publishing_without_waiting_beyond_the_limit_is_refused(
    manager: PluginManager, bus: Bus, clock: FakeClock, recorder: Recorder, make: Make
) -> None:
    """The event is not published, and the next second has room again."""
    ctx = await running(manager, make(limits=ResourceLimits(max_events_per_second=3)))
    for number in range(3):
        ctx.publish_nowait(OWN, number)
    for _ in range(2):
        with pytest.raises(PluginLimitError, match="more than 3 events a second"):
            ctx.publish_nowait(OWN, 9)
    assert len(recorder.of(OWN)) == 3
    await clock.advance(1)
    ctx.publish_nowait(OWN, 4)
    await bus.drain()
    assert recorder.payloads(PLUGIN_LIMIT_REACHED) == [
        PluginLimitReached("sample", "max_events_per_second", 3, "refused")
    ]


async def test_storage_beyond_the_quota_is_refused(
    manager: PluginManager, bus: Bus, recorder: Recorder, make: Make
) -> None:
    """The quota is the plugin's limit; a write that fits begins a new episode."""
    ctx = await running(manager, make(permissions=["storage"], limits=ResourceLimits(max_storage_bytes=100)))
    assert ctx.storage.quota == 100
    for _ in range(2):
        for _ in range(2):
            with pytest.raises(QuotaExceeded):
                await ctx.storage.set("key", "x" * 200)
        await ctx.storage.set("key", "x")
    await bus.drain()
    fact = PluginLimitReached("sample", "max_storage_bytes", 100, "refused")
    assert recorder.payloads(PLUGIN_LIMIT_REACHED) == [fact, fact]
    assert (await ctx.resource_usage()).storage_bytes == await ctx.storage.size() > 0


async def test_handlers_that_take_too_long_are_cancelled(
    manager: PluginManager, bus: Bus, clock: FakeClock, recorder: Recorder, make: Make
) -> None:
    """Each async handler has the limit's time-out at most; told once until a minute passed without."""
    limits = ResourceLimits(handler_timeout=10)
    ctx = await running(manager, make(permissions=["subscribe:*"], limits=limits))

    async def hang(event: Event[Any]) -> None:
        await anyio.sleep_forever()

    async def hang_as_well(event: Event[Any]) -> None:
        await anyio.sleep_forever()

    slow = ctx.on("ping:*", hang, timeout=1000)
    own = ctx.on("pong:*", hang_as_well, timeout=2)
    await bus.publish(Topic("pong:sent"), 1)
    await clock.advance(4)
    assert own.stats().timed_out == 1
    for seconds in (15, 15, 100):
        await bus.publish(PING, 1)
        await clock.advance(seconds)
    await bus.publish(PING, 1)
    await clock.advance(15)
    assert slow.stats().timed_out == 4
    fact = PluginLimitReached("sample", "handler_timeout", 10, "cancelled")
    assert recorder.payloads(PLUGIN_LIMIT_REACHED) == [fact, fact]


async def test_plain_handlers_have_no_time_limit(manager: PluginManager, make: Make) -> None:
    """Nothing can interrupt them, so one is only an error where the plugin itself asks for it."""
    ctx = await running(manager, make(permissions=["subscribe:*"]))
    assert ctx.on(PING, lambda event: None).workers[0].timeout is None
    assert ctx.on(PING, hear).workers[0].timeout == 30
    with pytest.raises(SubscriptionError, match="plain function"):
        ctx.on(PING, lambda event: None, timeout=1)
    with pytest.raises(SubscriptionError, match="a handler is a callable, not int"):
        ctx.on(PING, 5)  # type: ignore[call-overload]
    free = await running(
        manager, make("free", permissions=["subscribe:*"], limits=ResourceLimits(handler_timeout=float("inf")))
    )
    assert free.on(PING, hear).workers[0].timeout is None
    assert free.on(PING, hear, timeout=3).workers[0].timeout == 3


async def test_a_streaming_server_takes_its_time(
    manager: PluginManager, bus: Bus, clock: FakeClock, make: Make
) -> None:
    """The limit is for one call, and a stream is no call that has to end."""
    ctx = await running(manager, make(limits=ResourceLimits(handler_timeout=1)))
    tail: Channel[int, int] = Channel("sample:tail", int, int)

    async def count(start: int) -> Any:
        yield start
        await clock.sleep(100)
        yield start + 1

    ctx.serve(tail, count)
    async with bus.ask_stream(tail, 1, timeout=None) as numbers:
        assert await anext(numbers) == 1
        async with anyio.create_task_group() as group:
            group.start_soon(clock.advance, 101)
            assert await anext(numbers) == 2


async def test_a_full_mailbox_gets_the_fact_when_it_has_room(
    manager: PluginManager, bus: Bus, recorder: Recorder, make: Make
) -> None:
    """A plugin that is refused does not wait for whoever listens slowly."""
    ctx = await running(manager, make(limits=ResourceLimits(max_tasks=1)))
    go = anyio.Event()
    heard: list[Any] = []

    async def slow(event: Event[Any]) -> None:
        await go.wait()
        heard.append(event.payload)

    bus.on(PLUGIN_LIMIT_REACHED, slow, capacity=1)
    first, second = (PluginLimitReached("other", "max_tasks", number, "refused") for number in (1, 2))
    await bus.publish(PLUGIN_LIMIT_REACHED, first)
    await anyio.wait_all_tasks_blocked()
    await bus.publish(PLUGIN_LIMIT_REACHED, second)
    ctx.start_soon(anyio.sleep_forever)
    with pytest.raises(PluginLimitError):
        ctx.start_soon(anyio.sleep_forever)
    await anyio.wait_all_tasks_blocked()
    go.set()
    await bus.drain()
    await anyio.wait_all_tasks_blocked()
    assert heard == [first, second, PluginLimitReached("sample", "max_tasks", 1, "refused")]
