"""Generations of one folder live side by side, and nothing of them is left when they are gone."""

from __future__ import annotations

import gc
import importlib.util
import inspect
import linecache
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gridbus.bundles import Bundle, BundleImporter, PackedImporter, read_bundle

Write = Callable[[dict[str, str | bytes]], Path]
MakeImporter = Callable[..., BundleImporter]

LEAKY: dict[str, str | bytes] = {
    "plugin.py": """
        import abc, dataclasses, enum, functools, logging
        from typing import Any, Generic, NamedTuple, Protocol, TypedDict, TypeVar
        import attrs
        from gridbus.events import Event, Topic
        from gridbus.plugins import Plugin, on
        from . import circle
        from .parts.words import Word

        T = TypeVar("T")
        log = logging.getLogger(__name__)
        log.addHandler(logging.NullHandler())

        @attrs.frozen
        class Config:
            name: str = "Ada"

        @attrs.define
        class Greeted:
            words: list[Word] = attrs.field(factory=list)

        @dataclasses.dataclass(slots=True)
        class Data:
            greeted: Greeted | None = None

        class Box(Generic[T]): ...
        class Inner(Box[Greeted]): ...
        class Speaks(Protocol):
            def speak(self, word: Word) -> Greeted: ...
        class Base(abc.ABC):
            @abc.abstractmethod
            def f(self) -> Box[Data]: ...
        class Real(Base):
            def f(self): return Box[Data]()
        class Color(enum.Enum):
            RED = 1
        class Pair(NamedTuple):
            a: Data
            b: Color
        class Shape(TypedDict):
            pair: Pair

        @functools.lru_cache
        def cached(key: object) -> Data: return Data(Greeted())
        @functools.singledispatch
        def shown(thing: object) -> str: return "?"
        @shown.register
        def _(thing: Data) -> str: return "data"

        GREETED: Topic[Greeted] = Topic("greeter:greeted", Greeted)
        cached(Data)
        shown(Data())
        isinstance(Real(), Base), isinstance(3, Base)
        kept = [Box[Data], Event[Greeted], Real().f(), lambda: kept]

        class Greeter(Plugin[Config]):
            @on(GREETED)
            async def hear(self, event: Event[Greeted]) -> None: ...
            @functools.cached_property
            def itself(self): return self
    """,
    "circle.py": "from . import plugin\nclass Circle:\n    def f(self): return plugin.Greeter\n",
    "parts/__init__.py": "",
    "parts/words.py": "from ..circle import Circle\nclass Word(Circle): ...\n",
}
CLASSES = ("Config", "Greeted", "Data", "Box", "Inner", "Speaks", "Base", "Real", "Color", "Pair", "Greeter", "Word")


def import_bundle(package: str, bundle: Bundle) -> BundleImporter:
    """An importer that brings code with it."""
    return BundleImporter(package, bundle)


def import_packed(package: str, bundle: Bundle) -> PackedImporter:
    """An importer that brings bytes with it."""
    return PackedImporter(package, bundle.folder, bundle.packed())


@pytest.mark.parametrize("make", [import_bundle, import_packed])
def test_fifty_generations_leave_no_class_and_no_module(write: Write, make: Callable[..., Any]) -> None:
    """Whatever kinds of classes and caches they have; nor do they leave lines or names anywhere."""
    bundle, gone = read_bundle(write(LEAKY)), []
    before: set[str] = set()
    for number in range(50):
        importer = make(f"gridbus_plugin_leaky__{number}", bundle)
        greeter = importer.import_entry("plugin:Greeter")
        module = sys.modules[greeter.__module__]
        assert module.circle.Circle().f() is greeter
        gone += [weakref.ref(getattr(module, name)) for name in CLASSES]
        gone += [weakref.ref(sys.modules[name]) for name in list(sys.modules) if name.startswith(importer.package)]
        importer.unload()
        before = before or set(linecache.cache)  # what the plugin needs of others was imported by the first
        bundle = read_bundle(bundle.folder, known=bundle)
    del importer, greeter, module
    gc.collect()
    assert len(gone) == 50 * (len(CLASSES) + 5)
    assert [ref() for ref in gone if ref() is not None] == []
    assert set(linecache.cache) <= before


def test_generations_never_see_each_others_modules(importer: MakeImporter, write: Write) -> None:
    """Each has the code that was there when it was read, however late it imports it."""
    code = "from . import state\ndef late():\n    from .parts import words\n    return words.VALUE, state.SEEN\n"
    folder = write({"plugin.py": code, "state.py": "SEEN = []\n", "parts/words.py": "VALUE = 1\n"})
    old = importer(folder)
    old_late = old.import_entry("plugin:late")
    write({"parts/words.py": "VALUE = 22\n"})
    new = importer(read_bundle(folder, known=old.bundle))
    new_late = new.import_entry("plugin:late")
    sys.modules[f"{new.package}.state"].SEEN.append("new")
    assert (old_late(), new_late()) == ((1, []), (22, ["new"]))
    assert old_late.__code__ is new_late.__code__
    old.unload()
    assert new_late() == (22, ["new"])
    assert {name for name in sys.modules if name.startswith(new.package)} == {
        f"{new.package}{name}" for name in ("", ".plugin", ".state", ".parts", ".parts.words")
    }


