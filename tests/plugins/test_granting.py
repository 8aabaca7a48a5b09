"""Permissions that are granted, asked for and taken away while a plugin runs."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from gridbus import Channel, PluginContext
from gridbus.bus import Bus, Draft
from gridbus.errors import PluginLimitError, PluginNotFoundError, PluginPermissionError, PluginStateError
from gridbus.events.system import PLUGIN_PERMISSION_GRANTED, PLUGIN_PERMISSION_REVOKED
from gridbus.manifest import Permission, PluginMetadata
from gridbus.plugins import PermissionRequest, Plugin, PluginManager, grant_listed
from gridbus.storage import MemoryStorage
from gridbus.testing import Recorder, settle
from tests.plugins.stand_ins import FakeHost

ECHO: Channel[int, int] = Channel("other:echo", int, int)
ALL = ("subscribe:row:*", "intercept:row:*", "publish:other:*", "ask:other:*", "storage", "net:127.0.0.1:*")


class Sample(Plugin):
    """Does what a test makes it do."""

    metadata = PluginMetadata(id="sample", name="Sample", version="1.0", permissions=ALL)


@pytest.fixture
async def ctx(bus: Bus, manager: PluginManager) -> PluginContext:
    """The context of a plugin that was granted a lot."""
    await manager.register_and_initialize(Sample)
    return context(manager)


def context(manager: PluginManager) -> PluginContext:
    """Return the context as it is now."""
    found = manager._registry.get("sample").ctx
    assert found is not None
    return found


# --- revoking ------------------------------------------------------------------------------------------------------


async def test_what_is_open_and_needs_it_is_closed(ctx: PluginContext, manager: PluginManager, bus: Bus) -> None:
    """Subscriptions, streams and interceptors; others stay."""
    heard: list[Any] = []
    subscription = ctx.on("row:create", heard.append)
    stream = ctx.stream("row:*")
    interceptor = ctx.intercept("row:create", _veto)
    await manager.revoke_permission("sample", "intercept")
    assert (interceptor.is_closed, subscription.is_closed, stream.is_closed) == (True, False, False)
    await bus.publish_and_wait("row:create", 1, source="test")
    assert len(heard) == 1
    await manager.revoke_permission("sample", "subscribe:row:create")
    assert (subscription.is_closed, stream.is_closed) == (True, True)
    await bus.publish_and_wait("row:create", 2, source="test")
    assert len(heard) == 1
    with pytest.raises(PluginPermissionError, match="'subscribe:row:create'"):
        ctx.on("row:create", heard.append)


def _veto(draft: Draft[Any]) -> None:
    """Look at a draft, and let it pass."""


async def test_what_was_found_to_be_allowed_is_looked_at_again(ctx: PluginContext, manager: PluginManager) -> None:
    """Publishing, asking, storage that was fetched before, connections, and a wait that is under way."""
    await manager.revoke_permission("sample", "manage")  # what it does not have is no error

    async def work() -> None:
        await ctx.publish("other:it", 1)  # type: ignore[arg-type]

    await work()
    store = ctx.storage
    await store.set("a", 1)
    for permission in ("publish:other:*", "ask:*:echo", "storage", "net:*:80"):
        await manager.revoke_permission("sample", permission)
    with pytest.raises(PluginPermissionError, match="was not granted it"):
        await work()
    with pytest.raises(PluginPermissionError):
        ctx.publish_nowait("other:it", 1)  # type: ignore[arg-type]
    with pytest.raises(PluginPermissionError):
        await ctx.ask(ECHO, 1)
    for use in (lambda: store.get("a"), lambda: store.set("a", 1), lambda: store.delete("a"), store.clear, store.keys):
        with pytest.raises(PluginPermissionError):
            await use()  # type: ignore[no-untyped-call]
    with pytest.raises(PluginPermissionError):
        await ctx.connect("127.0.0.1", 80)


async def test_an_event_that_was_waited_for_is_not_handed_over_any_more(
    ctx: PluginContext, manager: PluginManager, bus: Bus
) -> None:
    """The permission counts when the event comes."""
    failures: list[Exception] = []

    async def wait() -> None:
        try:
            await ctx.wait_for("row:create")
        except PluginPermissionError as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await settle()
        await manager.revoke_permission("sample", "subscribe")
        await bus.publish("row:create", 1, source="test")
    assert len(failures) == 1


async def test_it_is_told_and_shown(ctx: PluginContext, manager: PluginManager, recorder: Recorder) -> None:
    """One fact for each permission that went; nothing where nothing did."""
    await manager.revoke_permission("sample", "publish")
    await manager.revoke_permission("sample", Permission.parse("publish:other:it"))
    assert [fact.permission for fact in recorder.payloads(PLUGIN_PERMISSION_REVOKED)] == ["publish:other:*"]
    assert "publish:other:*" not in map(str, manager.get_plugin("sample").granted)
    await manager.grant_permission("sample", "publish:other:it")
    await manager.grant_permission("sample", "publish:other:it")
    assert [fact.permission for fact in recorder.payloads(PLUGIN_PERMISSION_GRANTED)] == ["publish:other:it"]
    assert ctx.has_permission("publish", "other:it")
    assert not ctx.has_permission("publish", "other:else")


async def test_it_stays_revoked_whatever_the_plugin_asks_for(bus: Bus) -> None:
    """Over reloads as well, until an operator grants it again."""
    everything = grant_listed({"sample": ALL})
    async with MemoryStorage() as storage, PluginManager(bus, storage=storage, permissions=everything) as manager:
        await manager.register_and_initialize(Sample)
        await manager.revoke_permission("sample", "subscribe:row:create")
        assert await context(manager).request_permission("subscribe:row:*") is False
        assert await context(manager).request_permission("subscribe:row:create") is False
        await manager.reload_plugin("sample")
        assert not context(manager).has_permission("subscribe", "row:update")
        await manager.grant_permission("sample", "subscribe:row:update")
        await manager.reload_plugin("sample")
        assert context(manager).has_permission("subscribe", "row:update")
        assert not context(manager).has_permission("subscribe", "row:create")
        await manager.grant_permission("sample", "subscribe:row:*")
        assert context(manager).has_permission("subscribe", "row:create")


async def test_only_what_runs_has_permissions(manager: PluginManager) -> None:
    """Anything else is an error."""
    await manager.register(Sample)
    for change in (manager.grant_permission, manager.revoke_permission):
        with pytest.raises(PluginStateError, match="is registered, and has no permissions yet"):
            await change("sample", "storage")
        with pytest.raises(PluginNotFoundError):
            await change("nobody", "storage")


# --- asking for more -----------------------------------------------------------------------------------------------


class Operator:
    """Grants what a test says, and keeps what it was asked."""

    def __init__(self, *granted: str) -> None:
        self.granted, self.asked = granted, list[str]()

    async def __call__(self, request: PermissionRequest) -> tuple[str, ...]:
        await anyio.lowlevel.checkpoint()
        if request.is_declared:
            return ()
        self.asked += map(str, request.permissions)
        return self.granted


async def test_a_permission_is_asked_for_once(bus: Bus, recorder: Recorder) -> None:
    """By several at the same time as well; the answer is used again, a refusal in this run only."""
    operator = Operator("storage")
    async with PluginManager(bus, permissions=operator) as manager:
        await manager.register_and_initialize(Sample)
        ctx = context(manager)
        answers: list[bool] = []

        async def ask() -> None:
            answers.append(await ctx.request_permission("storage"))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
        assert answers == [True, True, True]
        assert await ctx.request_permission("manage") is False
        assert await ctx.request_permission("manage") is False
        assert operator.asked == ["storage", "manage"]
        assert [str(kept) for kept in manager.get_plugin("sample").granted] == ["storage"]
    assert [fact.permission for fact in recorder.payloads(PLUGIN_PERMISSION_GRANTED)] == ["storage"]


async def test_an_answer_holds_for_reloads_and_later_runs(bus: Bus) -> None:
    """Where there is a storage; until it is revoked."""
    async with MemoryStorage() as storage:
        async with PluginManager(bus, storage=storage, permissions=Operator("storage")) as manager:
            await manager.register_and_initialize(Sample)
            assert await context(manager).request_permission("storage")
            await manager.reload_plugin("sample")
            assert context(manager).has_permission("storage")
        stored = storage.namespace("manager", quota=2**20)
        assert await stored.keys() == ["permission/sample/storage"]
        operator = Operator()
        async with PluginManager(bus, storage=storage, permissions=operator) as manager:
            await manager.register_and_initialize(Sample)
            assert context(manager).has_permission("storage")
            assert operator.asked == []
            await manager.revoke_permission("sample", "storage")
            assert await stored.keys() == []
            assert await context(manager).request_permission("storage") is False
            assert operator.asked == []
        async with PluginManager(bus, storage=storage, permissions=operator) as manager:
            await manager.register_and_initialize(Sample)
            assert await context(manager).request_permission("storage") is False
            assert operator.asked == ["storage"]


async def test_a_plugin_asks_for_so_much_at_most(bus: Bus) -> None:
    """Nobody can answer without end; what was answered is used again all the same."""
    operator = Operator()
    async with PluginManager(bus, permissions=operator) as manager:
        await manager.register_and_initialize(Sample)
        ctx = context(manager)
        for port in range(1, 257):
            await ctx.request_permission(f"net:example.org:{port}")
        with pytest.raises(PluginLimitError, match="has asked for 256 permissions"):
            await ctx.request_permission("net:example.org:257")
        assert await ctx.request_permission("net:example.org:1") is False
        assert len(operator.asked) == 256


async def test_an_answer_about_something_else_is_none(bus: Bus) -> None:
    """A policy that returns all that it would grant grants what was asked for, and is not remembered for the rest."""
    async with MemoryStorage() as storage:
        operator = Operator("storage", "net:*:443", "manage")
        async with PluginManager(bus, storage=storage, permissions=operator) as manager:
            await manager.register_and_initialize(Sample)
            assert await context(manager).request_permission("net:example.org:80") is False
            assert await context(manager).request_permission("net") is False
            assert [str(kept) for kept in context(manager).granted] == ["net:*:443"]
        assert await storage.namespace("manager", quota=2**20).keys() == []


async def test_what_is_stored_amiss_is_not_granted(bus: Bus) -> None:
    """Nor is it an error: a later version may have written it."""
    async with MemoryStorage() as storage:
        await storage.namespace("manager", quota=2**20).set("permission/sample/teleport:moon", True)
        async with PluginManager(bus, storage=storage, permissions=Operator()) as manager:
            await manager.register_and_initialize(Sample)
            assert context(manager).granted == ()
            await manager.revoke_permission("sample", "storage")


async def test_an_answer_that_cannot_be_stored_holds_for_this_run(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    """And that is logged."""
    path = "/" + "a" * 600
    operator = Operator(f"fs.read:{path}")
    async with MemoryStorage() as storage, PluginManager(bus, storage=storage, permissions=operator) as manager:
        await manager.register_and_initialize(Sample)
        assert await context(manager).request_permission(f"fs.read:{path}")
    assert "holds for this run only" in caplog.text


# --- of a plugin in a process of its own ---------------------------------------------------------------------------


async def test_a_process_is_told_and_starts_anew_where_its_sandbox_changes(bus: Bus) -> None:
    """Files and threads are let through when it starts."""
    host = FakeHost()
    async with PluginManager(bus, host=host) as manager:
        await manager.register_and_initialize(Sample, isolation="process")
        [made] = host.made
        await manager.revoke_permission("sample", "storage")
        await manager.grant_permission("sample", "fs.read:/data")
        await manager.revoke_permission("sample", "fs.read")
        assert [("storage" in granted, restart) for granted, restart in made.grants] == [
            (False, False),
            (False, True),
            (False, True),
        ]
        assert "fs.read:/data" in made.grants[1][0]
        made.is_gone = True  # the next process begins with what is granted then
        await manager.revoke_permission("sample", "net")
        assert not made.ctx.has_permission("net", "127.0.0.1:1")


async def test_a_process_that_does_not_answer_keeps_nothing_granted(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is done here, before it is told; it gets the time of a health check to answer."""
    host = FakeHost()
    async with PluginManager(bus, host=host) as manager:
        await manager.register_and_initialize(Sample, isolation="process", limits={"health_timeout": 0.01})
        [made] = host.made

        async def hang(granted: Any, *, restart: bool) -> None:
            await anyio.sleep_forever()

        monkeypatch.setattr(made, "apply_grants", hang)
        with anyio.fail_after(5):
            await manager.revoke_permission("sample", "storage")
        with pytest.raises(PluginPermissionError):
            _ = made.ctx.storage


async def test_no_process_may_start_programs(bus: Bus) -> None:
    """Whoever grants it."""
    async with PluginManager(bus, host=FakeHost(), permissions=Operator("exec:sh")) as manager:
        await manager.register_and_initialize(Sample, isolation="process")
        with pytest.raises(PluginPermissionError, match="which no plugin in a process of its own may have"):
            await manager.grant_permission("sample", "exec:sh")
        with pytest.raises(PluginPermissionError, match="which no plugin in a process of its own may have"):
            await context(manager).request_permission("exec:sh")


async def test_files_that_a_process_asks_for_come_with_its_next_start(bus: Bus) -> None:
    """Until then it does not have them, and is not told that it had."""
    host = FakeHost()
    async with PluginManager(bus, host=host, permissions=Operator("fs.read:/data")) as manager:
        await manager.register_and_initialize(Sample, isolation="process")
        assert await context(manager).request_permission("fs.read:/data") is False
        assert await context(manager).request_permission("fs.read:/data") is False
        await manager.reload_plugin("sample")
        assert host.made[1].request.granted == (Permission.parse("fs.read:/data"),)
        assert await context(manager).request_permission("fs.read:/data") is True
