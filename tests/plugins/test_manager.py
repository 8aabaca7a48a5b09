"""The manager: several plugins together, what it knows of them, and its end of the channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.channels.plugins import (
    PluginInfo,
)
from gridbus.errors import (
    BusClosed,
    PluginConflictError,
    PluginDependencyError,
    PluginError,
    PluginIncompatibleError,
    PluginInitializationError,
    PluginNotFoundError,
)
from gridbus.events import Topic
from gridbus.events.system import PLUGIN_DESTROYED, PLUGIN_FAILED, PLUGIN_INITIALIZED, PLUGIN_RELOADED, HealthStatus
from gridbus.manifest import PluginCategory, PluginMetadata
from gridbus.plugins import Plugin, PluginContext, PluginManager, PluginState
from gridbus.testing import Recorder

Make = Callable[..., type[Plugin[Any]]]


async def raises(*_: Any) -> None:
    """Fail."""
    raise ValueError("boom")


def ids(infos: list[PluginInfo] | tuple[PluginInfo, ...]) -> list[str]:
    """The ids."""
    return [info.id for info in infos]


async def test_g15_all_at_once_come_up_in_the_order_of_their_dependencies(
    manager: PluginManager, recorder: Recorder, make: Make
) -> None:
    """The result has the order in which they were given."""
    infos = await manager.register_and_initialize_all(
        [make("top", dependencies=["middle"]), (make("middle", dependencies=["base"]), None), make("base")()]
    )
    assert ids(infos) == ["top", "middle", "base"]
    assert {info.state for info in infos} == {PluginState.RUNNING}
    assert [fact.id for fact in recorder.payloads(PLUGIN_INITIALIZED)] == ["base", "middle", "top"]


async def test_g15_those_that_fail_are_told_together_and_the_others_run(
    manager: PluginManager, recorder: Recorder, make: Make
) -> None:
    """A failure takes along who depends on it, and nobody else; of those that fail nothing remains."""
    with pytest.raises(ExceptionGroup, match="5 plugins did not come up") as caught:
        await manager.register_and_initialize_all(
            [
                make("good"),
                make("bad", initialize=raises),
                make("needs-bad", dependencies=["bad"]),
                make("needs-gone", dependencies=["gone"]),
                make("fan", dependencies=["bad?"]),
                "no-such-plugin-anywhere",
                make("good", name="Second"),
            ]
        )
    told = {type(error): error for error in caught.value.exceptions}
    assert set(told) == {
        PluginInitializationError,
        PluginDependencyError,
        PluginNotFoundError,
        PluginConflictError,
    }
    assert "needs-bad -> bad" in str([str(error) for error in caught.value.exceptions])
    assert ids(manager.list_plugins()) == ["good", "fan"]
    assert {info.state for info in manager.list_plugins()} == {PluginState.RUNNING}
    assert {fact.id for fact in recorder.payloads(PLUGIN_FAILED)} == {
        "bad",
        "needs-bad",
        "needs-gone",
        "no-such-plugin-anywhere",
    }


async def test_g15_a_circle_is_named_and_leaves_nothing(manager: PluginManager, make: Make) -> None:
    """Each of its members fails with the path."""
    with pytest.raises(ExceptionGroup) as caught:
        await manager.register_and_initialize_all(
            [make("a", dependencies=["b"]), make("b", dependencies=["c"]), make("c", dependencies=["a"])]
        )
    assert "a -> b -> c -> a" in str(caught.value.exceptions[0])
    assert len(caught.value.exceptions) == 3
    assert manager.list_plugins() == []


async def test_g15_initializing_brings_up_what_is_needed_first(
    manager: PluginManager, recorder: Recorder, make: Make
) -> None:
    """Of what is registered, whatever the order of registration."""
    await manager.register(make("top", dependencies=["base>=1"]))
    await manager.register(make("base"))
    await manager.register(make("other"))
    await manager.initialize("top")
    assert [fact.id for fact in recorder.payloads(PLUGIN_INITIALIZED)] == ["base", "top"]
    assert manager.get_plugin("other").state is PluginState.REGISTERED


async def test_g15_what_is_needed_stays_where_the_other_fails(manager: PluginManager, make: Make) -> None:
    """It came up, and may serve others."""
    await manager.register(make("top", dependencies=["base"], initialize=raises))
    await manager.register(make("base"))
    with pytest.raises(PluginInitializationError):
        await manager.initialize("top")
    assert ids(manager.list_plugins(state="running")) == ["base"]
    assert ids(manager.list_plugins()) == ["base"]


async def test_g15_a_dependency_that_fails_is_named(manager: PluginManager, make: Make) -> None:
    """With the path to it; neither remains."""
    await manager.register(make("top", dependencies=["base"]))
    await manager.register(make("base", initialize=raises))
    with pytest.raises(PluginDependencyError, match=r"'base' did not \(top -> base\)"):
        await manager.initialize("top")
    assert manager.list_plugins() == []


async def test_g15_a_dependency_on_its_way_up_is_waited_for(
    manager: PluginManager, recorder: Recorder, make: Make
) -> None:
    """Two callers need not know of each other."""
    go = anyio.Event()

    async def initialize(self: Any, ctx: PluginContext) -> None:
        await go.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(manager.register_and_initialize, make("base", initialize=initialize))
        await anyio.wait_all_tasks_blocked()
        group.start_soon(manager.register_and_initialize, make("top", dependencies=["base"]))
        await anyio.wait_all_tasks_blocked()
        assert recorder.of(PLUGIN_INITIALIZED) == []
        go.set()
    assert [fact.id for fact in recorder.payloads(PLUGIN_INITIALIZED)] == ["base", "top"]


async def test_g15_a_dependency_that_two_need_is_brought_up_once(manager: PluginManager, make: Make) -> None:
    """Whoever comes second finds it on its way, or there."""
    go = anyio.Event()
    came_up: list[str] = []

    async def initialize(self: Any, ctx: PluginContext) -> None:
        came_up.append(ctx.plugin_id)
        if ctx.plugin_id == "first":
            await go.wait()

    for plugin_id, needs in {"first": [], "base": [], "one": ["first", "base"], "two": ["base"]}.items():
        await manager.register(make(plugin_id, dependencies=needs, initialize=initialize))
    async with anyio.create_task_group() as group:
        group.start_soon(manager.initialize, "one")
        await anyio.wait_all_tasks_blocked()
        group.start_soon(manager.initialize, "two")
        await anyio.wait_all_tasks_blocked()
        assert came_up == ["first", "base", "two"]
        go.set()
    assert came_up == ["first", "base", "two", "one"]
    assert len(manager.list_plugins(state="running")) == 4


async def test_g15_a_plugin_that_fails_for_another_has_failed_for_all(manager: PluginManager, make: Make) -> None:
    """Whoever asked for it second does not take it for running."""
    go = anyio.Event()
    told: list[str] = []

    async def initialize(self: Any, ctx: PluginContext) -> None:
        await go.wait()
        if ctx.plugin_id == "base":
            raise ValueError("boom")

    for plugin_id, needs in {"first": [], "base": ["first"], "top": ["base"]}.items():
        await manager.register(make(plugin_id, dependencies=needs, initialize=initialize))

    async def bring_up(plugin_id: str) -> None:
        with pytest.raises(PluginError) as caught:
            await manager.initialize(plugin_id)
        told.append(str(caught.value))

    async with anyio.create_task_group() as group:
        group.start_soon(bring_up, "base")
        group.start_soon(bring_up, "top")
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert sorted(text.partition(" (")[0] for text in told) == [
        "plugin 'base' did not come up: ValueError: boom",
        "plugin 'top' cannot come up: 'base' did not",
    ]
    assert ids(manager.list_plugins()) == ["first"]


async def test_closing_while_several_come_up_lets_none_of_them_stay(bus: Bus, recorder: Recorder, make: Make) -> None:
    """The one on its way is waited for, the next ones are refused."""
    go = anyio.Event()

    async def initialize(self: Any, ctx: PluginContext) -> None:
        await go.wait()

    manager = PluginManager(bus)
    told: list[Exception] = []

    async def bring_up() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await manager.register_and_initialize_all([make(name, initialize=initialize) for name in ("one", "two")])
        told.extend(caught.value.exceptions)

    async with anyio.create_task_group() as group:
        group.start_soon(bring_up)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(manager.aclose)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert manager.list_plugins() == []
    assert ["manager is closed" in str(error) for error in told] == [True]
    assert [fact.id for fact in recorder.payloads(PLUGIN_INITIALIZED)] == ["one"]
    assert [fact.id for fact in recorder.payloads(PLUGIN_DESTROYED)] == ["one"]


async def test_g12_all_at_once_cancelled_leaves_none_half_way(manager: PluginManager, make: Make) -> None:
    """What runs already runs on; what was on its way or waited for its turn is gone."""
    async with anyio.create_task_group() as group:
        group.start_soon(
            manager.register_and_initialize_all,
            [make("one"), make("two", initialize=lambda *_: anyio.sleep_forever()), make("three")],
        )
        await anyio.wait_all_tasks_blocked()
        assert [info.state for info in manager.list_plugins()] == ["running", "initializing", "registered"]
        group.cancel_scope.cancel()
    assert ids(manager.list_plugins()) == ["one"]


async def test_leaving_waits_for_what_somebody_else_destroys(bus: Bus, recorder: Recorder, make: Make) -> None:
    """It is not destroyed twice."""
    go = anyio.Event()

    async def destroy(self: Any) -> None:
        await go.wait()

    manager = PluginManager(bus)
    await manager.register_and_initialize(make("slow", destroy=destroy))
    async with anyio.create_task_group() as group:
        group.start_soon(manager.unregister_and_destroy, "slow")
        await anyio.wait_all_tasks_blocked()
        group.start_soon(manager.aclose)
        await anyio.wait_all_tasks_blocked()
        assert manager.get_plugin("slow").state is PluginState.DESTROYING
        go.set()
    assert len(recorder.of(PLUGIN_DESTROYED)) == 1


async def test_g15_conflicting_plugins_do_not_run_together(manager: PluginManager, make: Make) -> None:
    """The one that was there stays; after it went, the other may come."""
    await manager.register_and_initialize(make("old"))
    with pytest.raises(PluginIncompatibleError, match="'new' conflicts with 'old'"):
        await manager.register_and_initialize(make("new", conflicts=["old"]))
    assert ids(manager.list_plugins()) == ["old"]
    await manager.unregister_and_destroy("old")
    await manager.register_and_initialize(make("new", conflicts=["old"]))


async def test_g15_what_others_need_does_not_go_alone(manager: PluginManager, recorder: Recorder, make: Make) -> None:
    """The error names them; with cascade they go too, in reverse order."""
    await manager.register_and_initialize_all(
        [
            make("base"),
            make("middle", dependencies=["base"]),
            make("top", dependencies=["middle"]),
            make("fan", dependencies=["base?"]),
        ]
    )
    with pytest.raises(PluginDependencyError, match="'base' is needed by middle, top") as caught:
        await manager.unregister_and_destroy("base")
    assert caught.value.details["dependents"] == ("middle", "top")
    assert len(manager.list_plugins(state=PluginState.RUNNING)) == 4
    assert await manager.unregister_and_destroy("base", cascade=True) == ("top", "middle", "base")
    assert [fact.id for fact in recorder.payloads(PLUGIN_DESTROYED)] == ["top", "middle", "base"]
    assert ids(manager.list_plugins()) == ["fan"]


async def test_reloading_makes_a_new_instance_with_the_same_configuration(
    manager: PluginManager, recorder: Recorder
) -> None:
    """Of an instance, its class and configuration are used."""
    made: list[Any] = []

    class Counted(Plugin[dict[str, int]]):
        metadata = PluginMetadata(id="counted", name="Counted", version="1.0.0")

        async def initialize(self, ctx: PluginContext) -> None:
            made.append(self)

    await manager.register_and_initialize(Counted(a=1))
    info = await manager.reload_plugin("counted")
    assert info.state is PluginState.RUNNING
    first, second = made
    assert first is not second
    assert second.config == {"a": 1}
    assert recorder.topics[-3:] == ["plugin:reloading", "plugin:reloaded", "plugin:drained"]
    assert (info.generation, manager.get_plugin("counted").generation) == (2, 2)


async def test_reloading_what_others_need(manager: PluginManager, recorder: Recorder, make: Make) -> None:
    """They go on as they are where nothing changes for them, or are reloaded after it where that is wanted."""
    await manager.register_and_initialize_all([make("base"), make("top", dependencies=["base"])])
    await manager.reload_plugin("base")
    await manager.reload_plugin("base", cascade=True)
    facts = recorder.payloads(PLUGIN_RELOADED)
    assert [(fact.id, fact.kept, fact.restarted) for fact in facts] == [
        ("base", ("top",), ()),
        ("base", (), ("top",)),
        ("top", (), ()),
    ]


async def test_plugins_are_listed_by_category_and_state(manager: PluginManager, make: Make) -> None:
    """In the order of registration."""
    await manager.register(make("one", category="audit"))
    await manager.register_and_initialize(make("two", category="export"))
    await manager.register_and_initialize(make("three", category="audit"))
    assert ids(manager.list_plugins()) == ["one", "two", "three"]
    assert ids(manager.get_plugins_by_category("audit")) == ["one", "three"]
    assert ids(manager.list_plugins(PluginCategory.AUDIT, PluginState.RUNNING)) == ["three"]
    assert manager.get_plugin("two").metadata.category is PluginCategory.EXPORT
    with pytest.raises(PluginNotFoundError, match="registered are: one, two, three"):
        manager.get_plugin("four")
    with pytest.raises(PluginNotFoundError):
        await manager.initialize("four")


async def test_a_bus_that_is_not_open_is_an_error(make: Make) -> None:
    """A manager may be made before, and used after."""
    bus = Bus()
    manager = PluginManager(bus)
    with pytest.raises(BusClosed, match="new"):
        await manager.register(make())
    async with bus:
        await manager.register_and_initialize(make())
        await manager.aclose()


async def test_a_plugin_that_fails_does_no_harm_to_others(manager: PluginManager, bus: Bus, make: Make) -> None:
    """Whatever stage it fails at."""

    def exits(*_: Any) -> None:
        raise SystemExit(1)

    async def exits_later(*_: Any) -> None:
        raise SystemExit(1)

    heard = []
    plugin = make("good", permissions=["subscribe:*"])()
    await manager.register_and_initialize(plugin)
    plugin.ctx.on("ping:*", lambda event: heard.append(event.payload))
    for source in (
        make("makes-none", __init__=exits),
        make("comes-never", initialize=exits_later),
        make("says-no", validate_config=raises),
    ):
        with pytest.raises(PluginError):
            await manager.register_and_initialize(source)
    await manager.register_and_initialize(make("goes-badly", destroy=exits_later, health_check=exits_later))
    assert (await manager.check_all_health())["goes-badly"].status is HealthStatus.ERROR
    await manager.unregister_and_destroy("goes-badly")
    await bus.publish(Topic("ping:sent"), 1)
    await bus.drain()
    assert heard == [1]
    assert ids(manager.list_plugins()) == ["good"]
