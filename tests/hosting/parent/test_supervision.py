"""Processes that end, and how their plugins go on."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus import Bus, Channel, Topic
from gridbus.errors import GridbusError, InterceptorError, PluginCrashed, ServerGone, Vetoed
from gridbus.events import PLUGIN_CRASHED, PLUGIN_QUARANTINED, PLUGIN_RESTARTED
from gridbus.hosting import ProcessHost, RestartPolicy
from gridbus.manifest import Isolation
from gridbus.plugins import PluginManager, PluginState
from gridbus.testing import FakeClock, Recorder
from tests.faults.processes import make_plugin, until

BODY = """
if os.path.exists(os.path.join(os.path.dirname(__file__), "ended")):
    os._exit(9)  # as it is imported

def __init__(self) -> None:
    super().__init__()
    self.heard: list[int] = []

async def initialize(self, ctx: Any) -> None:
    if os.path.exists(os.path.join(os.path.dirname(__file__), "broken")):
        raise ValueError("it is broken")

@serves(Channel("made:do", str, str))
async def do(self, what: str) -> str:
    match what.split():
        case ["exit", code]:
            print("it was nice", file=sys.stderr, flush=True)
            os._exit(int(code))
        case ["abort"]:
            os.abort()
        case ["print", count]:
            print("\\n".join(f"line {number}" for number in range(int(count))), flush=True)
    return what

@serves(Channel("made:hold", str, str))
async def hold(self, what: str) -> str:
    self.held = what
    if what == "for ever":
        import anyio
        await anyio.sleep_forever()
    return f"{what} {os.getpid()}"

@serves(Channel("made:state", str, list))
async def tell(self, what: str) -> list[Any]:
    return [getattr(self, "held", ""), self.heard]

@on(Topic("load:new", int), capacity=8, overflow=Overflow.DROP_OLDEST)
async def hear(self, event: Event[int]) -> None:
    if event.payload < 0:
        os._exit(4)
    self.heard.append(event.payload)

@intercepts(Topic("order:new", int), timeout=0.5)
async def look(self, draft: Draft[int]) -> None:
    if draft.payload < 0:
        raise Veto("less than nothing")

def snapshot_state(self) -> Any:
    return {"heard": self.heard, "of": os.getpid()}

def restore_state(self, state: Any, from_version: str) -> None:
    self.heard = [*state["heard"], from_version]
