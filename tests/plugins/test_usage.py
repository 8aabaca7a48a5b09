"""What a plugin uses and has done."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import pytest

from gridbus.bus import Bus, Overflow
from gridbus.channels import Channel
from gridbus.errors import PluginNotFoundError
from gridbus.events import Event, Topic
from gridbus.manifest import PluginMetadata, ResourceUsage
from gridbus.plugins import Plugin, PluginContext, PluginManager, on
from gridbus.testing import FakeClock

Make = Callable[..., type[Plugin[Any]]]

PING: Topic[int] = Topic("ping:sent", int)
OWN: Topic[int] = Topic("sample:done", int)
ECHO: Channel[str, str] = Channel("sample:echo", str, str)


async def test_figures_are_added_up_over_all_handlers(
    manager: PluginManager, bus: Bus, clock: FakeClock, make: Make
) -> None:
    """Handled, failed, dropped, published, and what is there now."""
    plugin = make(permissions=["subscribe:*", "intercept:*", "storage"])()
    await manager.register_and_initialize(plugin)
    ctx = plugin.ctx

    async def hear(event: Event[int]) -> None:
        if event.payload < 0:
            raise ValueError(event.payload)

    ctx.on(PING, hear)
    ctx.on("ping:*", hear, capacity=1, overflow=Overflow.DROP_NEWEST, name="small")
    ctx.serve(ECHO, lambda text: text)
    ctx.intercept("other:*", lambda draft: None)
    ctx.start_soon(anyio.sleep_forever)
    await bus.ask(ECHO, "x")
    for number in (1, 2, 3, -1):
        await bus.publish(PING, number)
    for number in range(6):
        await ctx.publish(OWN, number)
    await bus.drain()
    await ctx.storage.set("key", "value")
    usage = await manager.resource_usage("sample")
    assert usage == await ctx.resource_usage()
    assert (usage.handlers, usage.channels, usage.tasks) == (4, 1, 1)
    assert (usage.events_handled, usage.events_failed, usage.events_dropped) == (5, 1, 3)
    assert (usage.events_published, usage.events_per_second) == (6, 6.0)
    assert usage.storage_bytes == await ctx.storage.size()
    assert usage.handler_seconds > 0
    assert usage.p50_us is not None
    assert usage.p99_us is not None
    assert usage.p50_us <= usage.p99_us


async def test_figures_of_handlers_that_ended_stay(manager: PluginManager, bus: Bus, make: Make) -> None:
    """A plugin that subscribes and closes again and again loses none, and they take no memory each."""
    plugin = make(permissions=["subscribe:*"])()
    await manager.register_and_initialize(plugin)

    async def hear(event: Event[int]) -> None: ...

    for _ in range(20):
        subscription = plugin.ctx.on(PING, hear)
        await bus.publish_and_wait(PING, 1)
        await subscription.aclose()
    usage = await plugin.ctx.resource_usage()
    assert (usage.handlers, usage.events_handled) == (0, 20)
    assert len(plugin.ctx._usage._live) <= 1


async def test_a_plugin_that_does_not_run_uses_nothing(manager: PluginManager, make: Make) -> None:
    """And one that is not there is an error."""
    await manager.register(make())
    assert await manager.resource_usage("sample") == ResourceUsage()
    with pytest.raises(PluginNotFoundError):
        await manager.resource_usage("gone")


class Ten(Plugin[None]):
    """A plugin with ten handlers."""

    metadata = PluginMetadata(id="ten", name="Ten", version="1.0.0", permissions=["subscribe:*"])

    async def initialize(self, ctx: PluginContext) -> None:
        for number in range(9):
            ctx.on(f"ping:{number}", self.hear)

    @on(PING)
    async def hear(self, event: Event[int]) -> None: ...


async def test_a_plugin_with_ten_handlers_takes_less_than_64_kilobytes(manager: PluginManager) -> None:
    """Its context, scope, mailboxes and workers; its own data comes on top."""
    count = 10
    classes = [
        type("Copy", (Ten,), {"metadata": attrs.evolve(Ten.metadata, id=f"ten-{number}")})
        for number in range(count + 1)
    ]
    await manager.register_and_initialize(classes.pop())
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for cls in classes:
            await manager.register_and_initialize(cls)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / count < 64 * 1024
