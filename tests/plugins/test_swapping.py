"""Reloading a plugin while events flow: a new generation takes over, or the one that serves goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginState
from gridbus.errors import (
    PluginNotFoundError,
    PluginReloadError,
    PluginStateError,
    ReentrancyError,
)
from gridbus.events.system import PLUGIN_DRAINED, PLUGIN_RELOAD_FAILED, PLUGIN_RELOADED, PLUGIN_RELOADING
from gridbus.manifest import PluginMetadata, ResourceLimits
from gridbus.plugins import Plugin, PluginManager, on
from gridbus.testing import FakeClock, Recorder
from tests.plugins.authoring import CODE, SAY, TICK, Author, Hosted, is_initializing, modules, only_modules, plugin_of
from tests.plugins.stand_ins import FakeHost


async def test_new_code_takes_over_with_the_state(
    manager: PluginManager, bus: Bus, author: Author, recorder: Recorder
) -> None:
    """All that waits and all that follows is the new generation's; the old one's modules are gone."""
    await manager.register_and_initialize(author.folder)
    await bus.publish_and_wait(TICK, 1)
    author.version = "1.1.0"
    author.save(word="good morning")
    info = await manager.reload_plugin("counter", reason="words.py changed", files=["words.py"])
    assert (info.generation, info.metadata.version, info.state) == (2, "1.1.0", PluginState.RUNNING)
    await bus.publish_and_wait(TICK, 2)
    assert await bus.ask(SAY, 0) == "good morning [1, 2] 1"
    assert plugin_of(manager).notes == ["initialize", "restore", "1.0.0", "hot reload", "1.0.0"]
    assert modules() == {f"gridbus_plugin_counter__2{name}" for name in ("", ".plugin", ".words")}
    [begun] = recorder.payloads(PLUGIN_RELOADING)
    assert (begun.id, begun.generation, begun.reason, begun.files) == (
        "counter",
        2,
        "words.py changed",
        ("words.py",),
    )
    [done] = recorder.payloads(PLUGIN_RELOADED)
    assert (done.generation, done.version, done.from_version, done.waiting) == (2, "1.1.0", "1.0.0", 0)
    [drained] = recorder.payloads(PLUGIN_DRAINED)
    assert (drained.generation, drained.clean, drained.cancelled) == (1, True, 0)
    assert recorder.payloads("plugin:failed") == []


async def test_events_flow_through_many_reloads(manager: PluginManager, bus: Bus, author: Author) -> None:
    """Each is handled once and in order."""
    await manager.register_and_initialize(author.folder)
    is_over = False
    published = 0

    async def publish() -> None:
        nonlocal published
        while not is_over:
            published += 1
            await bus.publish(TICK, published)
            await checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(publish)
        for turn in range(20):
            author.save(word=f"word {turn}")
            await manager.reload_plugin("counter")
        is_over = True
    await bus.drain()
    assert plugin_of(manager).heard == list(range(1, published + 1))
    assert published > 20


async def test_a_newer_wish_takes_the_place_of_one_that_hangs(
    manager: PluginManager, bus: Bus, author: Author, recorder: Recorder
) -> None:
    """Whoever wished first gets what came of the newer one."""
    await manager.register_and_initialize(author.folder)
    author.save(CODE.replace("self.heard = []", "import anyio; await anyio.sleep_forever()"))
    generations: list[int] = []

    async def reload() -> None:
        generations.append((await manager.reload_plugin("counter")).generation)

    async with anyio.create_task_group() as group:
        group.start_soon(reload)
        await is_initializing(bus)
        author.save(word="mended")
        group.start_soon(reload)
    assert generations == [2, 2]
    assert await bus.ask(SAY, 0) == "mended [] 1"
    assert recorder.payloads(PLUGIN_RELOAD_FAILED) == []
    assert modules() == {f"gridbus_plugin_counter__3{name}" for name in ("", ".plugin", ".words")}


async def test_rolling_back_returns_to_the_code_before(manager: PluginManager, bus: Bus, author: Author) -> None:
    """With the state of the one that serves, and whatever is on the disk now; and back again."""
    await manager.register_and_initialize(author.folder)
    with pytest.raises(PluginStateError, match="no generation before"):
        await manager.rollback_plugin("counter")
    author.save(word="new")
    await manager.reload_plugin("counter")
    await bus.publish_and_wait(TICK, 1)
    author.save("this is no Python")
    info = await manager.rollback_plugin("counter")
    assert info.generation == 3
    assert await bus.ask(SAY, 0) == "hello [1] 1"
    await manager.rollback_plugin("counter")
    assert await bus.ask(SAY, 0) == "new [1] 1"


async def test_the_old_one_finishes_what_it_has_in_hand(
    manager: PluginManager, clock: FakeClock, bus: Bus, make: Callable[..., type[Plugin[Any]]], recorder: Recorder
) -> None:
    """What goes on beyond the deadline is cancelled, counted, and told; the next event is the new one's."""
    log: list[tuple[int, int]] = []
    gate = anyio.Event()

    class Slow(Plugin):
        metadata = PluginMetadata(id="slow", name="Slow", version="1", limits=ResourceLimits(destroy_timeout=0.05))
        lives = 0

        async def initialize(self, ctx: Any) -> None:
            Slow.lives += 1
            self.life = Slow.lives

        @on(TICK)
        async def hear(self, event: Any) -> None:
            if self.life == 1:
                await gate.wait()
            log.append((self.life, event.payload))

    await manager.register_and_initialize(Slow)
    await bus.publish(TICK, 1)
    await bus.publish(TICK, 2)
    await checkpoint()
    async with anyio.create_task_group() as group:
        group.start_soon(manager.reload_plugin, "slow")
        await clock.advance(1)
    await bus.drain()
    assert log == [(2, 2)]
    [drained] = recorder.payloads(PLUGIN_DRAINED)
    assert (drained.clean, drained.cancelled) == (False, 1)


