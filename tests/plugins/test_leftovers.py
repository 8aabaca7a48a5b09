"""What is left of a plugin that was taken down: nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus, Subscription
from gridbus.channels import Channel
from gridbus.errors import (
    PluginStateError,
    RemoteError,
    ServerGone,
)
from gridbus.events import Event, Topic
from gridbus.events.system import PLUGIN_DESTROYED, PLUGIN_FAILED
from gridbus.manifest import PluginMetadata, ResourceLimits
from gridbus.plugins import Plugin, PluginContext, PluginManager, PluginState, intercepts, on, serves
from gridbus.testing import FakeClock, Recorder

Make = Callable[..., type[Plugin[Any]]]
Footprint = Callable[[], dict[str, Any]]

PING: Topic[int] = Topic("ping:sent", int)
ECHO: Channel[str, str] = Channel("full:echo", str, str)
TAIL: Channel[int, int] = Channel("full:tail", int, int)
SHORT = ResourceLimits(destroy_timeout=0.05)


class Full(Plugin[None]):
    """Uses each verb that makes something."""

    metadata = PluginMetadata(
        id="full", name="Full", version="1.0.0", permissions=["subscribe:*", "intercept:*", "storage"], limits=SHORT
    )

    async def initialize(self, ctx: PluginContext) -> None:
        self.heard: list[Any] = []
        self.order: list[str] = []
        self.subscription: Subscription = ctx.on("*", self.hear, where=self.wants)
        ctx.intercept("*", self.look)
        ctx.serve(Channel("full:other", str, str), self.echo)
        ctx.on_message(self.hear)
        self.job = ctx.start_soon(self.work)
        ctx.every(60, self.tick)
        self.stream = await ctx.stream(PING).__aenter__()
        ctx.add_cleanup(self.clean)
        self.store = ctx.storage

    async def destroy(self) -> None:
        self.order.append("destroy")
        await self.ctx.publish(Topic("full:bye"), 1)

    def clean(self) -> None:
        self.order.append("clean-up")

    async def work(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self.order.append("work")

    async def tick(self) -> None: ...

    def wants(self, event: Event[Any]) -> bool:
        return True

    def look(self, draft: Any) -> None: ...

    @on(PING, timeout=10)
    async def hear(self, event: Any) -> None:
        self.heard.append(event)

    @intercepts("ping:*")
    async def look_at_ping(self, draft: Any) -> None: ...

    @serves(ECHO)
    async def echo(self, text: str) -> str:
        return text

    @serves(TAIL)
    async def tail(self, count: int) -> Any:
        for number in range(count):
            yield number


async def test_g13_nothing_is_left_on_bus_and_loop(
    manager: PluginManager, bus: Bus, clock: FakeClock, footprint: Footprint, recorder: Recorder
) -> None:
    """After a life with events, requests, streams, messages and values stored; and the instance goes at once."""
    await manager.register(type("Other", (Plugin,), {"metadata": PluginMetadata(id="other", name="O", version="1")}))
    before = footprint()
    await manager.register_and_initialize(Full)
    await bus.publish_and_wait(PING, 1)
    assert await bus.ask(ECHO, "hello") == "hello"
    async with bus.ask_stream(TAIL, 3) as numbers:
        assert [number async for number in numbers] == [0, 1, 2]
    record = manager._registry.get("full")
    assert isinstance(record.plugin, Full)
    await record.plugin.store.set("key", "value")
    instance, context, scope = weakref.ref(record.plugin), weakref.ref(record.ctx), weakref.ref(record.scope)
    await manager.unregister_and_destroy("full")
    assert footprint() == before
    gc.collect()
    assert (instance(), context(), scope()) == (None, None, None)
    assert record.plugin is record.ctx is record.scope is None
    recorder.events.clear()
    await bus.publish_and_wait(PING, 2)
    assert recorder.topics == ["ping:sent"]
    await clock.advance(100)  # the bus's own timers look once more and find nothing
    assert clock.waiting == 0


async def test_g13_an_instance_goes_without_the_collector(manager: PluginManager, bus: Bus) -> None:
    """No circle of ours leads through a plugin."""

    class Plain(Plugin[None]):
        metadata = PluginMetadata(id="plain", name="Plain", version="1.0.0", permissions=["subscribe:*"])

        async def initialize(self, ctx: PluginContext) -> None:
            ctx.on("*", self.hear)
            ctx.start_soon(anyio.sleep_forever)
            ctx.add_cleanup(self.clean)

        def clean(self) -> None: ...

        @on(PING)
        async def hear(self, event: Event[Any]) -> None: ...

        @serves(Channel("plain:echo", str, str))
        async def echo(self, text: str) -> str:
            return text

    gc.collect()
    gc.disable()
    try:
        await manager.register_and_initialize(Plain)
        plugin = manager._registry.get("plain").plugin
        assert plugin is not None
        gone = weakref.ref(plugin)
        del plugin
        await bus.publish_and_wait(PING, 1)
        await manager.check_plugin_health("plain")
        await manager.unregister_and_destroy("plain")
        assert gone() is None
    finally:
        gc.enable()


async def test_g13_things_end_in_their_order(manager: PluginManager, bus: Bus, recorder: Recorder) -> None:
    """What waits is handled, then destroy may still publish, then tasks end, then clean-ups run."""
    plugin = Full()
    await manager.register_and_initialize(plugin)
    for number in range(3):
        await bus.publish(PING, number)
    await manager.unregister_and_destroy("full")
    assert sorted(event.payload for event in plugin.heard if event.topic == PING) == [0, 0, 1, 1, 2, 2]
    assert plugin.order == ["destroy", "work", "clean-up"]
    assert [event.source for event in recorder.of("full:bye")] == ["full"]
    assert plugin.job.is_done
    [fact] = recorder.payloads(PLUGIN_DESTROYED)
    assert fact.clean


async def test_g13_a_context_that_was_kept_can_do_no_more(manager: PluginManager, bus: Bus) -> None:
    """Each verb says that the plugin was destroyed."""
    plugin = Full()
    await manager.register_and_initialize(plugin)
    ctx, store = plugin.ctx, plugin.store
    await ctx.publish(Topic("full:a"), 1)
    await manager.unregister_and_destroy("full")

    async def hear(event: Any) -> None: ...

    calls: list[Callable[[], Any]] = [
        lambda: ctx.on(PING, hear),
        lambda: ctx.stream(PING),
        lambda: ctx.wait_for(PING),
        lambda: ctx.intercept(PING, lambda draft: None),
        lambda: ctx.publish(Topic("full:a"), 1),
        lambda: ctx.publish_nowait(Topic("full:a"), 1),
        lambda: ctx.serve(ECHO, plugin.echo),
        lambda: ctx.ask(ECHO, "x"),
        lambda: ctx.tell(ECHO, "x"),
        lambda: ctx.ask_stream(TAIL, 1),
        lambda: ctx.send_message("other", "x"),
        lambda: ctx.on_message(hear),
        lambda: ctx.start_soon(anyio.sleep_forever),
        lambda: ctx.every(1, plugin.tick),
        lambda: ctx.add_cleanup(plugin.clean),
        lambda: ctx.storage,
        lambda: ctx.request_permission("storage"),
        lambda: store.get("key"),
        lambda: store.set("key", 1),
        lambda: store.delete("key"),
        lambda: store.keys(),
        lambda: store.clear(),
        lambda: store.size(),
    ]

    async def finish(call: Callable[[], Any]) -> None:
        result = call()
        if asyncio.iscoroutine(result):
            await result

    for call in calls:
        with pytest.raises(PluginStateError, match="'full' was destroyed"):
            await finish(call)


async def raises() -> None:
    """Fail."""
    raise OSError("disk is full")


async def exits() -> None:
    """Call exit."""
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("destroy", "error"), [(raises, "OSError"), (exits, "SystemExit"), (anyio.sleep_forever, "TimeoutError")]
)
async def test_g13_a_destroy_that_fails_or_hangs_is_reported_and_all_is_cleaned(
    manager: PluginManager,
    clock: FakeClock,
    recorder: Recorder,
    footprint: Footprint,
    make: Make,
    destroy: Callable[[], Any],
    error: str,
) -> None:
    """The id is free, the others go on, and nobody has to catch anything."""
    await manager.register_and_initialize(make("good"))
    before = footprint()

    class Bad(Full):
        async def destroy(self) -> None:
            await destroy()

    await manager.register_and_initialize(Bad)
    gone = weakref.ref(manager._registry.get("full").plugin)  # type: ignore[type-var]
    async with anyio.create_task_group() as group:
        group.start_soon(manager.unregister_and_destroy, "full")
        while "full" in manager._registry:
            await clock.advance(0.02)
    assert footprint() == before
    [fact] = recorder.payloads(PLUGIN_FAILED)
    assert (fact.id, fact.stage, fact.error) == ("full", "destroy", error)
    [destroyed] = recorder.payloads(PLUGIN_DESTROYED)
    assert not destroyed.clean
    gc.collect()
    assert gone() is None
    await manager.register_and_initialize(Full)
    assert manager.get_plugin("good").state is PluginState.RUNNING


async def test_g13_handlers_tasks_and_cleanups_that_do_not_end_are_cancelled_and_counted(
    manager: PluginManager, bus: Bus, recorder: Recorder, footprint: Footprint, make: Make
) -> None:
    """Within the plugin's destroy_timeout each; a clean-up that fails does not keep the others from running."""
    ran = []

    class Stuck(make("stuck", limits=SHORT, permissions=["subscribe:*"])):  # type: ignore[misc]
        async def initialize(self, ctx: PluginContext) -> None:
            ctx.add_cleanup(lambda: ran.append("first"))
            ctx.add_cleanup(raises)
            ctx.add_cleanup(exits)
            ctx.add_cleanup(anyio.sleep_forever)

        @on(PING)
        async def hear(self, event: Event[int]) -> None:
            await anyio.sleep_forever()

    await manager.register(make("other"))
    before = footprint()
    await manager.register_and_initialize(Stuck)
    await bus.publish(PING, 1)
    await bus.publish(PING, 2)
    await anyio.wait_all_tasks_blocked()
    await manager.unregister_and_destroy("stuck")
    assert footprint() == before
    assert ran == ["first"]
    [fact] = recorder.payloads(PLUGIN_DESTROYED)
    assert (fact.clean, fact.cancelled) == (False, 2)
    assert [fact.error for fact in recorder.payloads(PLUGIN_FAILED)] == ["TimeoutError", "RuntimeError", "OSError"]


