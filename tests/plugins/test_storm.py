"""Plugins come and go at random while events flow, some of them broken, some calls cancelled; nothing may remain."""

import asyncio
import gc
import random
import weakref

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.errors import PluginError
from gridbus.events import Event, Topic
from gridbus.manifest import PluginMetadata, ResourceLimits
from gridbus.plugins import Plugin, PluginContext, PluginManager, on, serves

TICK: Topic[int] = Topic("tick:told", int)
ECHO: Channel[int, int] = Channel("storm:echo", int, int)
QUICK = ResourceLimits(initialize_timeout=0.02, destroy_timeout=0.02, handler_timeout=0.05)


def make(number: int, dice: random.Random) -> type[Plugin]:
    """Return a plugin class that may fail or hang wherever it can."""

    def mishap() -> str:
        return dice.choice(["", "", "", "", "raise", "hang", "exit"])

    async def meet(what: str) -> None:
        await asyncio.sleep(0)
        if what == "raise":
            raise ValueError("at random")
        if what == "exit":
            raise SystemExit(3)
        if what == "hang":
            await anyio.sleep_forever()

    class Stormy(Plugin):
        metadata = PluginMetadata(
            id=f"stormy-{number}", name="Stormy", version="1.0.0", limits=QUICK, channels=(ECHO.name,)
        )

        async def initialize(self, ctx: PluginContext) -> None:
            ctx.start_soon(anyio.sleep_forever)
            ctx.every(0.001, self.tick)
            ctx.add_cleanup(lambda: None)
            await meet(mishap())

        async def tick(self) -> None:
            await self.ctx.publish(Topic(f"stormy-{number}:ticked", int), 1)

        async def destroy(self) -> None:
            await meet(mishap())

        @on(TICK)
        async def hear(self, event: Event[int]) -> None:
            await meet(mishap() if event.payload % 5 == 0 else "")

        @serves(ECHO)
        async def echo(self, message: int) -> int:
            return message

    return Stormy


@pytest.mark.parametrize("seed", range(4))
async def test_g12_g13_nothing_of_a_plugin_remains_whatever_happened_to_it(seed: int) -> None:
    """After the storm the bus has no subscription, channel or task of them, and no instance is alive."""
    dice = random.Random(seed)
    alive: list[weakref.ref[Plugin]] = []
    stop = False
    async with Bus() as bus:
        manager = PluginManager(bus)
        async with manager:
            idle = (len(bus.stats().subscriptions), len(bus.stats().channels), len(asyncio.all_tasks()))

            async def traffic() -> None:
                number = 0
                while not stop:
                    await bus.publish(TICK, number)
                    number += 1
                    await asyncio.sleep(0.0005)

            async def life(number: int) -> None:
                for _ in range(3):
                    plugin = make(number, dice)()
                    alive.append(weakref.ref(plugin))
                    plugin_id = plugin.metadata.id
                    try:
                        with anyio.move_on_after(dice.choice([0.002, 5, 5])):
                            await manager.register_and_initialize(plugin)
                        del plugin
                        await asyncio.sleep(dice.random() / 100)
                        with anyio.move_on_after(dice.choice([0.002, 5, 5])):
                            await manager.unregister_and_destroy(plugin_id)
                    except PluginError:
                        pass

            async with anyio.create_task_group() as group:
                group.start_soon(traffic)
                async with anyio.create_task_group() as lives:
                    for number in range(5):
                        lives.start_soon(life, number)
                for info in manager.list_plugins():
                    await manager.unregister_and_destroy(info.id)
                stop = True
            await bus.drain(timeout=5)
            assert manager.list_plugins() == []
            now = (len(bus.stats().subscriptions), len(bus.stats().channels), len(asyncio.all_tasks()))
            assert now == idle
    await asyncio.sleep(0)
    gc.collect()
    assert [ref() for ref in alive if ref() is not None] == []