async def test_a_swap_waits_for_handlers_where_there_is_state(manager: PluginManager, bus: Bus, author: Author) -> None:
    """The snapshot holds what the event in hand did."""
    author.save(CODE.replace("self.heard.append", "import anyio; await anyio.sleep(0.01); self.heard.append"))
    await manager.register_and_initialize(author.folder)
    for number in range(5):
        await bus.publish(TICK, number)
    author.save()
    await manager.reload_plugin("counter")
    await bus.drain()
    assert plugin_of(manager).heard == [0, 1, 2, 3, 4]


async def test_what_goes_while_it_is_reloaded_goes(manager: PluginManager, bus: Bus, author: Author) -> None:
    """A reload that has not swapped is given up, and whoever wished for it is told."""
    await manager.register_and_initialize(author.folder)
    author.save(CODE.replace("self.heard = []", "import anyio; await anyio.sleep_forever()"))
    errors: list[Exception] = []

    async def reload() -> None:
        try:
            await manager.reload_plugin("counter")
        except PluginStateError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(reload)
        await is_initializing(bus)
        await manager.unregister_and_destroy("counter")
    assert "is going" in str(errors[0])
    assert manager.list_plugins() == []
    assert modules() == set()


async def test_cancelling_whoever_wished_changes_nothing(
    manager: PluginManager, bus: Bus, author: Author, footprint: Callable[[], Any]
) -> None:
    """Before the swap the old one goes on; after it the new one serves, and the old one ends."""
    await manager.register_and_initialize(author.folder)
    before = footprint()
    for turns in range(0, 400, 7):
        author.save(word=f"word {turns}")
        generation = manager.get_plugin("counter").generation
        async with anyio.create_task_group() as group:
            group.start_soon(manager.reload_plugin, "counter")
            for _ in range(turns):
                await checkpoint()
            group.cancel_scope.cancel()
        await bus.publish_and_wait(TICK, turns)
        assert manager.get_plugin("counter").generation - generation in (0, 1)
        assert plugin_of(manager).heard[-1] == turns
        await only_modules(3)
        assert footprint() == before
    assert plugin_of(manager).heard == list(range(0, 400, 7))


async def test_a_plugin_cannot_wait_for_its_own_reload(
    manager: PluginManager, bus: Bus, make: Callable[..., type[Plugin[Any]]]
) -> None:
    """From one of its handlers that would wait for itself."""
    errors: list[Exception] = []

    class Impatient(Plugin):
        metadata = PluginMetadata(id="impatient", name="I", version="1")

        @on(TICK)
        async def hear(self, event: Any) -> None:
            try:
                await manager.reload_plugin("impatient")
            except ReentrancyError as error:
                errors.append(error)

    await manager.register_and_initialize(Impatient)
    await bus.publish_and_wait(TICK, 1)
    assert "from one of its own handlers" in str(errors[0])


