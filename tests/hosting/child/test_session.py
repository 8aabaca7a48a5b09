"""The life of a plugin in its own process, as the application calls for it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from gridbus.channels import Channel
from gridbus.errors import (
    PluginLimitError,
    PluginPermissionError,
    PluginStateError,
    QuotaExceeded,
    StoredTypeError,
    SubscriptionError,
)
from gridbus.events import Event, Topic
from gridbus.events.system import HealthStatus
from gridbus.hosting.child.session import Session
from gridbus.hosting.protocol import Start
from gridbus.isolation.wire import pack, unpack
from gridbus.manifest import PluginHealth, PluginMetadata, ResourceLimits
from gridbus.plugins import Plugin, PluginContext, on, serves
from gridbus.plugins.connecting import connect
from gridbus.plugins.loader import Loader

NUMBER: Topic[int] = Topic("other:number", int)
SAY: Channel[str, str] = Channel("probe:say", str, str)


@attrs.frozen
class Kept:
    """Something stored."""

    name: str
    tags: tuple[str, ...] = ()


class Probe(Plugin[None]):
    """Notes what happens to it."""

    metadata = PluginMetadata(
        id="probe",
        name="Probe",
        version="1.0",
        permissions=["subscribe:other:*", "storage"],
        limits=ResourceLimits(max_handlers=4, max_tasks=1, destroy_timeout=0.5),
    )

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[Any] = []

    async def initialize(self, ctx: PluginContext) -> None:
        self.noted.append("initialize")
        ctx.on("other:early", self.hear)

    async def destroy(self) -> None:
        self.noted.append("destroy")

    def snapshot_state(self) -> Any:
        return {"noted": list(self.noted)}

    def restore_state(self, state: Any, from_version: str) -> None:
        self.noted += [state, from_version]

    @on(NUMBER)
    async def hear(self, event: Event[int]) -> None:
        self.noted.append(event.payload)
        if event.payload < 0:
            raise ValueError("negative")

    @serves(SAY)
    async def say(self, message: str) -> str:
        return message


@attrs.define
class Running:
    """A plugin, and the application it runs for."""

    application: Any
    plugin: Probe
    ready: Any

    async def call(self, method: str, arguments: Any = None) -> Any:
        return await self.application.peer.call(method, arguments)


async def start(application: Any, plugin: type[Any] = Probe, **more: Any) -> Running:
    """Load a plugin and start it."""
    record = await Loader(timeout=5).load(plugin)
    session = Session(application.child, application.bus, record, connect)
    application.child.handlers.update(session.handlers())
    granted = more.pop("granted", ("subscribe:other:*", "storage"))
    ready = await application.peer.call("start", Start(granted, **more))
    return Running(application, session._plugin, ready)


@pytest.fixture
def store(application: Any) -> dict[str, Any]:
    """What the application keeps for the plugin."""
    kept: dict[str, Any] = {}

    def do(wanted: Any) -> Any:
        if wanted.verb == "get":
            return kept.get(wanted.key)
        if wanted.verb == "set":
            if len(wanted.value) > 100:
                raise QuotaExceeded("probe", len(wanted.value), 100)
            kept[wanted.key] = wanted.value
            return None
        if wanted.verb == "keys":
            return sorted(key for key in kept if key.startswith(wanted.key))
        if wanted.verb == "delete":
            return kept.pop(wanted.key, None) is not None
        return len(kept)

    application.answers["store"] = do
    application.answers["stored"] = lambda nothing: 17
    return kept


async def test_what_is_declared_goes_out_together_when_the_plugin_is_initialized(application: Any) -> None:
    """What ``initialize`` itself subscribes is live before that."""
    running = await start(application)
    assert [wanted.subject for wanted in application.calls_of("subscribe")] == ["other:early"]
    assert {(wanted.kind, wanted.subject) for wanted in running.ready.subscriptions} == {
        ("on", "other:number"),
        ("serve", "probe:say"),
    }
    [number] = [wanted.number for wanted in running.ready.subscriptions if wanted.kind == "on"]
    application.send(number, "other:number", 5)
    await application.until(lambda: application.done(number))
    assert running.plugin.noted == ["initialize", 5]


async def test_a_plugin_takes_up_what_its_last_life_left(application: Any) -> None:
    """Before it is initialized."""
    running = await start(application, state=pack({"count": 3}), from_version="0.9")
    assert running.plugin.noted == ["initialize", {"count": 3}, "0.9"]
    assert unpack(await running.call("snapshot"), object) == {"noted": ["initialize", {"count": 3}, "0.9"]}


async def test_what_initialize_raises_is_told(application: Any) -> None:
    """It is the application that ends the process then."""

    class Broken(Probe):
        async def initialize(self, ctx: PluginContext) -> None:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await start(application, Broken)


async def test_a_declaration_that_cannot_work_is_told_at_the_start(application: Any) -> None:
    """As inline."""

    class Broken(Probe):
        @on(NUMBER, timeout=1.0)
        def plain(self, event: Event[int]) -> None:
            """Cannot be interrupted."""

    with pytest.raises(SubscriptionError, match="plain function"):
        await start(application, Broken)


async def test_permissions_are_checked_in_the_process_and_can_be_revoked(application: Any) -> None:
    """What is open and needs what was revoked is closed."""
    running = await start(application)
    ctx = running.plugin.ctx
    with pytest.raises(PluginPermissionError):
        ctx.on("row:*", running.plugin.hear)
    application.answers["request_permission"] = lambda permission: ("subscribe:*", "storage")
    assert await ctx.request_permission("subscribe:row:*")
    subscription = ctx.on("row:*", running.plugin.hear)
    await running.call("grants", ("storage",))
    assert subscription.is_closed
    assert not ctx.has_permission("subscribe", "row:*")
    assert ctx.has_permission("storage")


async def test_limits_of_the_process_are_kept_and_told(application: Any) -> None:
    """Handlers and tasks are counted here, before the application could refuse them."""
    running = await start(application)
    ctx = running.plugin.ctx
    ctx.on(NUMBER, running.plugin.hear)
    with pytest.raises(PluginLimitError):
        ctx.on(NUMBER, running.plugin.hear)
    ctx.every(10, ctx.resource_usage)
    with pytest.raises(PluginLimitError):
        ctx.every(10, ctx.resource_usage)
    await application.settle()
    assert [refusal.limit for refusal in application.notes_of("refused")] == ["max_handlers", "max_tasks"]


async def test_health_is_the_plugins_own_word_and_knows_of_its_failures(application: Any) -> None:
    """A failure within the last minute makes it a warning, which names it."""
    running = await start(application)
    assert unpack(await running.call("health"), PluginHealth).status is HealthStatus.HEALTHY
    [number] = [wanted.number for wanted in running.ready.subscriptions if wanted.kind == "on"]
    application.send(number, "other:number", -1)
    await application.until(lambda: application.done(number))
    health = unpack(await running.call("health"), PluginHealth)
    assert health.status is HealthStatus.WARNING
    assert "ValueError: negative" in health.message


async def test_a_health_check_that_returns_something_else_is_an_error(application: Any) -> None:
    """It says what it returned."""

    class Odd(Probe):
        async def health_check(self) -> Any:
            return "fine"

    running = await start(application, Odd)
    health = unpack(await running.call("health"), PluginHealth)
    assert (health.status, health.message) == (
        HealthStatus.ERROR,
        "its health check returned str; return a PluginHealth",
    )


async def test_destroying_closes_all_that_the_plugin_made(application: Any) -> None:
    """Handlers end first, tasks and clean-ups after ``destroy``; nothing of it is unsubscribed one by one."""
    running = await start(application)
    plugin, ctx = running.plugin, running.plugin.ctx
    ctx.add_cleanup(lambda: plugin.noted.append("clean-up"))
    [number] = [wanted.number for wanted in running.ready.subscriptions if wanted.kind == "on"]
    application.send(number, "other:number", 1)
    assert await running.call("ping") is None
    await running.call("destroy")
    assert plugin.noted == ["initialize", 1, "destroy", "clean-up"]
    assert application.calls_of("unsubscribe") == []
    with pytest.raises(PluginStateError):
        ctx.on(NUMBER, plugin.hear)


async def test_what_goes_wrong_in_destroying_is_told_when_all_is_closed(application: Any) -> None:
    """A clean-up runs all the same."""
    noted: list[str] = []

    class Broken(Probe):
        async def destroy(self) -> None:
            raise SystemExit(3)

    running = await start(application, Broken)
    running.plugin.ctx.add_cleanup(lambda: noted.append("clean-up"))
    with pytest.raises(RuntimeError, match="it called exit: 3"):
        await running.call("destroy")
    assert noted == ["clean-up"]


async def test_values_come_back_from_storage_as_they_would_inline(application: Any, store: dict[str, Any]) -> None:
    """Plain without a type, as the type where one is named, an error where they are none."""
    storage = (await start(application)).plugin.ctx.storage
    await storage.set("kept", Kept("a", ("b",)))
    assert await storage.get("kept") == {"name": "a", "tags": ["b"]}
    assert await storage.get("kept", Kept) == Kept("a", ("b",))
    assert await storage.get("nothing", int, 3) == 3
    await storage.set("none", None)
    assert await storage.get("none", object, "default") is None
    assert await storage.keys("k") == ["kept"]
    assert await storage.delete("kept")
    assert not await storage.delete("kept")
    with pytest.raises(StoredTypeError, match="cannot read 'none' of 'probe' as int"):
        await storage.get("none", int)
    with pytest.raises(StoredTypeError, match="cannot store 'odd' of 'probe'"):
        await storage.set("odd", object())
    with pytest.raises(QuotaExceeded) as caught:
        await storage.set("big", "x" * 200)
    assert caught.value.quota == 100


async def test_usage_counts_what_is_here_and_asks_for_what_is_stored(application: Any, store: dict[str, Any]) -> None:
    """Handlers and channels as inline."""
    usage = await (await start(application)).plugin.ctx.resource_usage()
    assert (usage.handlers, usage.channels, usage.storage_bytes) == (3, 1, 17)


async def test_context_calls_cost_no_limit_twice(application: Any) -> None:
    """Events per second are the application's to count: here they are published as they come."""
    ctx = (await start(application)).plugin.ctx
    for number in range(50):
        await ctx.publish(Topic("probe:number", int), number)
    assert len(application.calls_of("publish")) == 50
