"""What is left of a generation's code is told once, with what holds it."""

from __future__ import annotations

import asyncio
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
import greeter_registry as r

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
pytestmark = pytest.mark.usefixtures("small_heap")
REGISTRY = """
import contextvars
import functools

HOOKS, KEPT = [], {}
current = contextvars.ContextVar("current", default=None)

class Registry:
    pass

@functools.lru_cache(8)
def some(plugin):
    return 1

@functools.lru_cache(None)
def all(plugin):
    return 1

def remember(plugin):
    def back(): return plugin
    globals()["back"] = back

def fail(plugin):
    try:
        raise ValueError("no")
    except ValueError as error:
        KEPT["error"] = error

def walk(plugin):
    yield 1
    plugin.greet()

def derive(kind):
    return type("Derived", (kind,), {"__module__": __name__})
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of the application, in which plugins leave things."""
    module = types.ModuleType("greeter_registry")
    exec(compile(REGISTRY, "/app/registry.py", "exec", dont_inherit=True), vars(module))
    monkeypatch.setitem(sys.modules, "greeter_registry", module)
    return module


@pytest.fixture
def told() -> Told:
    """What was told."""
    return []


@pytest.fixture
def leaks(clock: FakeClock, told: Told) -> Iterator[Leaks]:
    """A watch of the dead."""
    leaks = Leaks(clock, tell=told.append, after=5.0)
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
        ("r.HOOKS.append(plugin.greet)", "bound method `Greeter.greet` in a list in {r}HOOKS`"),
        ("r.HOOKS.append(lambda: plugin)", "function `<lambda>` (api.py:39) in a list in {r}HOOKS`"),
        ("r.HOOKS.append(Greeter)", "class Greeter in a list in {r}HOOKS`"),
        ("r.HOOKS.append(Config())", "class Config in instance of Config in a list in {r}HOOKS`"),
        ("r.KEPT['greeter'] = plugin", "{it} in a dict in {r}KEPT`"),
        ("r.greeter = plugin", "{it} in {r}greeter`"),
        ("r.HOOKS.append(functools.partial(print, plugin))", "{it} in instance of partial in {r}HOOKS`"),
        ("r.remember(plugin)", "{it} in a closure cell of function `back` (registry.py:20) in {r}back`"),
        ("r.some(plugin)", "{it} in a tuple in the lru_cache of `greeter_registry.some` in {r}some`"),
        ("r.all(plugin)", "{it} in the lru_cache of `greeter_registry.all` in {r}all`"),
        ("r.fail(plugin)", "{it} in a frame of function `fail` (registry.py:27) in instance of ValueError in {r}KEPT`"),
        ("r.it = r.walk(plugin); next(r.it)", "{it} in generator of function `walk` (registry.py:29) in {r}it`"),
        ("r.Registry.current = plugin", "{it} in class attribute `greeter_registry.Registry.current`"),
        ("r.Derived = r.derive(Greeter)", "class Greeter in class `greeter_registry.Derived`, derived from it"),
        ("r.current.set(plugin)", "{it} in contextvars"),
        ("r.HOOKS.append(functools.reduce(lambda inner, _: [inner], range(20), plugin))", "{it} in a list"),
    ],
)
async def test_what_holds_a_leak_is_told_with_its_name(
    generation: Generation, clock: FakeClock, told: Told, leak: str, holder: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is in between; what the generation holds of itself is no holder."""
    generation(leak)
    with caplog.at_level(logging.WARNING, "gridbus.plugins"):
        await clock.advance(5)
    (leaked,) = told
    assert (leaked.id, leaked.generation) == ("greeter", 1)
    assert "class Config" in leaked.objects
    assert leaked.holders == (holder.format(it="instance of Greeter", r="module attribute `greeter_registry."),)
    assert leaked.holders[0] in caplog.text
    assert "plugin 'greeter' leaks: of generation 1 there is still" in caplog.text


async def test_a_live_task_is_told_by_its_name(generation: Generation, clock: FakeClock, told: Told) -> None:
    """With the function that it runs."""
    tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    generation(then=lambda plugin: tasks.add(loop.create_task(plugin.loop(event), name="greeting")))
    await clock.advance(5)
    way = "coroutine of function `Greeter.loop` (api.py:30) in running task `greeting`"
    assert told[0].holders == (f"instance of Greeter in {way}",)
    event.set()


async def test_a_running_thread_is_told_by_its_name(generation: Generation, clock: FakeClock, told: Told) -> None:
    """And by where in the plugin's code it is."""
    inside, end = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def start(plugin: Any) -> None:
        threads.append(threading.Thread(target=plugin.work, args=(inside, end), name="greeting"))
        threads[0].start()

    generation("Greeter.work = lambda self, inside, end: (inside.set(), end.wait())", then=start)
    try:
        assert inside.wait(5)
        await clock.advance(5)
    finally:
        end.set()
        threads[0].join()
    assert told[0].holders[0].startswith("running thread `greeting` in function `<lambda>` (api.py:")


async def test_a_search_that_fails_leaves_the_leak_told(
    generation: Generation, clock: FakeClock, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects of all kinds are looked at."""

    def refuse(*things: object) -> list[object]:
        raise RuntimeError("no")

    generation("r.HOOKS.append(plugin)")
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
    generation("r.HOOKS.append(plugin.greet)")
    await clock.advance(60)
    assert len(told) == 1
    assert clock.waiting == 0
    generation("r.HOOKS.append(plugin.greet)", number=2)
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
    generation("r.HOOKS.append(plugin.greet)")
    generation(number=2)
    found = await leaks.check()
    assert [leaked.generation for leaked in found] == [1]
    assert await leaks.check() == found
    assert told == list(found)


async def test_many_ends_share_one_timer(generation: Generation, clock: FakeClock, leaks: Leaks) -> None:
    """And looks keep their distance, since each may stop everything for a while."""
    for number in range(5):
        generation("r.HOOKS.append(plugin.greet)", number=number)
        assert clock.waiting == 1
        await clock.advance(2)


async def test_a_closed_watch_tells_nothing(generation: Generation, leaks: Leaks, clock: FakeClock, told: Told) -> None:
    """Its timer is gone as well."""
    generation("r.HOOKS.append(plugin.greet)")
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
    leaks = Leaks(clock, tell=tell, after=5.0)
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
    leak = "[hooks.append(plugin.greet) for name, hooks in vars(r).items() if name.startswith('HOOKS_')]"
    generation(leak)
    await clock.advance(5)
    assert len(told[0].holders) == 5
    assert all(len(holder) == 160 for holder in told[0].holders)