def test_the_first_generation_goes_without_the_second(importer: MakeImporter, write: Write) -> None:
    """Though its package's name is the beginning of the other's."""
    code = "import attrs\n@attrs.define\nclass A:\n    x: int\n"
    folder = write({"plugin.py": code, "__init__.py": code})
    first, second = (importer(folder, f"gridbus_plugin_bundled{end}") for end in ("", "__2"))
    first.import_entry("plugin:A")
    second.import_entry("plugin:A")
    lines = {name for name in linecache.cache if "gridbus_plugin_bundled__2" in name}
    assert lines
    first.unload()
    assert "gridbus_plugin_bundled__2.plugin" in sys.modules
    assert {name for name in linecache.cache if "gridbus_plugin_bundled" in name} == lines


def shown(function: Any) -> str | None:
    """The line at which a function fails, as a traceback shows it."""
    try:
        function()
    except ZeroDivisionError as error:
        return traceback.extract_tb(error.__traceback__)[-1].line
    return None


def test_the_newer_generation_is_shown_and_a_failed_one_no_more(importer: MakeImporter, write: Write) -> None:
    """They share the name of the file; when the newer one goes, what the old one runs is shown again."""
    folder = write({"plugin.py": "def f():\n    return 1 / 0\n"})
    old = importer(folder)
    old_f = old.import_entry("plugin:f")
    assert shown(old_f) == "return 1 / 0"
    write({"plugin.py": "def f():\n    return 22 / 0\n"})
    new = importer(read_bundle(folder, known=old.bundle))
    new_f = new.import_entry("plugin:f")
    assert shown(new_f) == "return 22 / 0"
    write({"plugin.py": "nothing of it\n\n\n"})
    new.unload()
    assert shown(old_f) == "return 1 / 0"
    assert inspect.getsource(old_f) == "def f():\n    return 1 / 0\n"
    old.unload()
    assert str(folder / "plugin.py") not in linecache.cache


def test_the_older_generation_that_goes_takes_nothing_along(importer: MakeImporter, write: Write) -> None:
    """Nor does one that imports a module late show its lines in the place of the newer ones."""
    folder = write(
        {
            "plugin.py": "def late():\n    from .words import f\n    return f\n",
            "words.py": "def f():\n    return 1 / 0\n",
        }
    )
    old = importer(folder)
    old_late = old.import_entry("plugin:late")
    write({"words.py": "def f():\n    return 22 / 0\n"})
    new = importer(read_bundle(folder, known=old.bundle))
    new_f = new.import_entry("plugin:late")()
    old_late()
    assert shown(new_f) == "return 22 / 0"
    old.unload()
    write({"words.py": "nothing of it\n\n\n"})
    linecache.checkcache()
    assert shown(new_f) == "return 22 / 0"


def test_generations_are_imported_in_many_threads_at_once(write: Write) -> None:
    """Each gets its own modules, while others of the same folder come and go, and while the program imports."""
    files: dict[str, str | bytes] = {f"m{n}.py": f"from . import m{n + 1}\nclass A: ...\n" for n in range(10)}
    bundle = read_bundle(write({**files, "m10.py": "from . import m0\nclass A: ...\n"}))
    together = threading.Barrier(4)

    def live(thread: int) -> None:
        together.wait(10)
        for turn in range(10):
            importer = BundleImporter(f"gridbus_plugin_threads_{thread}__{turn}", bundle)
            found = importer.import_entry("m0:A")
            assert found.__module__ == f"{importer.package}.m0"
            names = [name for name in list(sys.modules) if name.startswith(f"{importer.package}.")]
            assert len(names) == 11
            importer.unload()
            assert importlib.util.find_spec("this") is not None  # by a finder that comes after ours

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(live, thread) for thread in range(4)]:
            future.result(20)
    assert not [name for name in sys.modules if name.startswith("gridbus_plugin_threads")]


def test_one_generation_may_be_imported_by_two_threads(importer: MakeImporter, write: Write) -> None:
    """Its modules run once."""
    one = importer(read_bundle(write({"plugin.py": "class A: ...\n", "parts/__init__.py": "from ..plugin import A\n"})))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one.import_entry, ["plugin:A", "parts:A"] * 5))
    assert len(set(found)) == 1
