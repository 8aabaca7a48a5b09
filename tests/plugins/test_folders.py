"""Plugins in folders of their own: imported under a private name, gone with the plugin, and blamed by line."""

from __future__ import annotations

import gc
import linecache
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import pytest

from gridbus.bundles import BundleImporter
from gridbus.bus import Bus
from gridbus.errors import (
    PluginConflictError,
    PluginDependencyError,
    PluginInitializationError,
    PluginLoadError,
    PluginNotFoundError,
    PluginValidationError,
)
from gridbus.events.system import PLUGIN_FAILED
from gridbus.plugins import Plugin, PluginManager, PluginState
from gridbus.testing import Recorder

Make = Callable[..., type[Plugin[Any]]]
MakeFolder = Callable[..., Path]

PLUGIN = """
    from __future__ import annotations
    import attrs
    from gridbus.bus import Bus
    from gridbus.events import Event, Topic
    from gridbus.plugins import Plugin, PluginContext, on
    from .parts.words import GREETING

    @attrs.frozen
    class Config:
        name: str = "Ada"

    @attrs.frozen
    class Greeted:
        text: str

    GREETED: Topic[Greeted] = Topic("greeter:greeted", Greeted)

    class Greeter(Plugin[Config]):
        async def initialize(self, ctx: PluginContext) -> None:
            from .parts import words  # a late import works as well
            await ctx.publish(GREETED, Greeted(f"{words.GREETING}, {self.config.name}"))

        @on(GREETED)
        async def hear(self, event: Event[Greeted]) -> None: ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> MakeFolder:
    """Write a plugin's folder: its manifest, ``plugin.py`` and further files."""

    def write(
        code: str = PLUGIN,
        *,
        id: str = "greeter",
        entry: str = "plugin:Greeter",
        files: dict[str, str] | None = None,
        **more: str,
    ) -> Path:
        place = tmp_path / f"{id}-folder"
        manifest = f'[plugin]\nid = "{id}"\nname = "{id.title()}"\nversion = "1.0.0"\nentry = "{entry}"\n'
        manifest += "".join(f"{key} = {value}\n" for key, value in more.items())
        texts = {"gridbus-plugin.toml": manifest, "plugin.py": code}
        texts |= {"parts/__init__.py": "", "parts/words.py": 'GREETING = "hello"\n'} if files is None else files
        for name, text in texts.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return place

    return write


def modules() -> set[str]:
    """The private modules that are loaded now."""
    return {name for name in sys.modules if name.startswith("gridbus_plugin_")}


async def test_a_folder_is_a_package_of_its_own(manager: PluginManager, recorder: Recorder, folder: MakeFolder) -> None:
    """Its modules import each other relatively, under a name that nobody else can depend on."""
    info = await manager.register_and_initialize(folder(), {"name": "Grace"})
    assert (info.id, info.state, info.origin) == ("greeter", PluginState.RUNNING, str(folder()))
    assert [event.payload.text for event in recorder.of("greeter:greeted")] == ["hello, Grace"]
    assert modules() == {f"gridbus_plugin_greeter{name}" for name in ("", ".plugin", ".parts", ".parts.words")}


async def test_g13_the_modules_of_a_folder_go_with_the_plugin(manager: PluginManager, folder: MakeFolder) -> None:
    """Modules, classes and the instance: nothing holds them, and nothing remembers the folder."""
    place = folder()
    await manager.register_and_initialize(str(place))
    module = sys.modules["gridbus_plugin_greeter.plugin"]
    gone = [
        weakref.ref(thing)
        for thing in (module, module.Greeter, module.Config, module.Greeted, manager._registry.get("greeter").plugin)
    ]
    del module
    await manager.unregister_and_destroy("greeter")
    assert modules() == set()
    await anyio.to_thread.run_sync(gc.collect)  # there, so that the thread has let go of what it imported
    assert [ref() for ref in gone] == [None] * 5
    assert not [path for path in sys.path_importer_cache if path.startswith(str(place))]


