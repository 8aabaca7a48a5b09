"""A plugin comes up wholly or not at all."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.channels import Channel
from gridbus.errors import (
    PluginConflictError,
    PluginDependencyError,
    PluginInitializationError,
    PluginLimitError,
    PluginStateError,
)
from gridbus.events import Event, Topic
from gridbus.events.system import (
    PLUGIN_FAILED,
    PLUGIN_REGISTERED,
    PLUGIN_UNREGISTERED,
)
from gridbus.manifest import PluginMetadata, ResourceLimits
from gridbus.plugins import Plugin, PluginContext, PluginManager, PluginState, intercepts, on, serves
from gridbus.testing import FakeClock, Recorder

Make = Callable[..., type[Plugin[Any]]]
Footprint = Callable[[], dict[str, Any]]

PING: Topic[int] = Topic("ping:sent", int)
ECHO: Channel[str, str] = Channel("busy:echo", str, str)
alive: list[weakref.ref[Plugin[Any]]] = []


class Busy(Plugin[None]):
    """Uses everything that can be left behind."""

    metadata = PluginMetadata(
        id="busy",
        name="Busy",
        version="1.0.0",
        permissions=["subscribe:*", "intercept:*"],
        limits=ResourceLimits(initialize_timeout=10, destroy_timeout=0.05),
    )
    ended: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.ended = []
        alive.append(weakref.ref(self))

    async def initialize(self, ctx: PluginContext) -> None:
        ctx.on("*", self.hear)
        ctx.on(int, self.hear)
        ctx.intercept("*", self.look)
        ctx.serve(Channel("busy:other", str, str), self.echo)
        ctx.on_message(self.hear)
        ctx.start_soon(self.work)
        ctx.every(60, self.tick)
        ctx.stream("*")
        await ctx.stream(PING).__aenter__()
        ctx.add_cleanup(lambda: self.ended.append("clean-up"))
        await self.trouble()

    async def trouble(self) -> None: ...

    async def destroy(self) -> None:
        self.ended.append("destroy")

    async def work(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            self.ended.append("work")

    async def tick(self) -> None: ...

    def look(self, draft: Any) -> None: ...

    @on(PING)
    async def hear(self, event: Any) -> None: ...

    @intercepts("ping:*")
    async def look_at_ping(self, draft: Any) -> None: ...

    @serves(ECHO)
    async def echo(self, text: str) -> str:
        return text


async def raises() -> None:
    """Fail as most do."""
    raise ValueError("boom")


async def exits() -> None:
    """Fail as few do."""
    raise SystemExit(3)


async def awaits_the_cancelled() -> None:
    """Fail by something that was cancelled elsewhere."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(
    ("trouble", "message"),
    [(raises, "ValueError: boom"), (exits, "SystemExit: 3"), (awaits_the_cancelled, "RuntimeError: it awaited")],
)
async def test_g12_when_initialize_fails_nothing_remains(
    manager: PluginManager,
    recorder: Recorder,
    footprint: Footprint,
    trouble: Callable[[], Any],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No subscription, task, channel, interceptor, id or instance; the error and a fact say why."""
    monkeypatch.setattr(Busy, "trouble", lambda self: trouble())
    await manager.register(Busy)
    before = footprint()
    alive.clear()
    await manager.unregister_and_destroy("busy")
    recorder.events.clear()
    with pytest.raises(PluginInitializationError) as caught:
        await manager.register_and_initialize(Busy)
    assert message in str(caught.value)
    assert "'busy'" in str(caught.value)
    assert "test_activation.py:" in str(caught.value)
    assert caught.value.plugin_id == "busy"
    assert manager.list_plugins() == []
    assert footprint() == before
    assert recorder.topics == ["plugin:registered", "plugin:failed", "plugin:unregistered"]
    [fact] = recorder.payloads(PLUGIN_FAILED)
    assert (fact.id, fact.stage) == ("busy", "initialize")
    assert fact.error == message.split(":")[0]
    assert "test_activation.py" in fact.traceback
    assert [ref() for ref in alive] == [None]  # although the error is still there


async def test_g12_what_was_made_before_the_failure_is_let_go_of(manager: PluginManager) -> None:
    """Tasks are cancelled and clean-ups run; destroy does not, as initialize did not come to its end."""
    plugin = Busy()

    async def raise_later() -> None:
        await asyncio.sleep(0)
        raise ValueError("boom")

    plugin.trouble = raise_later  # type: ignore[method-assign]
    with pytest.raises(PluginInitializationError):
        await manager.register_and_initialize(plugin)
    assert plugin.ended == ["work", "clean-up"]
    with pytest.raises(PluginStateError, match="was destroyed"):
        plugin.ctx.on(PING, plugin.hear)


async def test_g12_a_group_of_errors_keeps_no_instance_alive(manager: PluginManager, make: Make) -> None:
    """Nor does what they came from; types and texts of all of them stay."""
    made: list[weakref.ref[Any]] = []

    async def initialize(self: Any, ctx: PluginContext) -> None:
        made.append(weakref.ref(self))
        async with anyio.create_task_group() as group:
            group.start_soon(raises)
            group.start_soon(raises)

    with pytest.raises(PluginInitializationError) as caught:
        await manager.register_and_initialize(make(initialize=initialize))
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [str(error) for error in caught.value.__cause__.exceptions] == ["boom", "boom"]
    gc.collect()
    assert made[0]() is None


async def test_g12_an_initialize_that_hangs_is_ended(
    manager: PluginManager, clock: FakeClock, footprint: Footprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the plugin's own time-out is over."""
    monkeypatch.setattr(Busy, "trouble", lambda self: anyio.sleep_forever())
    await manager.register_and_initialize(_quiet())
    before = footprint()
    async with anyio.create_task_group() as group:

        async def bring_up() -> None:
            with pytest.raises(PluginInitializationError, match="longer than 10 s"):
                await manager.register_and_initialize(Busy)

        group.start_soon(bring_up)
        await clock.advance(9)
        assert manager.get_plugin("busy").state is PluginState.INITIALIZING
        await clock.advance(2)
    assert [info.id for info in manager.list_plugins()] == ["quiet"]
    assert footprint() == before


@pytest.mark.parametrize("how", ["scope", "task"])
@pytest.mark.parametrize("when", range(9))
async def test_g12_cancelled_at_any_moment_nothing_remains(
    manager: PluginManager,
    recorder: Recorder,
    footprint: Footprint,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    when: int,
) -> None:
    """However the caller is cancelled, and however far it has come: the plugin runs, or there is nothing of it."""

    async def take_three_turns(self: Busy) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    monkeypatch.setattr(Busy, "trouble", take_three_turns)
    await manager.register_and_initialize(_quiet())
    before = footprint()
    alive.clear()
    came_up = False

    async def bring_up() -> None:
        nonlocal came_up
        await manager.register_and_initialize(Busy)
        came_up = True

    if how == "scope":
        async with anyio.create_task_group() as group:
            group.start_soon(bring_up)
            for _ in range(when):
                await asyncio.sleep(0)
            group.cancel_scope.cancel()
    else:
        task = asyncio.ensure_future(bring_up())
        for _ in range(when):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    if came_up:
        await manager.unregister_and_destroy("busy")
    assert [info.id for info in manager.list_plugins()] == ["quiet"]
    for _ in range(3):
        await asyncio.sleep(0)
    assert footprint() == before
    gc.collect()
    assert [ref() for ref in alive if ref() is not None] == []
    registered, gone = recorder.of(PLUGIN_REGISTERED), recorder.of(PLUGIN_UNREGISTERED)
    assert len(registered) - 1 == len(gone)


@pytest.mark.parametrize("stage", ["registered", "initialized"])
async def test_g12_cancelled_while_the_fact_is_published_nothing_remains(
    manager: PluginManager, bus: Bus, footprint: Footprint, stage: str
) -> None:
    """A slow listener holds up the publishing; the plugin's caller need not wait for it."""
    await manager.register_and_initialize(_quiet())
    release = anyio.Event()

    async def slow(event: Event[Any]) -> None:
        await release.wait()

    held = bus.on(f"plugin:{stage}", slow, capacity=1)
    topic: Topic[Any] = Topic(f"plugin:{stage}")
    for _ in range(2):
        await bus.publish(topic, None)
        await asyncio.sleep(0)
    async with anyio.create_task_group() as group:
        group.start_soon(manager.register_and_initialize, Busy)
        await anyio.wait_all_tasks_blocked()
        assert manager.get_plugin("busy")
        group.cancel_scope.cancel()
    assert [info.id for info in manager.list_plugins()] == ["quiet"]
    release.set()
    held.close()


async def test_g12_a_handler_that_cannot_be_subscribed_undoes_all(
    manager: PluginManager, bus: Bus, footprint: Footprint
) -> None:
    """Initialize had come to its end, so destroy runs as well."""
    ended = []

    class Odd(Busy):
        metadata = Busy.metadata

        async def destroy(self) -> None:
            ended.append("destroy")

        @on(PING, capacity=0)
        async def never(self, event: Event[int]) -> None: ...

    await manager.register_and_initialize(_quiet())
    before = footprint()
    with pytest.raises(PluginInitializationError, match="capacity is a whole number"):
        await manager.register_and_initialize(Odd)
    assert ended == ["destroy"]
    assert footprint() == before


async def test_g12_more_handlers_than_allowed_undo_all(
    manager: PluginManager, footprint: Footprint, make: Make
) -> None:
    """The limit is part of coming up."""
    await manager.register_and_initialize(_quiet())
    before = footprint()

    class Many(make("many", limits=ResourceLimits(max_handlers=2))):  # type: ignore[misc]
        @on(PING)
        @on("ping:a")
        @on("ping:b")
        async def hear(self, event: Event[Any]) -> None: ...

    with pytest.raises(PluginInitializationError, match="all of its 2 handlers") as caught:
        await manager.register_and_initialize(Many)
    assert isinstance(caught.value.__cause__, PluginLimitError)
    assert footprint() == before


async def test_g12_an_error_names_the_line_of_the_plugin(manager: PluginManager, make: Make) -> None:
    """Not the one in gridbus that found it."""

    async def initialize(self: Any, ctx: PluginContext) -> None:
        ctx.on(PING, raises)

    with pytest.raises(PluginInitializationError, match=r"PluginPermissionError: .* \(.*test_activation\.py:\d+\)"):
        await manager.register_and_initialize(make(initialize=initialize))


async def test_g12_a_missing_dependency_leaves_nothing(manager: PluginManager, recorder: Recorder, make: Make) -> None:
    """The plugin is neither running nor registered."""
    with pytest.raises(PluginDependencyError, match=r"needy -> gone"):
        await manager.register_and_initialize(make("needy", dependencies=["gone"]))
    assert manager.list_plugins() == []
    assert recorder.topics == ["plugin:registered", "plugin:failed", "plugin:unregistered"]


async def test_g12_a_taken_id_changes_nothing(manager: PluginManager, recorder: Recorder, make: Make) -> None:
    """The error names both plugins; the one that was there goes on."""
    await manager.register_and_initialize(make("one", name="First"))
    recorder.events.clear()
    with pytest.raises(PluginConflictError) as caught:
        await manager.register_and_initialize(make("one", name="Second", version="2.0.0"))
    assert "'First' (one 1.0.0" in str(caught.value)
    assert "'Second' (one 2.0.0" in str(caught.value)
    assert manager.get_plugin("one").metadata.name == "First"
    assert manager.get_plugin("one").state is PluginState.RUNNING
    assert recorder.events == []


async def test_g12_after_a_failure_the_same_plugin_can_come_up(
    manager: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is in the way of another attempt."""
    monkeypatch.setattr(Busy, "trouble", lambda self: raises())
    for _ in range(2):
        with pytest.raises(PluginInitializationError):
            await manager.register_and_initialize(Busy)
    monkeypatch.undo()
    info = await manager.register_and_initialize(Busy)
    assert info.state is PluginState.RUNNING


def _quiet() -> type[Plugin[None]]:
    class Quiet(Plugin[None]):
        metadata = PluginMetadata(id="quiet", name="Quiet", version="1.0.0")

    return Quiet
