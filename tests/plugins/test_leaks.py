"""What is left of a generation's code is told once, with what holds it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import logging
import sys
import textwrap
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gridbus.events.system import PluginLeaked
from gridbus.plugins.leaks import Leaks, belongings
from gridbus.testing import FakeClock

Told = list[PluginLeaked]
Generation = Callable[..., str]

CODE = """
from __future__ import annotations
import enum
import functools
import attrs
import greeter_registry as registry

@attrs.define
class Config:
    greeting: str = "hello"
    again: Config | None = None

class Color(enum.Enum):
    RED = 1

class Greeter:
    class Inner:
        pass

    shared = [lambda: Greeter]

    def __init__(self):
        self.config = Config()
        self.calls = [self.greet, functools.partial(self.greet)]
        self.me = self

    def greet(self, *args):
        return self.config

    async def loop(self, event):
        await event.wait()

    @functools.lru_cache
    def known(self):
        return Config

HANDLERS = [Greeter.greet]
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of the application, in which plugins leave things."""
    module = types.ModuleType("greeter_registry")
    module.__dict__.update(HOOKS=[], KEPT={})
    monkeypatch.setitem(sys.modules, "greeter_registry", module)
    return module


@pytest.fixture
def told() -> Told:
    """What was told."""
    return []


@pytest.fixture
def leaks(clock: FakeClock, told: Told) -> Iterator[Leaks]:
    """A watch of the dead."""
    leaks = Leaks(clock, tell=told.append)
    yield leaks
    leaks.close()


@pytest.fixture
def generation(leaks: Leaks, registry: types.ModuleType) -> Generation:
    """Bring one generation up, let it run ``leak(plugin)``, and end it; return its package."""

    def make(leak: str = "pass", number: int = 1, then: Callable[[Any], object] | None = None) -> str:
        package = f"gridbus_plugin_greeter__{number}"
        parent, module = types.ModuleType(package), types.ModuleType(f"{package}.api")
        sys.modules.update({package: parent, module.__name__: module})
        try:
            code = CODE + textwrap.dedent(f"def leak(plugin):\n    {leak}\n")
            exec(compile(code, "/plugins/greeter/api.py", "exec", dont_inherit=True), vars(module))
            vars(parent)["api"] = module
            plugin = module.Greeter()
            module.leak(plugin)
            if then is not None:
                then(plugin)
            leaks.watch("greeter", number, belongings(package, plugin))
        finally:
            del sys.modules[package], sys.modules[f"{package}.api"]
        return package

    return make


async def test_what_belongs_to_a_plugin_is_itself_its_classes_and_its_modules(
    leaks: Leaks, registry: types.ModuleType
) -> None:
    """Not what its modules import."""
    package = "gridbus_plugin_greeter__1"
    module = types.ModuleType(f"{package}.api")
    sys.modules[module.__name__] = module
    try:
        exec(compile(f"{CODE}def make(): pass", "api.py", "exec", dont_inherit=True), vars(module))
        plugin = module.Greeter()
        found = belongings(package, plugin)
    finally:
        del sys.modules[module.__name__]
    kinds = [module.Config, module.Color, module.Greeter, module.Greeter.Inner]
    assert {id(thing) for thing in found} == {id(thing) for thing in (plugin, module, *kinds)}
    assert len(found) == 6


async def test_a_clean_generation_is_told_nothing_and_forgotten(
    generation: Generation, leaks: Leaks, clock: FakeClock, told: Told
) -> None:
    """It goes with one collection, for its classes are in cycles."""
    generation()
    assert len(leaks) == 1
    await clock.advance(5)
    assert told == []
    assert len(leaks) == 0
    assert clock.waiting == 0


async def test_what_is_gone_already_costs_no_collection(
    leaks: Leaks, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything stands still while garbage is collected."""

    class Kept:
        pass

    kept = Kept()
    leaks.watch("greeter", 1, [kept])
    del kept
    monkeypatch.setattr(gc, "collect", lambda: pytest.fail("nothing is left, and yet garbage was collected"))
    await clock.advance(5)
    assert len(leaks) == 0


