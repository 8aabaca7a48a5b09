"""What a plugin may do: its own namespace, and what it was granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.channels.grid import GRID_READ, GRID_WRITE
from gridbus.channels.plugins import PLUGIN_LIST, ListPlugins
from gridbus.errors import (
    GridbusError,
    NoServer,
    PluginConflictError,
    PluginPermissionError,
    PluginStateError,
    PluginValidationError,
)
from gridbus.events import Event, Topic
from gridbus.events.grid import ROW_CREATE, RowCreated
from gridbus.manifest import Permission, PluginMetadata
from gridbus.plugins import (
    PermissionRequest,
    Plugin,
    PluginContext,
    PluginManager,
    grant_listed,
    intercepts,
    on,
    serves,
)
from gridbus.testing import Recorder

Make = Callable[..., type[Plugin[Any]]]
CORE = ["app", "bus", "column", "data", "filter", "grid", "health", "page", "plugin", "row", "sort", "manager"]
ECHO: Channel[str, str] = Channel("other:echo", str, str)


async def running(manager: PluginManager, cls: type[Plugin[Any]]) -> PluginContext:
    """Bring a plugin up and return its context."""
    plugin = cls()
    await manager.register_and_initialize(plugin)
    return plugin.ctx


@pytest.mark.parametrize("noun", ["sample", "sample.part", "sample.part.deeper", "weather", "weather.rain"])
async def test_g14_a_plugin_publishes_in_its_own_namespaces(
    manager: PluginManager, recorder: Recorder, make: Make, noun: str
) -> None:
    """Its id, what is below that, and what its metadata lists; it is the source of what it publishes."""
    ctx = await running(manager, make(topics=["weather"]))
    await ctx.publish(Topic(f"{noun}:done"), 1)
    ctx.publish_nowait(Topic(f"{noun}:done"), 2)
    assert [(event.payload, event.source) for event in recorder.of(f"{noun}:done")] == [(1, "sample"), (2, "sample")]


@pytest.mark.parametrize("noun", ["other", "sampler", "samples.x", "weatherman", "x.sample"])
async def test_g14_other_namespaces_need_a_permission(
    manager: PluginManager, recorder: Recorder, make: Make, noun: str
) -> None:
    """The error names the one to add; with it, the same call works."""
    ctx = await running(manager, make(topics=["weather"]))
    topic: Topic[Any] = Topic(f"{noun}:done")
    with pytest.raises(PluginPermissionError, match=f"add 'publish:{topic}' to its permissions") as caught:
        await ctx.publish(topic, 1)
    with pytest.raises(PluginPermissionError):
        ctx.publish_nowait(topic, 1)
    assert caught.value.plugin_id == "sample"
    assert recorder.of(topic) == []
    allowed = await running(manager, make("second", permissions=[f"publish:{topic}"]))
    await allowed.publish(topic, 1)
    assert [event.source for event in recorder.of(topic)] == ["second"]


@pytest.mark.parametrize("noun", CORE)
async def test_g14_core_topics_are_never_a_plugins(manager: PluginManager, make: Make, noun: str) -> None:
    """Not by the widest permission either: they are facts that only gridbus knows."""
    ctx = await running(manager, make(permissions=["publish:*", f"publish:{noun}:*"]))
    with pytest.raises(PluginPermissionError, match="only gridbus itself knows"):
        await ctx.publish(Topic(f"{noun}:create"), 1)
    with pytest.raises(PluginPermissionError, match="only gridbus itself knows"):
        ctx.publish_nowait(Topic(f"{noun}:create"), 1)


@pytest.mark.parametrize(
    ("mine", "yours"),
    [(("data-x",), ("data-x",)), (("one",), ()), (("shared",), ("shared.part",)), (("shared.part",), ("shared",))],
)
async def test_g14_no_namespace_has_two_owners(
    manager: PluginManager, make: Make, mine: tuple[str, ...], yours: tuple[str, ...]
) -> None:
    """Neither by listing another's id nor by nesting; the error names both plugins."""
    await manager.register(make("one", topics=yours))
    with pytest.raises(PluginConflictError) as caught:
        await manager.register(make("two", topics=mine))
    assert "one 1.0.0" in str(caught.value)
    assert "two 1.0.0" in str(caught.value)
    assert [info.id for info in manager.list_plugins()] == ["one"]


