"""What type checkers say of plugins; never run, only checked."""

from collections.abc import AsyncIterator
from typing import Any, assert_type

import attrs

from gridbus.bus import Batch, Debounce, Draft
from gridbus.channels import Channel
from gridbus.channels.plugins import PLUGIN_HEALTH, PLUGIN_LIST, CheckHealth, ListPlugins, PluginInfo
from gridbus.events import Event, Topic
from gridbus.grid import ROW_CREATE, RowCreated, RowUpdated
from gridbus.manifest import PluginHealth, PluginMetadata, ResourceUsage
from gridbus.plugins import Plugin, PluginContext, PluginManager, intercepts, on, serves


@attrs.frozen
class Hello:
    """A message."""

    name: str


@attrs.frozen
class Options:
    """A configuration."""

    greeting: str = "hello"


GREET: Channel[Hello, str] = Channel("greeter:greet", Hello, str)
GREETED: Topic[Hello] = Topic("greeter:greeted", Hello)


class Greeter(Plugin[Options]):
    """Each form that a handler may have."""

    metadata = PluginMetadata(id="greeter", name="Greeter", version="1.0.0")

    async def initialize(self, ctx: PluginContext) -> None:
        assert_type(self.config, Options)
        ctx.on(ROW_CREATE, self.created)
        ctx.on("row:*", self.anything)
        ctx.on(ROW_CREATE, self.created_many, pace=Batch(10, within=1.0))
        ctx.on(RowUpdated, self.created)  # type: ignore[arg-type]
        ctx.serve(GREET, self.greet)
        ctx.serve(GREET, self.greet_wrongly)  # type: ignore[arg-type]
        ctx.intercept(ROW_CREATE, self.look)
        assert_type(await ctx.publish(GREETED, Hello("Ada")), Event[Hello])
        await ctx.publish(GREETED, "Ada")  # type: ignore[misc]
        assert_type(await ctx.ask(GREET, Hello("Ada")), str)
        assert_type(await ctx.ask(PLUGIN_LIST, ListPlugins()), tuple[PluginInfo, ...])
        assert_type(await ctx.ask(PLUGIN_HEALTH, CheckHealth()), dict[str, PluginHealth])
        assert_type(await ctx.resource_usage(), ResourceUsage)
        assert_type(await ctx.storage.get("key", int), int | None)

    @on(ROW_CREATE)
    async def created(self, event: Event[RowCreated]) -> None:
        assert_type(event.payload, RowCreated)

    @on(ROW_CREATE, capacity=10, pace=Debounce(1.0))
    def created_plainly(self, event: Event[RowCreated]) -> None: ...

    @on(ROW_CREATE)
    @on("row:*")
    async def anything(self, event: Event[Any]) -> None: ...

    @on(RowCreated)
    async def by_type(self, event: Event[RowCreated]) -> None: ...

    @on(ROW_CREATE, pace=Batch(10, within=1.0))
    async def created_many(self, events: list[Event[RowCreated]]) -> None: ...

    @serves(GREET)
    async def greet(self, message: Hello) -> str:
        return f"{self.config.greeting}, {message.name}"

    @serves(GREET)
    def greet_plainly(self, message: Hello) -> str:
        return message.name

    @serves(GREET)
    async def greet_often(self, message: Hello) -> AsyncIterator[str]:
        yield message.name

    async def greet_wrongly(self, message: Hello) -> int:
        """Reply with something else."""
        return len(message.name)

    @intercepts(ROW_CREATE, priority=1)
    async def look(self, draft: Draft[RowCreated]) -> RowCreated | None:
        return draft.payload

    @intercepts(ROW_CREATE)
    def only_look(self, draft: Draft[RowCreated]) -> None: ...

    @intercepts("row:*")
    def look_at_all(self, draft: Draft[Any]) -> None: ...


class Plain(Plugin):
    """A plugin without configuration."""


class Wrong(Plugin[Options]):
    """What must not pass."""

    @on(ROW_CREATE)  # type: ignore[arg-type]
    async def other_event(self, event: Event[RowUpdated]) -> None: ...

    @on(RowCreated)  # type: ignore[arg-type]
    async def other_type(self, event: Event[RowUpdated]) -> None: ...

    @on(ROW_CREATE, pace=Batch(10, within=1.0))  # type: ignore[arg-type]
    async def no_list(self, event: Event[RowCreated]) -> None: ...

    @serves(GREET)  # type: ignore[arg-type]
    async def other_message(self, message: str) -> str:
        return message

    @serves(GREET)  # type: ignore[arg-type]
    async def other_reply(self, message: Hello) -> int:
        return 1

    @intercepts(ROW_CREATE)  # type: ignore[arg-type]
    def other_draft(self, draft: Draft[RowUpdated]) -> None: ...

    @intercepts(ROW_CREATE)  # type: ignore[arg-type]
    def other_change(self, draft: Draft[RowCreated]) -> str:
        return draft.payload.id


async def check(greeter: Greeter, manager: PluginManager) -> None:
    """A decorated method is what it was."""
    assert_type(await greeter.greet(Hello("Ada")), str)
    assert_type(greeter.greet_plainly(Hello("Ada")), str)
    assert_type(Plain().config, None)
    assert_type(await manager.register_and_initialize(Greeter(greeting="hi")), PluginInfo)
    assert_type(await manager.register_and_initialize((Greeter, {"greeting": "hi"})), PluginInfo)
    assert_type(await manager.check_plugin_health("greeter"), PluginHealth)
    assert_type(await manager.resource_usage("greeter"), ResourceUsage)
    manager.list_plugins()