"""
_NEVER = 1e6  # this clock moves faster than any process answers
PERMISSIONS = ("subscribe:load:new", "intercept:order:new")
DO: Channel[str, str] = Channel("made:do", str, str)
HOLD: Channel[str, str] = Channel("made:hold", str, str)
STATE: Channel[str, list[Any]] = Channel("made:state", str, list)
NEW: Topic[int] = Topic("load:new", int)
ORDER: Topic[int] = Topic("order:new", int)


@attrs.define(eq=False)
class Scene:
    """One plugin in a process, and a clock that stands still: nothing is started again before a test wants it."""

    bus: Bus
    clock: FakeClock
    manager: PluginManager
    recorder: Recorder
    folder: Path

    def state(self) -> PluginState:
        return self.manager.get_plugin("made").state

    async def pid(self) -> int:
        return (await self.manager.resource_usage("made")).pid

    async def crash(self, how: str = "exit 3") -> Any:
        """Let the process end; return what is told of it."""
        count = len(self.recorder.of(PLUGIN_CRASHED))
        with pytest.raises(ServerGone):
            await self.bus.ask(DO, how)
        await until(lambda: len(self.recorder.of(PLUGIN_CRASHED)) > count)
        return self.recorder.payloads(PLUGIN_CRASHED)[-1]

    async def again(self, seconds: float) -> Any:
        """Let time pass, and the next process start; return what is told of it."""
        count = len(self.recorder.of(PLUGIN_RESTARTED))
        await self.clock.advance(seconds)
        await until(lambda: len(self.recorder.of(PLUGIN_RESTARTED)) > count)
        return self.recorder.payloads(PLUGIN_RESTARTED)[-1]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """The plugin runs."""
    async for made in scene_of(tmp_path, RestartPolicy()):
        yield made


async def scene_of(place: Path, restarts: RestartPolicy) -> AsyncIterator[Scene]:
    """Let the plugin run under a policy."""
    clock = FakeClock()
    async with Bus(clock=clock) as bus:
        host = ProcessHost(bus, require_sandbox=False, restarts=restarts, heartbeat=_NEVER, hang_after=_NEVER)
        try:
            async with PluginManager(bus, host=host, permissions={"made": PERMISSIONS}) as manager:
                folder = make_plugin(place, "made", BODY, permissions=PERMISSIONS)
                await manager.register_and_initialize(folder, isolation=Isolation.PROCESS)
                with Recorder(bus) as recorder:
                    yield Scene(bus, clock, manager, recorder, folder)
        finally:
            await host.aclose()


@pytest.mark.parametrize(
    ("how", "reason", "told"),
    [("exit 3", "exit", "code 3; it last wrote: it was nice"), ("abort", "crash", "SIGABRT")],
)
async def test_a_process_that_ends_is_told_with_its_last_words(scene: Scene, how: str, reason: str, told: str) -> None:
    """Why it ended, how often that happened, and when the next one starts."""
    before = await scene.pid()
    fact = await scene.crash(how)
    assert (fact.id, fact.reason, fact.lost, fact.lives, fact.restarts_in) == ("made", reason, 0, 1, 0.1)
    assert told in fact.message
    assert fact.cpu_seconds > 0
    assert fact.max_memory_bytes > 1_000_000
    await scene.clock.advance(0.09)
    assert scene.state() is PluginState.RESTARTING
    assert not scene.recorder.of(PLUGIN_RESTARTED)
    restarted = await scene.again(0.02)
    assert (restarted.id, restarted.attempt, restarted.waiting) == ("made", 1, 0)
    assert scene.state() is PluginState.RUNNING
    assert await scene.bus.ask(DO, "hello") == "hello"
    assert await scene.pid() != before


async def test_five_ends_in_a_minute_are_enough_until_it_is_reloaded(scene: Scene) -> None:
    """Each wait is twice the last; in quarantine nothing is started and nobody waits for it."""
    waits = []
    for _ in range(4):
        fact = await scene.crash()
        waits.append(fact.restarts_in)
        await scene.again(fact.restarts_in)
    await scene.bus.publish(NEW, 1)
    fact = await scene.crash()
    assert (waits, fact.restarts_in, fact.lives) == ([0.1, 0.2, 0.4, 0.8], None, 5)
    await until(lambda: scene.recorder.of(PLUGIN_QUARANTINED))
    [quarantined] = scene.recorder.payloads(PLUGIN_QUARANTINED)
    assert (quarantined.id, quarantined.reason) == ("made", "exit")
    assert "code 3" in quarantined.message
    await scene.clock.advance(100)
    assert scene.state() is PluginState.QUARANTINED
    health = await scene.manager.check_plugin_health("made")
    assert health.status == "error"
    assert "quarantine" in health.message
    with pytest.raises(GridbusError):
        await scene.bus.ask(DO, "hello")
    await scene.bus.publish(NEW, 2)  # holds nobody up
    await scene.manager.reload_plugin("made")
    assert scene.state() is PluginState.RUNNING
    assert await scene.bus.ask(DO, "hello") == "hello"
    assert (await scene.crash()).restarts_in == 0.1, "what was before the reload counts no more"


async def test_waits_grow_up_to_a_bound_and_old_ends_count_no_more(tmp_path: Path) -> None:
    """A process that held for long starts anew with a short wait."""
    async for scene in scene_of(tmp_path, RestartPolicy(first=8.0, longest=30.0, most=9, within=200.0)):
        waits = []
        for _ in range(5):
            fact = await scene.crash()
            waits.append(fact.restarts_in)
            await scene.again(fact.restarts_in)
        assert waits == [8.0, 16.0, 30.0, 30.0, 30.0]
        await scene.clock.advance(201)
        assert (await scene.crash()).restarts_in == 8.0


async def test_a_process_that_does_not_come_up_again_counts_too(scene: Scene) -> None:
    """What its new process says is told, each time, until it is enough."""
    (scene.folder / "broken").touch()
    fact = await scene.crash()
    for count in range(2, 6):
        await scene.clock.advance(fact.restarts_in)
        await until(lambda: len(scene.recorder.of(PLUGIN_CRASHED)) == count)  # noqa: B023
        fact = scene.recorder.payloads(PLUGIN_CRASHED)[-1]
        assert (fact.reason, fact.lost, fact.lives) == ("exit", 0, count)
        assert "ValueError: it is broken" in fact.message
    assert fact.restarts_in is None
    await until(lambda: scene.state() is PluginState.QUARANTINED)
    assert not scene.recorder.of(PLUGIN_RESTARTED)


async def test_code_that_ends_as_it_is_imported_is_told_with_its_exit(scene: Scene) -> None:
    """As if it had ended later."""
    (scene.folder / "ended").write_text("")
    fact = await scene.crash()
    await scene.clock.advance(fact.restarts_in)
    await until(lambda: len(scene.recorder.of(PLUGIN_CRASHED)) == 2)
    assert "code 9" in scene.recorder.payloads(PLUGIN_CRASHED)[-1].message
    assert scene.state() is PluginState.RESTARTING


async def test_what_waits_is_handed_to_the_next_process_in_order(scene: Scene) -> None:
    """As much of it as the mailbox holds; what the last one had in hand is lost, and counted."""
    await scene.bus.publish(NEW, -1)
    await until(lambda: scene.recorder.of(PLUGIN_CRASHED))
    assert scene.recorder.payloads(PLUGIN_CRASHED)[0].lost == 1
    for number in range(20):
        await scene.bus.publish(NEW, number)
    restarted = await scene.again(0.1)
    assert restarted.waiting == 8
    await scene.bus.drain()
    assert (await scene.bus.ask(STATE, ""))[1] == list(range(12, 20))
    [stats] = [kept for kept in scene.bus.stats().subscriptions if kept.topic == NEW]
    assert (stats.handled, stats.dropped, stats.depth) == (8, 13, 0)


async def test_requests_in_hand_fail_at_once_and_those_that_wait_are_answered_later(scene: Scene) -> None:
    """The asker of the first need not wait for a time-out; the other notices nothing."""
    replies: list[str] = []

    async def in_hand() -> None:
        with pytest.raises(ServerGone, match="ended before it replied"):
            await scene.bus.ask(HOLD, "for ever", timeout=30)
        replies.append("gone")

    async def waiting() -> None:
        replies.append(await scene.bus.ask(HOLD, "later", timeout=30))

    async with anyio.create_task_group() as group:
        group.start_soon(in_hand)
        with anyio.fail_after(5):
            while (await scene.bus.ask(STATE, ""))[0] != "for ever":
                pass
        group.start_soon(waiting)
        await scene.crash()
        await until(lambda: replies)
        assert replies == ["gone"]
        await scene.again(0.1)
    assert replies == ["gone", f"later {await scene.pid()}"]


async def test_while_it_is_away_its_health_says_so_and_its_guard_lets_nothing_through(scene: Scene) -> None:
    """A draft waits for the next process as long as a look may take, and is refused then."""
    await scene.bus.publish(ORDER, 1)
    heard: list[int] = []
    scene.bus.on(ORDER, lambda event: heard.append(event.payload), name="good")
    await scene.crash()
    health = await scene.manager.check_plugin_health("made")
    assert health.status == "warning"
    assert "started again" in health.message

    with pytest.raises(InterceptorError, match=r"made/Made\.look of order:new"):
        await scene.bus.publish(ORDER, 2)

    async def looked_at() -> None:
        await scene.bus.publish(ORDER, 3)

    async with anyio.create_task_group() as group:
        group.start_soon(looked_at)
        await scene.again(0.1)
    with pytest.raises(Vetoed, match="less than nothing"):
        await scene.bus.publish(ORDER, -3)
    await scene.bus.drain()
    assert heard == [3]


async def test_what_it_writes_is_logged_at_a_bounded_rate(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """A flood is cut, and how much that was is told."""
    caplog.set_level(logging.INFO, logger="gridbus.plugin.made")
    await scene.bus.ask(DO, "print 5")
    await until(lambda: len(caplog.records) >= 5)
    assert [record.message for record in caplog.records] == [f"line {number}" for number in range(5)]
    assert {record.name for record in caplog.records} == {"gridbus.plugin.made.stdout"}
    await scene.bus.ask(DO, "print 3000")
    await scene.crash()
    lines = [record for record in caplog.records if record.name == "gridbus.plugin.made.stdout"]
    shown = [record for record in lines if record.message.startswith("line")]
    assert len(shown) == 1000, "the clock stands still, so no more come in"
    assert "2005 lines came too fast and are not shown" in lines[-1].message
    assert [record.message for record in caplog.records if record.name.endswith("stderr")] == ["it was nice"]


async def test_state_goes_from_process_to_process(scene: Scene) -> None:
    """With a reload; after a crash nobody can tell it."""
    await scene.bus.publish(NEW, 7)
    await scene.bus.drain()
    before = await scene.pid()
    await scene.manager.reload_plugin("made")
    assert await scene.pid() != before
    assert (await scene.bus.ask(STATE, ""))[1] == [7, "1.0.0"]
    await scene.crash()
    await scene.again(0.1)
    assert (await scene.bus.ask(STATE, ""))[1] == []


async def test_a_plugin_that_ends_as_it_begins_is_not_started_again(tmp_path: Path) -> None:
    """Whoever registers it is told why."""
    async with Bus() as bus:
        host = ProcessHost(bus, require_sandbox=False)
        try:
            async with PluginManager(bus, host=host) as manager:
                folder = make_plugin(tmp_path, "made", "os._exit(5)\n")
                with pytest.raises(PluginCrashed, match=r"'made' ended as it loaded: it exited with code 5"):
                    await manager.register(folder, isolation=Isolation.PROCESS)
                assert manager.list_plugins() == []
        finally:
            await host.aclose()