async def test_dependents_keep_their_channels_or_are_reloaded(
    manager: PluginManager, bus: Bus, author: Author, recorder: Recorder, make: Callable[..., type[Plugin[Any]]]
) -> None:
    """What changed for them is told, with who is kept and who is restarted."""
    await manager.register_and_initialize(author.folder)
    await manager.register_and_initialize(make("user", dependencies=["counter"]))
    author.save(word="other")
    await manager.reload_plugin("counter")
    first = recorder.payloads(PLUGIN_RELOADED)[-1]
    assert (first.changes, first.kept, first.restarted) == ((), ("user",), ())
    author.save(CODE.replace('Channel("counter:say", int, str)', 'Channel("counter:say", int, object)'))
    await manager.reload_plugin("counter")
    second, third = recorder.payloads(PLUGIN_RELOADED)[-2:]
    assert (second.id, second.kept, second.restarted) == ("counter", (), ("user",))
    assert "counter:say replies with" in second.changes[0]
    assert third.id == "user"
    assert "'counter', which it needs, was reloaded: counter:say" in third.reason


async def test_what_is_only_registered_is_replaced(manager: PluginManager, author: Author) -> None:
    """Nothing of it runs, so there is nothing to hand over."""
    await manager.register(author.folder)
    author.save(word="other")
    assert (await manager.reload_plugin("counter")).state is PluginState.REGISTERED
    assert (await manager.initialize("counter")).generation == 2
    with pytest.raises(PluginNotFoundError):
        await manager.reload_plugin("nobody")


async def test_a_configuration_is_kept_or_changed(manager: PluginManager, bus: Bus, author: Author) -> None:
    """A plugin that cannot take one as it runs gets a new generation with it, of the code that it has."""
    await manager.register_and_initialize((author.folder, {"step": 2}))
    author.save("this is no Python")
    info = await manager.configure_plugin("counter", {"step": 3})
    assert info.generation == 2
    assert await bus.ask(SAY, 0) == "hello [] 3"
    with pytest.raises(PluginReloadError, match="step"):
        await manager.configure_plugin("counter", {"step": "many"})
    assert await bus.ask(SAY, 0) == "hello [] 3"
    author.save(word="new")
    await manager.reload_plugin("counter", config={"step": 4})
    assert await bus.ask(SAY, 0) == "new [] 4"
    await manager.configure_plugin("counter", None)
    assert await bus.ask(SAY, 0) == "new [] 1"


async def test_a_process_hands_its_state_over_as_it_is(bus: Bus) -> None:
    """The next stand-in gets it before it takes over; nothing where there is none."""
    host = FakeHost()
    async with PluginManager(bus, host=host) as manager:
        await manager.register_and_initialize(Hosted, isolation="process")
        host.made[0].state = "packed"
        await manager.reload_plugin("hosted")
        await manager.reload_plugin("hosted")
    assert [made.was_given for made in host.made] == [None, ("packed", "1.2"), (None, "1.2")]
    assert all(made.is_released for made in host.made)


async def test_new_code_and_a_new_configuration_at_nearly_the_same_time_are_both_there(
    manager: PluginManager, bus: Bus, author: Author, recorder: Recorder
) -> None:
    """Whichever came first: neither is lost to the other."""
    await manager.register_and_initialize(author.folder)
    for step in (2, 3):
        author.save(word=f"word {step}")
        wishes = [(manager.reload_plugin, ("counter",)), (manager.configure_plugin, ("counter", {"step": step}))]
        async with anyio.create_task_group() as group:
            for fn, arguments in wishes if step == 2 else reversed(wishes):
                group.start_soon(fn, *arguments)
                for _ in range(5):
                    await checkpoint()
        assert await bus.ask(SAY, 0) == f"word {step} [] {step}"
    assert [fact.generation for fact in recorder.payloads(PLUGIN_RELOADED)] == [2, 3]


async def test_a_cancelled_end_does_not_keep_a_plugin_from_being_reloaded(
    manager: PluginManager, bus: Bus, author: Author
) -> None:
    """Whoever wanted it gone gave up before anything had happened."""
    await manager.register_and_initialize(author.folder)
    async with anyio.create_task_group() as group:
        group.start_soon(manager.unregister_and_destroy, "counter")
        group.cancel_scope.cancel()
    assert (await manager.reload_plugin("counter")).generation == 2


async def test_what_is_revoked_while_a_generation_is_made_is_revoked_for_it(
    manager: PluginManager, bus: Bus, author: Author
) -> None:
    """An operator's word holds, whichever generation is there to hear it."""
    await manager.register_and_initialize(author.folder)
    author.save(CODE.replace("self.heard = []", "import anyio; self.heard = []; await anyio.sleep(0.05)"))
    async with anyio.create_task_group() as group:
        group.start_soon(manager.reload_plugin, "counter")
        await is_initializing(bus)
        await manager.revoke_permission("counter", "subscribe:app:*")
    await bus.publish_and_wait(TICK, 1)
    assert (manager.get_plugin("counter").generation, manager.get_plugin("counter").granted) == (2, ())
    assert plugin_of(manager).heard == []