async def test_g14_what_is_not_granted_cannot_be_heard(manager: PluginManager, make: Make) -> None:
    """By none of the ways to hear, nor by a pattern that is wider than the grant."""
    ctx = await running(manager, make(permissions=["subscribe:row:create"]))

    async def hear(event: Event[Any]) -> None: ...

    ctx.on(ROW_CREATE, hear)
    for subject in ("row:*", "*", "row:update", RowCreated):
        with pytest.raises(PluginPermissionError, match="add 'subscribe"):
            ctx.on(subject, hear)
        with pytest.raises(PluginPermissionError, match="add 'subscribe"):
            ctx.stream(subject)
        with pytest.raises(PluginPermissionError, match="add 'subscribe"):
            await ctx.wait_for(subject)
    with pytest.raises(PluginPermissionError, match="add 'intercept:row:create'"):
        ctx.intercept(ROW_CREATE, lambda draft: None)


async def test_g14_decorators_declare_what_they_need(manager: PluginManager, bus: Bus) -> None:
    """By default a plugin is granted what its decorators show."""
    heard = []

    class Hearer(Plugin[None]):
        metadata = PluginMetadata(id="hearer", name="Hearer", version="1.0.0")

        @on("row:*")
        async def hear(self, event: Event[Any]) -> None:
            heard.append(event.payload)

        @intercepts(ROW_CREATE)
        def look(self, draft: Any) -> None:
            heard.append("draft")

    ctx = await running(manager, Hearer)
    assert ctx.has_permission("subscribe", "row:update")
    assert ctx.has_permission("intercept", "row:create")
    assert not ctx.has_permission("subscribe", "grid:ready")
    assert not ctx.has_permission("storage")
    await bus.publish_and_wait(ROW_CREATE, RowCreated("1", {}))
    assert heard == ["draft", RowCreated("1", {})]


async def test_g14_asking_needs_the_permission_for_the_channel(manager: PluginManager, bus: Bus, make: Make) -> None:
    """For each way to talk; one's own channels are free."""
    bus.serve(ECHO, lambda text: text, owner="other")
    ctx = await running(manager, make())
    with pytest.raises(PluginPermissionError, match="add 'ask:other:echo'"):
        await ctx.ask(ECHO, "hello")
    with pytest.raises(PluginPermissionError):
        await ctx.tell(ECHO, "hello")
    with pytest.raises(PluginPermissionError):
        ctx.ask_stream(ECHO, "hello")
    with pytest.raises(PluginPermissionError, match="add 'ask:other:message'"):
        await ctx.send_message("other", "hello")
    allowed = await running(manager, make("second", permissions=["ask:other:*"]))
    assert await allowed.ask(ECHO, "hello") == "hello"
    own: Channel[str, str] = Channel("sample:echo", str, str)
    ctx.serve(own, lambda text: text)
    assert await ctx.ask(own, "self") == "self"


async def test_g14_a_wide_ask_opens_neither_manager_nor_grid(manager: PluginManager, make: Make) -> None:
    """They have permissions of their own."""
    ctx = await running(manager, make(permissions=["ask:*"]))
    with pytest.raises(PluginPermissionError, match="'manage'"):
        await ctx.ask(PLUGIN_LIST, ListPlugins())
    for call, permission in ((ctx.grid.read(), "grid.read"), (ctx.grid.write(), "grid.write")):
        with pytest.raises(PluginPermissionError, match=f"'{permission}'"):
            await call
    with pytest.raises(PluginPermissionError, match=r"'grid\.read'"):
        ctx.grid.stream()
    with pytest.raises(PluginPermissionError, match=r"'grid\.write'"):
        await ctx.grid.delete("1")
    with pytest.raises(PluginPermissionError, match=r"'grid\.write'"):
        await ctx.ask(Channel("grid:anything", str, str), "x")
    reader = await running(manager, make("reader", permissions=["grid.read"]))
    with pytest.raises(NoServer, match=GRID_READ.name):
        await reader.grid.read()
    with pytest.raises(PluginPermissionError, match=GRID_WRITE.name.replace(":", r"\.")):
        await reader.grid.create({})


async def test_g14_a_plugin_serves_its_own_channels_and_those_it_declares(manager: PluginManager, make: Make) -> None:
    """A channel of its metadata or decorators may have another's name, one of gridbus may not."""
    ctx = await running(manager, make(channels=["export:run"]))
    ctx.serve(Channel("sample:echo", str, str), lambda text: text)
    ctx.serve(Channel("export:run", str, str), lambda text: text)
    with pytest.raises(PluginPermissionError, match="may not serve other:echo: add it to the channels"):
        ctx.serve(ECHO, lambda text: text)
    for noun in CORE:
        with pytest.raises(PluginPermissionError, match="those of gridbus itself"):
            ctx.serve(Channel(f"{noun}:list", str, str), lambda text: text)

    class Server(make("server")):  # type: ignore[misc]
        @serves(ECHO)
        async def echo(self, text: str) -> str:
            return text

    await manager.register_and_initialize(Server)

    class Impostor(make("impostor")):  # type: ignore[misc]
        @serves(PLUGIN_LIST)
        async def list(self, message: ListPlugins) -> tuple[()]:
            return ()

    with pytest.raises(PluginPermissionError, match="those of gridbus itself"):
        await manager.register_and_initialize(Impostor)
    assert [info.id for info in manager.list_plugins()] == ["sample", "server"]


