"""The end of plugins and of their manager: in order, waited for, and never by their own hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import PLUGIN_UNREGISTER, UnregisterPlugin
from gridbus.errors import BusClosed, PluginNotFoundError, PluginStateError, ReentrancyError, RemoteError
from gridbus.events import Event, Topic
from gridbus.events.system import PLUGIN_DESTROYED
from gridbus.plugins import Plugin, PluginContext, PluginManager, PluginState, on
from gridbus.testing import FakeClock, Recorder

Make = Callable[..., type[Plugin[Any]]]

PING: Topic[int] = Topic("ping:sent", int)


async def test_a_plugin_cannot_wait_for_its_own_end(manager: PluginManager, bus: Bus, make: Make) -> None:
    """Not from a handler, by whatever way; telling works, as nobody waits then."""
    outcome: list[BaseException] = []

    class Selfish(make("selfish", permissions=["manage"])):  # type: ignore[misc]
        @on(PING)
        async def hear(self, event: Event[int]) -> None:
            message = UnregisterPlugin("selfish")
            for end in (
                lambda: self.ctx.ask(PLUGIN_UNREGISTER, message),
                lambda: manager.unregister_and_destroy("selfish"),
                lambda: manager.reload_plugin("selfish"),
            ):
                try:
                    await end()
                except (ReentrancyError, RemoteError) as error:
                    outcome.append(error)
            await self.ctx.tell(PLUGIN_UNREGISTER, message)

    await manager.register_and_initialize(Selfish)
    await bus.publish(PING, 1)
    await bus.drain()
    assert [getattr(error, "type_name", "ReentrancyError") for error in outcome] == ["ReentrancyError"] * 3
    assert manager.list_plugins() == []


async def test_leaving_the_manager_destroys_in_reverse_order(bus: Bus, recorder: Recorder, make: Make) -> None:
    """The last that came up goes first; then the manager takes no more."""
    async with PluginManager(bus) as manager:
        await manager.register(make("later"))
        await manager.register(make("never"))
        await manager.register_and_initialize(make("one"))
        await manager.register_and_initialize(make("two", dependencies=["one"]))
        await manager.initialize("later")
    assert [fact.id for fact in recorder.payloads(PLUGIN_DESTROYED)] == ["later", "two", "one"]
    assert bus.stats().subscriptions == ()
    with pytest.raises(PluginStateError, match="manager is closed"):
        await manager.register(make("one"))
    await manager.aclose()


async def test_leaving_the_manager_waits_for_those_on_their_way(bus: Bus, recorder: Recorder, make: Make) -> None:
    """A plugin that is coming up comes up first, and one that loads meanwhile is refused."""
    release = anyio.Event()

    async def initialize(self: Any, ctx: PluginContext) -> None:
        await release.wait()

    manager = PluginManager(bus)
    async with anyio.create_task_group() as group:
        group.start_soon(manager.register_and_initialize, make("slow", initialize=initialize))
        await anyio.wait_all_tasks_blocked()
        group.start_soon(manager.aclose)
        await anyio.wait_all_tasks_blocked()
        assert manager.get_plugin("slow").state is PluginState.INITIALIZING
        release.set()
    assert [fact.id for fact in recorder.payloads(PLUGIN_DESTROYED)] == ["slow"]


async def test_a_bus_that_closed_first_does_not_keep_plugins_from_letting_go(clock: FakeClock, make: Make) -> None:
    """Files get closed although nothing can be published any more."""
    order: list[str] = []

    async def initialize(self: Any, ctx: PluginContext) -> None:
        ctx.add_cleanup(lambda: order.append("clean-up"))

    async def destroy(self: Any) -> None:
        order.append("destroy")

    async with Bus(clock=clock) as bus:
        manager = PluginManager(bus)
        await manager.register_and_initialize(make(initialize=initialize, destroy=destroy))
    await manager.aclose()
    assert order == ["destroy", "clean-up"]
    assert manager.list_plugins() == []
    with pytest.raises(BusClosed):
        await PluginManager(bus).register(make())


async def test_what_is_unknown_or_in_between_is_an_error(manager: PluginManager, make: Make) -> None:
    """With the ids that there are, or the state that it is in."""
    with pytest.raises(PluginNotFoundError, match="registered are: none"):
        await manager.unregister_and_destroy("gone")
    states = []

    class Odd(make("odd")):  # type: ignore[misc]
        async def initialize(self, ctx: PluginContext) -> None:
            with pytest.raises(PluginStateError, match="is initializing") as caught:
                await manager.unregister_and_destroy("odd")
            states.append(caught.value.plugin_id)

        async def destroy(self) -> None:
            with pytest.raises(PluginStateError, match="is destroying"):
                await manager.unregister_and_destroy("odd")
            states.append("destroy")

    await manager.register_and_initialize(Odd)
    await manager.unregister_and_destroy("odd")
    assert states == ["odd", "destroy"]