async def test_a_folder_is_read_anew_by_a_reload(
    manager: PluginManager, recorder: Recorder, folder: MakeFolder
) -> None:
    """The code that is there now runs, with the configuration of before."""
    place = folder()
    await manager.register_and_initialize(place, {"name": "Grace"})
    (place / "parts" / "words.py").write_text('GREETING = "good morning to you"\n')
    await manager.reload_plugin("greeter")
    assert [event.payload.text for event in recorder.of("greeter:greeted")] == [
        "hello, Grace",
        "good morning to you, Grace",
    ]


async def test_g13_many_reloads_leave_no_class_behind(manager: PluginManager, folder: MakeFolder) -> None:
    """Nor a line of their generated code."""
    place = folder()
    await manager.register_and_initialize(place)
    old: list[weakref.ref[Any]] = []
    for number in range(1, 11):
        name = "gridbus_plugin_greeter" if number == 1 else f"gridbus_plugin_greeter__{number}"
        module = sys.modules[f"{name}.plugin"]
        old += [weakref.ref(module.Greeter), weakref.ref(module.Config)]
        del module
        await manager.reload_plugin("greeter")
    await anyio.to_thread.run_sync(gc.collect)
    assert [ref() for ref in old if ref() is not None] == []
    await manager.unregister_and_destroy("greeter")
    assert not [name for name in linecache.cache if "gridbus_plugin_greeter" in name]


async def test_a_folder_may_be_a_package_already(manager: PluginManager, folder: MakeFolder) -> None:
    """Its ``__init__`` runs first."""
    code = "from gridbus.plugins import Plugin\nfrom . import VALUE\nassert VALUE == 7\nclass Greeter(Plugin): ...\n"
    await manager.register_and_initialize(folder(code, files={"__init__.py": "VALUE = 7\n"}))
    assert sys.modules["gridbus_plugin_greeter"].VALUE == 7


async def test_the_manifest_speaks_for_the_class(manager: PluginManager, folder: MakeFolder) -> None:
    """What was read before the code ran is what counts; the class may not call itself otherwise."""
    code = """
        from gridbus.plugins import Plugin
        from gridbus.manifest import PluginMetadata
        class Greeter(Plugin):
            metadata = PluginMetadata(id="greeter", name="Greeter", version="{}", permissions=["storage"])
    """
    info = await manager.register(folder(code.format("1.0.0"), files={}))
    assert info.metadata.permissions == ()
    await manager.unregister_and_destroy("greeter")
    with pytest.raises(PluginValidationError, match=r"is greeter 2\.0\.0, but .*toml says greeter 1\.0\.0"):
        await manager.register(folder(code.format("2.0.0"), files={}))
    assert modules() == set()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nraise ValueError('boom')", r"ValueError: boom \(.*plugin\.py:2\)"),
        ("import sys\n\nsys.exit(3)", r"SystemExit: 3 \(.*plugin\.py:3\)"),
        ("def f(:\n  pass", r"SyntaxError: .*plugin\.py:1\)"),
        ("import nowhere_to_be_found", r"No module named 'nowhere_to_be_found'"),
        ("import parts", r"'parts'.*write 'from \. import parts'"),
        ("from parts.words import GREETING", r"write 'from \. import parts', or 'from \.parts import"),
        ("class Other: ...", r"has no attribute 'Greeter'"),
        ("class Greeter: ...", r"is no plugin: Greeter does not inherit"),
        ("Greeter = 5", r"is no plugin: int does not inherit"),
    ],
)
async def test_g12_code_that_cannot_be_imported_leaves_nothing(
    manager: PluginManager, bus: Bus, recorder: Recorder, folder: MakeFolder, code: str, message: str
) -> None:
    """The error names file and line, exit does not end the program, and another plugin goes on."""
    with pytest.raises(PluginLoadError, match=message):
        await manager.register_and_initialize(folder(code))
    assert manager.list_plugins() == []
    assert modules() == set()
    [fact] = recorder.payloads(PLUGIN_FAILED)
    assert (fact.id, fact.stage) == ("greeter", "load")
    assert recorder.topics == ["plugin:failed"]


