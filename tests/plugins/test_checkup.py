"""How plugins are: by their own word, or for want of one by what can be seen."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus, Overflow
from gridbus.channels import Channel
from gridbus.errors import PluginNotFoundError, RemoteError
from gridbus.events import Event, Topic
from gridbus.events.system import PLUGIN_FAILED, HealthStatus
from gridbus.manifest import PluginHealth, ResourceLimits
from gridbus.plugins import Plugin, PluginContext, PluginManager
from gridbus.testing import FakeClock, Recorder

Make = Callable[..., type[Plugin[Any]]]

PING: Topic[int] = Topic("ping:sent", int)


async def running(manager: PluginManager, cls: type[Plugin[Any]]) -> PluginContext:
    """Bring a plugin up and return its context."""
    plugin = cls()
    await manager.register_and_initialize(plugin)
    return plugin.ctx


async def test_a_plugins_own_word_counts(manager: PluginManager, clock: FakeClock, make: Make) -> None:
    """Filled in are how long it took, and when."""

    async def check(self: Any) -> PluginHealth:
        clock._now += 0.25
        return PluginHealth.warning("half full", used=5)

    await manager.register_and_initialize(make(health_check=check))
    health = await manager.check_plugin_health("sample")
    assert (health.status, health.message, health.details) == (HealthStatus.WARNING, "half full", {"used": 5})
    assert health.duration == 0.25
    assert health.checked_at == datetime.fromtimestamp(clock.time_ns() / 1e9, UTC)


async def test_a_check_that_raises_is_an_error(manager: PluginManager, recorder: Recorder, make: Make) -> None:
    """The message names the place, a fact carries the traceback."""

    async def check(self: Any) -> PluginHealth:
        raise OSError("no disk")

    await manager.register_and_initialize(make(health_check=check))
    health = await manager.check_plugin_health("sample")
    assert health.status is HealthStatus.ERROR
    assert "OSError: no disk (" in health.message
    assert "test_checkup.py:" in health.message
    [fact] = recorder.payloads(PLUGIN_FAILED)
    assert (fact.stage, fact.error) == ("health", "OSError")


async def test_a_check_that_hangs_is_unknown(manager: PluginManager, clock: FakeClock, make: Make) -> None:
    """It could not be asked; those that answer are not held up."""

    async def hang(self: Any) -> PluginHealth:
        await anyio.sleep_forever()
        raise AssertionError

    await manager.register_and_initialize(make("stuck", health_check=hang, limits=ResourceLimits(health_timeout=3)))
    await manager.register_and_initialize(make("fine"))
    results: dict[str, PluginHealth] = {}

    async def check() -> None:
        results.update(await manager.check_all_health())

    async with anyio.create_task_group() as group:
        group.start_soon(check)
        await clock.advance(3.1)
    assert list(results) == ["stuck", "fine"]
    assert results["fine"].status is HealthStatus.HEALTHY
    assert results["stuck"].status is HealthStatus.UNKNOWN
    assert "longer than 3 s" in results["stuck"].message
    assert results["stuck"].duration == 3


async def test_a_check_that_says_nothing_is_an_error(manager: PluginManager, make: Make) -> None:
    """What it returned is named."""

    async def check(self: Any) -> Any:
        return True

    await manager.register_and_initialize(make(health_check=check))
    health = await manager.check_plugin_health("sample")
    assert health.status is HealthStatus.ERROR
    assert "returned bool" in health.message


async def test_a_plugin_that_does_not_run_is_unknown(manager: PluginManager, make: Make) -> None:
    """Its state is told; one that is not registered is an error."""
    await manager.register(make())
    health = await manager.check_plugin_health("sample")
    assert (health.status, health.message) == (HealthStatus.UNKNOWN, "it is registered, not running")
    with pytest.raises(PluginNotFoundError):
        await manager.check_plugin_health("gone")


async def test_without_a_check_a_plugin_is_healthy_while_nothing_fails(
    manager: PluginManager, bus: Bus, clock: FakeClock, make: Make
) -> None:
    """A failure of the last minute makes it a warning that names the last one."""
    ctx = await running(manager, make(permissions=["subscribe:*"]))
    other = await running(manager, make("other", permissions=["subscribe:*"]))

    async def fail(event: Event[int]) -> None:
        raise ValueError(f"boom {event.payload}")

    ctx.on(PING, fail, name="failing")
    other.on(PING, lambda event: None)
    assert (await manager.check_plugin_health("sample")).status is HealthStatus.HEALTHY
    await bus.publish(PING, 1)
    await bus.publish(PING, 2)
    await bus.drain()
    health = await manager.check_plugin_health("sample")
    assert health.status is HealthStatus.WARNING
    assert health.message == "2 failures in the last 60 s, the last: failing: ValueError: boom 2"
    assert health.details == {"recent": 2}
    assert (await manager.check_plugin_health("other")).status is HealthStatus.HEALTHY
    await clock.advance(59)
    assert (await manager.check_plugin_health("sample")).status is HealthStatus.WARNING
    await clock.advance(2)
    assert (await manager.check_plugin_health("sample")).status is HealthStatus.HEALTHY


async def test_failing_tasks_and_lost_events_are_failures_too(manager: PluginManager, bus: Bus, make: Make) -> None:
    """A loss once per episode."""
    ctx = await running(manager, make(permissions=["subscribe:*"]))

    async def fail() -> None:
        raise ValueError("task")

    job = ctx.start_soon(fail, name="worker")
    await job.wait()
    await bus.drain()
    assert "task worker: ValueError: task" in (await manager.check_plugin_health("sample")).message
    ctx.on(PING, lambda event: None, name="small", capacity=1, overflow=Overflow.DROP_NEWEST)
    for number in range(5):
        await bus.publish(PING, number)
    await bus.drain()
    health = await manager.check_plugin_health("sample")
    assert "small was too slow and has lost" in health.message
    assert health.details == {"recent": 2}


async def test_a_request_that_fails_is_the_askers_to_know(manager: PluginManager, bus: Bus, make: Make) -> None:
    """A server that refuses a message is not ill."""
    ctx = await running(manager, make())
    channel: Channel[str, str] = Channel("sample:echo", str, str)

    async def refuse(text: str) -> str:
        raise ValueError("not like this")

    ctx.serve(channel, refuse)
    with pytest.raises(RemoteError):
        await bus.ask(channel, "x")
    await bus.drain()
    assert (await manager.check_plugin_health("sample")).status is HealthStatus.HEALTHY


async def test_many_failures_are_counted_up_to_a_bound(manager: PluginManager, make: Make) -> None:
    """Remembering them must not grow without end."""
    ctx = await running(manager, make())
    for number in range(2000):
        ctx._troubles.note(f"failure {number}")
    health = ctx.observed_health()
    assert health.message == "at least 1000 failures in the last 60 s, the last: failure 1999"


async def test_a_check_may_build_on_what_is_seen(manager: PluginManager, make: Make) -> None:
    """The default is there for those who override it."""

    class Careful(make("careful")):  # type: ignore[misc]
        async def health_check(self) -> PluginHealth:
            seen = await super().health_check()
            return PluginHealth(seen.status, "as seen", {"more": 1})

    await manager.register_and_initialize(Careful)
    health = await manager.check_plugin_health("careful")
    assert (health.status, health.message, health.details) == (HealthStatus.HEALTHY, "as seen", {"more": 1})


async def test_g13_a_check_that_hangs_ends_with_the_plugin(
    manager: PluginManager, make: Make, footprint: Callable[[], dict[str, Any]]
) -> None:
    """Whoever asked learns that it went."""
    await manager.register_and_initialize(make("other"))
    before = footprint()

    async def hang(self: Any) -> PluginHealth:
        await anyio.sleep_forever()
        raise AssertionError

    plugin = make("stuck", health_check=hang)()
    gone = weakref.ref(plugin)
    await manager.register_and_initialize(plugin)
    del plugin
    results: list[PluginHealth] = []

    async def check() -> None:
        results.append(await manager.check_plugin_health("stuck"))

    async with anyio.create_task_group() as group:
        group.start_soon(check)
        await anyio.wait_all_tasks_blocked()
        await manager.unregister_and_destroy("stuck")
    assert footprint() == before
    gc.collect()
    assert gone() is None
    assert [(health.status, health.message) for health in results] == [
        (HealthStatus.UNKNOWN, "it went while it was asked")
    ]