async def test_g14_storage_needs_its_permission(manager: PluginManager, bus: Bus, make: Make) -> None:
    """And each plugin has its own."""
    ctx = await running(manager, make())
    with pytest.raises(PluginPermissionError, match="'storage'"):
        ctx.get_storage()
    one, two = [await running(manager, make(name, permissions=["storage"])) for name in ("one", "two")]
    await one.storage.set("key", 1)
    assert await one.get_storage().get("key") == 1
    assert await two.storage.get("key") is None


async def test_without_a_store_the_error_says_where_to_give_one(bus: Bus, make: Make) -> None:
    """A manager need not have one."""
    async with PluginManager(bus) as manager:
        ctx = await running(manager, make(permissions=["storage"]))
        with pytest.raises(PluginStateError, match=r"PluginManager\(bus, storage=\.\.\.\)"):
            _ = ctx.storage


async def test_g14_the_operator_decides(bus: Bus, make: Make) -> None:
    """A table grants what stands in it, more or less than was asked for; the others get what they declare."""
    table = {"sample": ["subscribe:row:*", "ask:other:*"]}
    async with PluginManager(bus, permissions=table) as manager:
        ctx = await running(manager, make(permissions=["storage"]))
        with pytest.raises(PluginPermissionError, match="it asks for 'storage' and was not granted it"):
            _ = ctx.storage
        assert ctx.has_permission("ask", "other:echo")
        free = await running(manager, make("free", permissions=["storage"]))
        assert free.has_permission("storage")
        assert manager.get_plugin("sample").granted == (
            Permission("subscribe", "row:*"),
            Permission("ask", "other:*"),
        )
    with pytest.raises(PluginValidationError, match="no permission"):
        grant_listed({"sample": ["fly"]})


async def test_g14_a_plugin_whose_handlers_are_not_granted_does_not_come_up(bus: Bus, make: Make) -> None:
    """It is refused before any of its code runs, with the permission by name."""
    ran = []

    class Hearer(make("hearer")):  # type: ignore[misc]
        async def initialize(self, ctx: PluginContext) -> None:
            ran.append("initialize")

        @on(ROW_CREATE)
        async def hear(self, event: Event[RowCreated]) -> None: ...

    async with PluginManager(bus, permissions={"hearer": []}) as manager:
        with pytest.raises(PluginPermissionError, match="asks for 'subscribe:row:create' and was not granted it"):
            await manager.register_and_initialize(Hearer)
        assert manager.list_plugins() == []
    assert not ran


async def test_a_running_plugin_may_ask_for_more(bus: Bus, make: Make) -> None:
    """Whoever grants sees that it was not declared; by default it is refused."""
    asked: list[PermissionRequest] = []

    async def decide(request: PermissionRequest) -> tuple[Permission, ...]:
        asked.append(request)
        return request.permissions if "row:create" in str(request.permissions) else ()

    async with PluginManager(bus, permissions=decide) as manager:
        ctx = await running(manager, make())
        assert await ctx.request_permission("subscribe:row:create")
        assert await ctx.request_permission(Permission("subscribe", "row:create"))
        assert not await ctx.request_permission("storage")
        assert ctx.has_permission("subscribe", "row:create")
        assert [(str(r.permissions[-1]) if r.permissions else "", r.is_declared) for r in asked] == [
            ("", True),
            ("subscribe:row:create", False),
            ("storage", False),
        ]
    async with PluginManager(bus) as manager:
        ctx = await running(manager, make())
        assert not await ctx.request_permission("storage")


async def test_a_policy_that_fails_keeps_the_plugin_out(bus: Bus, make: Make) -> None:
    """No answer is no grant."""

    def decide(request: PermissionRequest) -> tuple[Permission, ...]:
        raise OSError("the file with the grants is gone")

    async with PluginManager(bus, permissions=decide) as manager:
        with pytest.raises(GridbusError, match="the file with the grants is gone"):
            await manager.register_and_initialize(make())
        assert manager.list_plugins() == []


async def test_g14_made_up_names_do_not_grow_what_is_remembered(manager: PluginManager, make: Make) -> None:
    """The memory of what may be published is bounded."""
    ctx = await running(manager, make())
    for number in range(5000):
        ctx._check_publish(f"sample:n{number}")
    assert len(ctx._publishable) <= 4096
