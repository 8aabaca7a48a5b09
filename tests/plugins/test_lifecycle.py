"""What is told of a plugin's life, and when its handlers go live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gridbus.bus import Bus
from gridbus.errors import PluginError, PluginInitializationError, PluginStateError
from gridbus.events import Event, Topic
from gridbus.events.system import (
    PLUGIN_INITIALIZED,
    HealthStatus,
    PluginInitialized,
    PluginRegistered,
    PluginUnregistered,
)
from gridbus.manifest import PluginCategory, PluginMetadata
from gridbus.plugins import Plugin, PluginContext, PluginManager, PluginState, on
from gridbus.testing import Recorder

Make = Callable[..., type[Plugin[Any]]]

PING: Topic[int] = Topic("ping:sent", int)


async def test_a_plugin_that_is_being_rolled_back_has_failed(manager: PluginManager, make: Make) -> None:
    """Whoever looks in between sees it."""
    seen: list[Any] = []

    async def initialize(self: Any, ctx: PluginContext) -> None:
        ctx.add_cleanup(look)
        raise ValueError("boom")

    async def look() -> None:
        seen.append(manager.get_plugin("sample").state)
        seen.append((await manager.check_plugin_health("sample")).status)

    with pytest.raises(PluginInitializationError):
        await manager.register_and_initialize(make(initialize=initialize))
    assert seen == [PluginState.FAILED, HealthStatus.ERROR]


async def test_the_life_of_a_plugin_is_told(manager: PluginManager, bus: Bus, recorder: Recorder, make: Make) -> None:
    """Each state that it enters has its fact."""
    states = []

    class Watched(make("watched", category="audit", version="2.1")):  # type: ignore[misc]
        async def initialize(self, ctx: PluginContext) -> None:
            states.append(manager.get_plugin("watched").state)

        async def destroy(self) -> None:
            states.append(manager.get_plugin("watched").state)

    info = await manager.register(Watched)
    assert info.state is PluginState.REGISTERED
    assert (await manager.initialize("watched")).state is PluginState.RUNNING
    await manager.unregister_and_destroy("watched")
    assert states == [PluginState.INITIALIZING, PluginState.DESTROYING]
    assert recorder.topics == ["plugin:registered", "plugin:initialized", "plugin:destroyed", "plugin:unregistered"]
    assert {event.source for event in recorder.events} == {"manager"}
    registered, initialized, destroyed, unregistered = (event.payload for event in recorder.events)
    assert registered == PluginRegistered("watched", "2.1", "Watched", PluginCategory.AUDIT)
    assert initialized == PluginInitialized("watched", "2.1", 0.0)
    assert (destroyed.id, destroyed.clean, destroyed.cancelled) == ("watched", True, 0)
    assert unregistered == PluginUnregistered("watched")


async def test_a_fact_that_is_vetoed_changes_nothing(
    manager: PluginManager, bus: Bus, recorder: Recorder, make: Make
) -> None:
    """It has happened already."""

    def refuse(draft: Any) -> None:
        raise PluginError("no plugins here")

    bus.intercept("plugin:*", refuse)
    await manager.register_and_initialize(make("one"))
    await manager.unregister_and_destroy("one")
    assert manager.list_plugins() == []
    assert recorder.of(PLUGIN_INITIALIZED) == []


async def test_declared_handlers_hear_what_comes_after_initialize(manager: PluginManager, bus: Bus) -> None:
    """And nothing before; what initialize subscribes itself is live at once."""
    heard: list[tuple[str, int]] = []

    class Late(Plugin[None]):
        metadata = PluginMetadata(id="late", name="Late", version="1.0.0", permissions=["subscribe:ping:*"])

        async def initialize(self, ctx: PluginContext) -> None:
            ctx.on(PING, self.early)
            await bus.publish_and_wait(PING, 1)
            ctx.start_soon(self.publish_soon)  # begins when initialize has returned

        async def publish_soon(self) -> None:
            await bus.publish(PING, 2)

        async def early(self, event: Event[int]) -> None:
            heard.append(("early", event.payload))

        @on(PING)
        async def declared(self, event: Event[int]) -> None:
            heard.append(("declared", event.payload))

    await manager.register_and_initialize(Late)
    await bus.drain()
    assert sorted(heard) == [("declared", 2), ("early", 1), ("early", 2)]


async def test_a_plugin_is_initialized_once(manager: PluginManager, make: Make) -> None:
    """A second time is an error that tells its state."""
    await manager.register_and_initialize(make("one"))
    with pytest.raises(PluginStateError, match="'one' is running, not registered"):
        await manager.initialize("one")