async def test_g12_an_entry_that_is_no_module_is_an_error(manager: PluginManager, folder: MakeFolder) -> None:
    """As is one whose parent module fails after others were imported."""
    with pytest.raises(PluginLoadError, match=r"No module named 'gridbus_plugin_greeter\.nothing'"):
        await manager.register(folder(entry="nothing:Greeter"))
    with pytest.raises(PluginLoadError, match="ZeroDivisionError"):
        await manager.register(folder("from .parts import words\n1 / 0"))
    assert modules() == set()


class Gate:
    """Holds an import in its thread."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.undone = threading.Semaphore(0)

    def wait(self) -> None:
        """Called by the imported code."""
        self.begun.set()
        self.go.wait(20)

    async def pass_and_be_undone(self) -> None:
        """Let the import end; return when that was undone, as its giving up was before."""
        assert await anyio.to_thread.run_sync(self.undone.acquire, True, 10)
        self.go.set()
        assert await anyio.to_thread.run_sync(self.undone.acquire, True, 10)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """What a plugin's module waits for at its end, as ``import gate_of_the_test``."""
    gate = Gate()
    monkeypatch.setitem(sys.modules, "gate_of_the_test", gate)

    unload = BundleImporter.unload

    def unload_and_tell(importer: BundleImporter) -> None:
        unload(importer)
        gate.undone.release()

    monkeypatch.setattr(BundleImporter, "unload", unload_and_tell)
    yield gate
    gate.go.set()


HELD = dedent(PLUGIN) + "\nimport gate_of_the_test\ngate_of_the_test.wait()\n"


async def test_g12_an_import_that_takes_too_long_is_given_up_and_undone(
    bus: Bus, folder: MakeFolder, gate: Gate
) -> None:
    """The loop goes on meanwhile; what the import still brings is taken away when it ends."""
    async with PluginManager(bus, load_timeout=0.5) as manager:
        with pytest.raises(PluginLoadError, match=r"took longer than 0\.5 s") as caught:
            await manager.register(folder(HELD))
        assert caught.value.plugin_id == "greeter"
        await gate.pass_and_be_undone()
        assert modules() == set()


async def test_g12_a_cancelled_import_leaves_no_module(manager: PluginManager, folder: MakeFolder, gate: Gate) -> None:
    """Whoever was cancelled does not wait for the thread."""
    async with anyio.create_task_group() as group:
        group.start_soon(manager.register, folder(HELD))
        assert await anyio.to_thread.run_sync(gate.begun.wait, 10)
        assert modules()
        group.cancel_scope.cancel()
    assert manager.list_plugins() == []
    await gate.pass_and_be_undone()
    assert modules() == set()


async def test_g12_a_plugin_of_a_folder_that_fails_later_leaves_no_module(
    manager: PluginManager, folder: MakeFolder
) -> None:
    """Whether its configuration, its metadata or its initialize is to blame."""
    with pytest.raises(PluginValidationError, match=r"@ \$\.name"):
        await manager.register(folder(), {"name": 5})
    assert modules() == set()
    with pytest.raises(PluginDependencyError, match=r"greeter -> gridbus"):
        await manager.register(folder(core_version='">=99"'))
    assert modules() == set()
    code = dedent(PLUGIN).replace("from .parts import words", "raise OSError('no')")
    with pytest.raises(PluginInitializationError, match=r"OSError: no \(.*plugin\.py:\d+\)"):
        await manager.register_and_initialize(folder(code))
    assert modules() == set()


async def test_a_folder_is_loaded_once(manager: PluginManager, folder: MakeFolder) -> None:
    """A second time is an error that names both places; the first goes on."""
    await manager.register_and_initialize(folder())
    before = modules()
    with pytest.raises(PluginConflictError, match="is loaded already, from"):
        await manager.register(folder())
    assert modules() == before


async def test_a_folder_without_a_manifest_is_an_error(manager: PluginManager, tmp_path: Path) -> None:
    """And one that is not there."""
    with pytest.raises(PluginLoadError, match=r"gridbus-plugin\.toml"):
        await manager.register(tmp_path)
    with pytest.raises(PluginNotFoundError, match="nowhere"):
        await manager.register(f"{tmp_path}/nowhere")