async def test_g13_a_failing_handler_keeps_no_instance_alive(
    manager: PluginManager, bus: Bus, recorder: Recorder, caplog: pytest.LogCaptureFixture, make: Make
) -> None:
    """Reports carry text, not tracebacks; neither do logs."""

    class Sad(make("sad")):  # type: ignore[misc]
        async def initialize(self, ctx: PluginContext) -> None:
            ctx.start_soon(self.work)
            ctx.add_cleanup(self.clean)

        async def destroy(self) -> None:
            raise ValueError("destroy")

        async def health_check(self) -> Any:
            raise ValueError("health")

        async def work(self) -> None:
            raise ValueError("work")

        async def clean(self) -> None:
            raise ValueError("clean")

        @on(PING)
        async def hear(self, event: Event[int]) -> None:
            raise ValueError("hear")

        @serves(Channel("sad:echo", str, str))
        async def echo(self, text: str) -> str:
            raise ValueError("echo")

    await manager.register_and_initialize(Sad)
    gone = weakref.ref(manager._registry.get("sad").plugin)  # type: ignore[type-var]
    await bus.publish(PING, 1)
    with pytest.raises(RemoteError):
        await bus.ask(Channel("sad:echo", str, str), "x")
    await bus.drain()
    assert "ValueError: health" in (await manager.check_plugin_health("sad")).message
    await manager.unregister_and_destroy("sad")
    gc.collect()
    assert gone() is None
    assert len(caplog.records) >= 5
    assert {record.levelno for record in caplog.records} <= {logging.ERROR, logging.WARNING}