@pytest.mark.parametrize(
    ("leak", "holder"),
    [
        ("registry.HOOKS.append(plugin.greet)", "bound method `Greeter.greet` in a list in module attribute"),
        ("registry.HOOKS.append(lambda: plugin)", "function `<lambda>` (api.py:"),
        ("registry.HOOKS.append(Greeter)", "class Greeter in a list in module attribute `greeter_registry.HOOKS`"),
        ("registry.HOOKS.append(Config())", "class Config in instance of Config in a list in module attribute"),
        ("registry.KEPT['greeter'] = plugin", "instance of Greeter in a dict in module attribute"),
        ("registry.greeter = plugin", "instance of Greeter in module attribute `greeter_registry.greeter`"),
        (
            "registry.HOOKS.append(functools.partial(print, plugin))",
            "instance of Greeter in instance of partial in module attribute",
        ),
    ],
)
async def test_what_is_left_in_a_module_is_told_with_its_name(
    generation: Generation, clock: FakeClock, told: Told, leak: str, holder: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is in between; what the generation holds of itself is no holder."""
    generation(leak)
    with caplog.at_level(logging.WARNING, "gridbus.plugins"):
        await clock.advance(5)
    (leaked,) = told
    assert (leaked.id, leaked.generation) == ("greeter", 1)
    assert "class Config" in leaked.objects
    assert len(leaked.holders) == 1
    assert leaked.holders[0].startswith(holder)
    assert "module attribute `greeter_registry." in leaked.holders[0]
    assert leaked.holders[0] in caplog.text
    assert "plugin 'greeter' leaks: of generation 1 there is still" in caplog.text


async def test_a_live_task_is_told_by_its_name(generation: Generation, clock: FakeClock, told: Told) -> None:
    """With the function that it runs."""
    tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
    event = asyncio.Event()

    def start(plugin: Any) -> None:
        tasks.add(asyncio.get_running_loop().create_task(plugin.loop(event), name="greeting"))

    generation(then=start)
    await clock.advance(5)
    (holder,) = told[0].holders
    assert (
        holder == "instance of Greeter in coroutine of function `Greeter.loop` (api.py:30) in running task `greeting`"
    )
    event.set()


async def test_a_closure_of_another_module_is_told_with_file_and_line(
    generation: Generation, clock: FakeClock, told: Told, registry: types.ModuleType
) -> None:
    """As a registry makes of what it is given."""

    def remember(plugin: Any) -> None:
        def remembered() -> Any:
            return plugin

        registry.KEPT["greeter"] = remembered

    generation(then=remember)
    await clock.advance(5)
    (holder,) = told[0].holders
    assert holder.startswith("instance of Greeter in a closure cell of function `remembered`")
    assert "`remembered` (test_leaks.py:" in holder
    assert holder.endswith("in a dict in module attribute `greeter_registry.KEPT`")


@pytest.mark.parametrize("size", [8, None])
async def test_a_cache_of_another_module_is_told_with_its_function(
    generation: Generation, clock: FakeClock, told: Told, registry: types.ModuleType, size: int | None
) -> None:
    """Bounded or not; a cache of the plugin's own is no holder."""

    @functools.lru_cache(size)
    def length(plugin: Any) -> int:
        return 1

    registry.length = length  # type: ignore[attr-defined]
    del length
    generation("plugin.known()", then=lambda plugin: registry.length(plugin))
    await clock.advance(5)
    assert any(".length` in module attribute `greeter_registry.length`" in holder for holder in told[0].holders)
    assert all("greeter_registry.length" in holder for holder in told[0].holders)


async def test_a_running_thread_is_told_by_its_name(generation: Generation, clock: FakeClock, told: Told) -> None:
    """Within the plugin's function, or with it to run."""
    inside, end = threading.Event(), threading.Event()

    def start(plugin: Any) -> None:
        plugin.inside, plugin.end = inside, end
        threading.Thread(target=plugin.work, name="greeting").start()

    work = "Greeter.work = lambda self: (self.inside.set(), self.end.wait())"
    generation(work, then=start)
    assert inside.wait(5)
    try:
        await clock.advance(5)
    finally:
        end.set()
    assert told[0].holders[0].startswith("running thread `greeting` in function `<lambda>` (api.py:")


async def test_a_context_variable_is_told(generation: Generation, clock: FakeClock, told: Told) -> None:
    """It holds what was set for as long as its context is there."""
    current: contextvars.ContextVar[Any] = contextvars.ContextVar("current", default=None)
    generation(then=current.set)
    await clock.advance(5)
    assert told[0].holders == ("instance of Greeter in contextvars",)


async def test_a_kept_error_is_told_with_the_frame_that_it_holds(
    generation: Generation, clock: FakeClock, told: Told, registry: types.ModuleType
) -> None:
    """Tracebacks hold the locals of functions."""

    def fail(plugin: Any) -> None:
        try:
            raise ValueError("no")
        except ValueError as error:
            registry.KEPT["error"] = error

    generation(then=fail)
    await clock.advance(5)
    holders = told[0].holders
    assert any("in a frame of function `fail` (test_leaks.py:" in holder for holder in holders)


async def test_a_class_of_another_module_is_told_with_its_attribute(
    generation: Generation, clock: FakeClock, told: Told, registry: types.ModuleType
) -> None:
    """What is set on it, and what it is derived from."""
    exec("class Registry:\n    pass", vars(registry))
    generation("registry.Registry.current = plugin")
    generation("registry.Derived = type('Derived', (Greeter,), {'__module__': 'greeter_registry'})", number=2)
    await clock.advance(5)
    assert told[0].holders == ("instance of Greeter in class attribute `greeter_registry.Registry.current`",)
    assert told[1].holders == ("class Greeter in class `greeter_registry.Derived`, derived from it",)


async def test_a_started_generator_is_told_with_its_function(
    generation: Generation, clock: FakeClock, told: Told, registry: types.ModuleType
) -> None:
    """It holds the locals of its function while it waits."""

    def walk(plugin: Any) -> Iterator[int]:
        yield 1
        plugin.greet()

    def start(plugin: Any) -> None:
        registry.walk = walk(plugin)  # type: ignore[attr-defined]
        next(registry.walk)

    generation(then=start)
    await clock.advance(5)
    (holder,) = told[0].holders
    assert holder.startswith("instance of Greeter in generator of function `walk` (test_leaks.py:")


async def test_what_is_far_from_any_name_is_told_as_far_as_it_is_known(
    generation: Generation, clock: FakeClock, told: Told, registry: types.ModuleType
) -> None:
    """The search ends somewhere."""

    def bury(plugin: Any) -> None:
        for _ in range(20):
            plugin = [plugin]
        registry.HOOKS.append(plugin)

    generation(then=bury)
    await clock.advance(5)
    assert told[0].holders == ("instance of Greeter in a list",)


async def test_a_search_that_fails_leaves_the_leak_told(
    generation: Generation, clock: FakeClock, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects of all kinds are looked at."""

    def refuse(*things: object) -> list[object]:
        raise RuntimeError("no")

    generation("registry.HOOKS.append(plugin)")
    monkeypatch.setattr(gc, "get_referrers", refuse)
    await clock.advance(5)
    (holder,) = told[0].holders
    assert holder.startswith("unknown: looking for it failed with RuntimeError: no")
    assert "class Greeter" in told[0].objects


async def test_many_objects_are_named_in_part(leaks: Leaks, told: Told) -> None:
    """A warning is read by people."""

    class Kept:
        pass

    kept = [Kept() for _ in range(13)]
    leaks.watch("greeter", 1, kept)
    await leaks.check()
    assert told[0].objects == ("instance of Kept",) * 10 + ("3 more",)


async def test_a_timer_is_told_as_of_the_event_loop(generation: Generation, clock: FakeClock, told: Told) -> None:
    """One that was not cancelled."""
    timers: list[asyncio.TimerHandle] = []
    generation(then=lambda plugin: timers.append(asyncio.get_running_loop().call_later(600, plugin.greet)))
    timer = weakref.ref(timers.pop())
    await clock.advance(5)
    assert any(holder.endswith("the event loop") and "TimerHandle" in holder for holder in told[0].holders)
    left = timer()
    assert left is not None
    left.cancel()


async def test_what_a_running_function_holds_is_told(generation: Generation, leaks: Leaks) -> None:
    """No object holds the locals of a function that runs now."""
    kept: list[Any] = []
    generation(then=kept.append)

    def hold() -> tuple[PluginLeaked, ...]:
        held = [kept.pop()]
        return leaks._look(float("inf")) if held else ()

    assert hold()[0].holders == ("instance of Greeter in a list in a running function, or in C code",)


async def test_a_generation_is_told_once_and_forgotten_when_it_is_gone(
    generation: Generation, leaks: Leaks, clock: FakeClock, told: Told, registry: types.ModuleType
) -> None:
    """The next one is told for itself."""
    generation("registry.HOOKS.append(plugin.greet)")
    await clock.advance(60)
    assert len(told) == 1
    assert clock.waiting == 0
    generation("registry.HOOKS.append(plugin.greet)", number=2)
    await clock.advance(60)
    assert [leaked.generation for leaked in told] == [1, 2]
    assert len(leaks) == 2
    registry.HOOKS.clear()
    assert await leaks.check() == ()
    assert len(leaks) == 0
    assert len(told) == 2


async def test_a_check_looks_at_once_and_returns_all_that_leaks(
    generation: Generation, leaks: Leaks, told: Told
) -> None:
    """Also what was told before."""
    generation("registry.HOOKS.append(plugin.greet)")
    generation(number=2)
    found = await leaks.check()
    assert [leaked.generation for leaked in found] == [1]
    assert await leaks.check() == found
    assert told == list(found)


async def test_many_ends_share_one_timer(generation: Generation, clock: FakeClock, leaks: Leaks) -> None:
    """And looks keep their distance, since each may stop everything for a while."""
    for number in range(5):
        generation("registry.HOOKS.append(plugin.greet)", number=number)
        assert clock.waiting == 1
        await clock.advance(2)


async def test_a_closed_watch_tells_nothing(generation: Generation, leaks: Leaks, clock: FakeClock, told: Told) -> None:
    """Its timer is gone as well."""
    generation("registry.HOOKS.append(plugin.greet)")
    leaks.close()
    assert clock.waiting == 0
    await clock.advance(60)
    assert told == []


async def test_what_has_no_weak_references_is_left_out(leaks: Leaks, clock: FakeClock, told: Told) -> None:
    """Nobody can tell whether it is gone."""
    leaks.watch("greeter", 1, [(1, 2), 3])
    await clock.advance(5)
    assert told == []


async def test_a_failing_listener_is_logged_and_others_are_told(
    registry: types.ModuleType, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """One leak does not hide another."""

    class Kept:
        pass

    calls: list[int] = []

    def tell(leaked: PluginLeaked) -> None:
        calls.append(leaked.generation)
        raise ValueError("no")

    kept = [Kept(), Kept()]
    leaks = Leaks(clock, tell=tell)
    leaks.watch("greeter", 1, kept[:1])
    leaks.watch("greeter", 2, kept[1:])
    await clock.advance(5)
    assert calls == [1, 2]
    assert caplog.text.count("telling of a leak of plugin 'greeter' failed") == 2


async def test_holders_are_few_and_short(
    generation: Generation, clock: FakeClock, told: Told, registry: types.ModuleType
) -> None:
    """Five of them, of 160 characters at most."""
    for number in range(9):
        vars(registry)[f"HOOKS_{number}_{'x' * 200}"] = []
    leak = "[hooks.append(plugin.greet) for name, hooks in vars(registry).items() if name.startswith('HOOKS_')]"
    generation(leak)
    await clock.advance(5)
    assert len(told[0].holders) == 5
    assert all(len(holder) == 160 for holder in told[0].holders)