@pytest.mark.parametrize("how", ["scope", "task"])
@pytest.mark.parametrize("when", range(8))
async def test_g13_cancelling_the_caller_does_not_stop_the_end(
    manager: PluginManager, footprint: Footprint, how: str, when: int
) -> None:
    """Once begun, taking a plugin down goes on to its end."""
    await manager.register(type("Other", (Plugin,), {"metadata": PluginMetadata(id="other", name="O", version="1")}))
    before = footprint()
    await manager.register_and_initialize(Full)
    if how == "scope":
        async with anyio.create_task_group() as group:
            group.start_soon(manager.unregister_and_destroy, "full")
            for _ in range(when):
                await asyncio.sleep(0)
            group.cancel_scope.cancel()
    else:
        task = asyncio.ensure_future(manager.unregister_and_destroy("full"))
        for _ in range(when):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    record = manager._registry.find("full")
    if record is not None and record.state is PluginState.RUNNING:  # cancelled before it began
        assert when <= 1
        await manager.unregister_and_destroy("full")
    elif record is not None:
        await record.settled.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    assert [info.id for info in manager.list_plugins()] == ["other"]
    assert footprint() == before


async def test_g13_an_ask_that_waits_gets_an_error(manager: PluginManager, bus: Bus, make: Make) -> None:
    """Whoever asked is not left waiting for a server that is gone."""
    channel = Channel("slow:echo", str, str)

    class Slow(make("slow", limits=SHORT)):  # type: ignore[misc]
        @serves(channel)
        async def echo(self, text: str) -> str:
            await anyio.sleep_forever()
            return text

    await manager.register_and_initialize(Slow)
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            with pytest.raises((ServerGone, RemoteError)):
                await bus.ask(channel, "x", timeout=None)

        group.start_soon(ask)
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await manager.unregister_and_destroy("slow")
