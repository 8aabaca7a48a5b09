"""A bundle's modules behave as those of a folder that Python imports itself."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import inspect
import linecache
import logging
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest

from gridbus.bundles import BundleImporter, PackedImporter, read_bundle
from gridbus.bundles.finding import PackagesFinder
from gridbus.errors import PluginConflictError

Write = Callable[[dict[str, str | bytes]], Path]
Make = Callable[[Path], BundleImporter | PackedImporter]
MakeImporter = Callable[..., BundleImporter]


@pytest.fixture(params=[BundleImporter, PackedImporter])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Each kind of importer, of whatever a folder holds."""
    made: list[BundleImporter | PackedImporter] = []

    def build(folder: Path) -> BundleImporter | PackedImporter:
        bundle, package = read_bundle(folder), f"gridbus_plugin_made__{len(made) + 1}"
        if request.param is BundleImporter:
            made.append(BundleImporter(package, bundle))
        else:
            made.append(PackedImporter(package, folder, bundle.packed()))
        return made[-1]

    yield build
    for one in made:
        one.unload()
    assert not [name for name in sys.modules if name.startswith("gridbus_plugin_made")]


def test_modules_import_each_other_relatively(make: Make, write: Write) -> None:
    """Packages, inner packages, and folders without ``__init__``, with or without data only."""
    folder = write(
        {
            "plugin.py": """
                from . import parts
                from .parts.words import GREETING
                from .parts.deep.er import UP
                from .plain.one import ONE
                class Greeter:
                    class Inner: ...
                    found = (GREETING, UP, ONE, parts.__name__)
            """,
            "parts/__init__.py": "from .words import GREETING\n",
            "parts/words.py": "GREETING = 'hello'\n",
            "parts/deep/__init__.py": "",
            "parts/deep/er.py": "from ...parts import GREETING as UP\n",
            "plain/one.py": "ONE = 1\n",
        }
    )
    importer = make(folder)
    greeter = importer.import_entry("plugin:Greeter")
    package = importer.package
    assert greeter.found == ("hello", "hello", 1, f"{package}.parts")
    assert greeter.__module__ == f"{package}.plugin"
    assert importer.import_entry("plugin:Greeter.Inner") is greeter.Inner
    modules = {name.removeprefix(package) for name in sys.modules if name.startswith(package)}
    assert modules == {"", ".plugin", ".parts", ".parts.words", ".parts.deep", ".parts.deep.er", ".plain", ".plain.one"}


def test_modules_know_what_modules_know(make: Make, write: Write) -> None:
    """File, package, path and spec are those of the author's folder."""
    folder = write({"plugin.py": "VALUE = 1\n", "parts/__init__.py": "", "__init__.py": "", "plain/a.py": ""})
    importer = make(folder)
    importer.import_entry("plugin:VALUE")
    root, plugin = sys.modules[importer.package], sys.modules[f"{importer.package}.plugin"]
    parts, plain = (importlib.import_module(f"{importer.package}.{name}") for name in ("parts", "plain"))
    assert (root.__file__, root.__path__) == (str(folder / "__init__.py"), [str(folder)])
    assert (plugin.__file__, plugin.__package__) == (str(folder / "plugin.py"), importer.package)
    assert (parts.__file__, parts.__path__) == (str(folder / "parts" / "__init__.py"), [str(folder / "parts")])
    assert (getattr(plain, "__file__", None), plain.__path__) == (None, [str(folder / "plain")])
    assert not hasattr(plugin, "__path__")
    for module in (root, plugin, parts, plain):
        assert module.__spec__ is not None
        assert module.__spec__.loader is module.__loader__
        assert module.__spec__.name == module.__name__


def test_modules_may_import_each_other_in_a_circle(make: Make, write: Write) -> None:
    """As long as they ask for each other's names later."""
    folder = write(
        {
            "plugin.py": "from . import other\nVALUE = 1\ndef both(): return VALUE + other.VALUE\n",
            "other.py": "from . import plugin\nVALUE = 2\ndef both(): return VALUE + plugin.VALUE\n",
        }
    )
    importer = make(folder)
    assert importer.import_entry("plugin:both")() == importer.import_entry("other:both")() == 3


@pytest.mark.parametrize("init", [True, False])
def test_data_is_read_from_the_disk(make: Make, write: Write, init: bool) -> None:
    """By pkgutil, by importlib.resources, from a folder of data too."""
    folder = write({"plugin.py": "VALUE = 1\n", "words.txt": "hello", "assets/a.txt": "A"})
    if init:
        write({"__init__.py": ""})
    importer = make(folder)
    importer.import_entry("plugin:VALUE")
    package = importer.package
    assert (importlib.resources.files(package) / "words.txt").read_text() == "hello"
    assert importlib.resources.files(f"{package}.assets").joinpath("a.txt").read_text() == "A"
    with importlib.resources.as_file(importlib.resources.files(package) / "words.txt") as path:
        assert path == folder / "words.txt"
    if init:
        assert pkgutil.get_data(package, "words.txt") == b"hello"
    assert pkgutil.get_data(f"{package}.plugin", "assets/a.txt") == b"A"


def test_submodules_can_be_listed_and_looked_for(make: Make, write: Write) -> None:
    """As plugins do that load what is in a folder of theirs, or what may be there."""
    folder = write({"plugin.py": "VALUE = 1\n", "parts/__init__.py": "", "parts/a.py": "", "parts/b.py": ""})
    importer = make(folder)
    importer.import_entry("plugin:VALUE")
    parts = importlib.import_module(f"{importer.package}.parts")
    assert [found.name for found in pkgutil.iter_modules(parts.__path__)] == ["a", "b"]
    found = importlib.util.find_spec(".parts.a", importer.package)
    assert found is not None
    assert found.origin == str(folder / "parts" / "a.py")
    assert importlib.util.find_spec(".parts.c", importer.package) is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from . import nothing", "cannot import name 'nothing'"),
        ("from .nothing import x", r"No module named 'gridbus_plugin_made__1\.nothing'"),
        ("import nothing_of_the_kind", "No module named 'nothing_of_the_kind'"),
        ("from ..other import x", "beyond top-level package"),
    ],
)
def test_what_is_not_there_is_an_import_error(make: Make, write: Write, code: str, message: str) -> None:
    """In the words that Python has for it."""
    with pytest.raises(ImportError, match=message):
        make(write({"plugin.py": code})).import_entry("plugin:Plugin")


def test_no_compiled_code_is_read_or_written(make: Make, write: Write) -> None:
    """The bundle is what runs, whatever lies in ``__pycache__``."""
    folder = write({"plugin.py": "from .parts import VALUE\n", "parts/__init__.py": "VALUE = 1\n"})
    cached = Path(importlib.util.cache_from_source(str(folder / "plugin.py")))
    write({str(cached.relative_to(folder)): b"no code at all"})
    assert make(folder).import_entry("plugin:VALUE") == 1
    assert [path.parent for path in folder.rglob("*.pyc")] == [cached.parent]
    assert cached.read_bytes() == b"no code at all"


def test_extension_modules_are_loaded_from_the_disk(make: Make, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before source of the same name, as Python does."""
    ending = EXTENSION_SUFFIXES[0]
    folder = write({"plugin.py": "VALUE = 1\n", "fast.py": "", f"fast{ending}": b"", f"parts/__init__{ending}": b""})
    importer = make(folder)
    importer.import_entry("plugin:VALUE")
    for name, file, places in (("fast", "fast", None), ("parts", "parts/__init__", [str(folder / "parts")])):
        spec = importlib.util.find_spec(f"{importer.package}.{name}")
        assert spec is not None
        assert spec.origin == str(folder / f"{file}{ending}")
        assert spec.submodule_search_locations == places
    with pytest.raises(ImportError, match=r"too short|invalid|not a"):
        importer.import_entry("fast:x")


def test_source_that_came_later_is_not_of_this_generation(make: Make, write: Write) -> None:
    """Neither new files nor changed ones; what was removed is still there."""
    folder = write(
        {"plugin.py": "def late(name):\n    import importlib\n    return importlib.import_module(name, __package__)\n"}
    )
    write({"other.py": "VALUE = 1\n", "parts/words.py": "VALUE = 1\n"})
    importer = make(folder)
    late = importer.import_entry("plugin:late")
    write({"newer.py": "VALUE = 2\n", "other.py": "VALUE = 2\n"})
    (folder / "parts" / "words.py").unlink()
    (folder / "parts").rmdir()
    with pytest.raises(ModuleNotFoundError, match=r"newer\.py came after this generation"):
        late(".newer")
    assert late(".other").VALUE == 1
    assert late(".parts.words").VALUE == 1
    assert not list(folder.rglob("*.pyc"))


def test_code_may_put_other_places_into_its_path(make: Make, write: Write, tmp_path: Path) -> None:
    """In its folder, where the bundle is asked, or elsewhere, where Python looks itself."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.py").write_text("VALUE = 3\n")
    folder = write(
        {
            "__init__.py": "import os\n"
            "__path__.append(os.path.join(os.path.dirname(__file__), 'vendor'))\n"
            f"__path__.append({str(tmp_path / 'elsewhere')!r})\n",
            "plugin.py": "from .near import VALUE as near\nfrom .far import VALUE as far\nboth = near, far\n",
            "vendor/near.py": "VALUE = 2\n",
        }
    )
    assert make(folder).import_entry("plugin:both") == (2, 3)


def test_a_linked_folder_is_known_by_its_link(make: Make, write: Write, tmp_path: Path) -> None:
    """Its modules have the names that the author uses."""
    write({"plugin.py": "from .parts.words import VALUE\n", "words.py": "VALUE = 5\n"})
    folder = tmp_path / "linked"
    folder.symlink_to(tmp_path / "plugin-folder")
    (folder / "parts").mkdir()
    (folder / "parts" / "words.py").symlink_to(folder / "words.py")
    importer = make(folder)
    assert importer.import_entry("plugin:VALUE") == 5
    assert sys.modules[f"{importer.package}.parts.words"].__file__ == str(folder / "parts" / "words.py")


def test_tracebacks_show_the_authors_lines_only(make: Make, write: Write) -> None:
    """Nothing between the import statement and the line that failed."""
    folder = write({"plugin.py": "from . import broken\n", "broken.py": "VALUE = 1\nraise ValueError('boom')\n"})
    importer = make(folder)
    with pytest.raises(ValueError, match="boom") as caught:
        importer.import_entry("plugin:VALUE")
    frames = [frame for frame in traceback.extract_tb(caught.tb) if "importlib" not in frame.filename]
    assert [(Path(frame.filename).name, frame.lineno, frame.line) for frame in frames[2:]] == [
        ("plugin.py", 1, "from . import broken"),
        ("broken.py", 2, "raise ValueError('boom')"),
    ]


def test_a_syntax_error_in_a_submodule_names_its_file(importer: MakeImporter, write: Write) -> None:
    """The modules that import it work up to there."""
    folder = write({"plugin.py": "from . import broken\n", "broken.py": "VALUE = 1\ndef f(:\n"})
    with pytest.raises(SyntaxError) as caught:
        importer(folder).import_entry("plugin:VALUE")
    assert (caught.value.filename, caught.value.lineno) == (str(folder / "broken.py"), 2)


def test_source_is_shown_as_it_runs_not_as_it_is_on_the_disk(importer: MakeImporter, write: Write) -> None:
    """By inspect and in tracebacks, whatever encoding it has, and after the file was removed."""
    code = "# coding: latin-1\nclass A:\n    def f(self):\n        return 1 / 0  # größer\n"
    folder = write({"plugin.py": code.encode("latin-1")})
    found = importer(folder).import_entry("plugin:A")
    write({"plugin.py": "\n\n\n\n# nothing of it\n"})
    linecache.checkcache()
    assert inspect.getsource(found.f) == "    def f(self):\n        return 1 / 0  # größer\n"
    assert inspect.getsource(found).startswith("class A:")
    with pytest.raises(ZeroDivisionError) as caught:
        found().f()
    assert traceback.extract_tb(caught.tb)[-1].line == "return 1 / 0  # größer"
    (folder / "plugin.py").unlink()
    linecache.checkcache()
    assert inspect.getsource(sys.modules[found.__module__]) == code


def test_packed_source_is_shown_as_it_is_on_the_disk(write: Write) -> None:
    """The process that has only the code has no other."""
    folder = write({"plugin.py": "def f():\n    return 1\n"})
    importer = PackedImporter("gridbus_plugin_packed", folder, read_bundle(folder).packed())
    try:
        assert inspect.getsource(importer.import_entry("plugin:f")) == "def f():\n    return 1\n"
        loader: Any = sys.modules["gridbus_plugin_packed.plugin"].__loader__
        assert loader.get_source("gridbus_plugin_packed.plugin") == "def f():\n    return 1\n"
    finally:
        importer.unload()


def test_unload_leaves_nothing_and_may_be_called_again(make: Make, write: Write) -> None:
    """Modules, the finder's memory, path caches, lines of generated code, loggers."""
    code = "import attrs, logging\nlog = logging.getLogger(__name__)\n@attrs.define\nclass A:\n    x: int\n"
    folder = write({"plugin.py": code, "parts/a.py": "", "__init__.py": ""})
    importer = make(folder)
    importer.unload()
    importer.import_entry("plugin:A")
    list(pkgutil.walk_packages([str(folder)]))
    assert any(importer.package in name for name in linecache.cache)
    importer.unload()
    importer.unload()
    package = importer.package
    assert not [name for name in sys.modules if name.startswith(package)]
    assert not [name for name in linecache.cache if package in name or name.startswith(str(folder))]
    assert not [name for name in sys.path_importer_cache if name.startswith(str(folder))]
    assert not [name for name in logging.Logger.manager.loggerDict if name.startswith(package)]
    assert package not in PackagesFinder.installed()._importers
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{package}.plugin")


def test_an_importer_may_import_again_after_it_was_unloaded(make: Make, write: Write) -> None:
    """Anew: the modules of before are not those of now."""
    importer = make(write({"plugin.py": "class A: ...\n"}))
    first = importer.import_entry("plugin:A")
    assert importer.import_entry("plugin:A") is first
    importer.unload()
    assert importer.import_entry("plugin:A") is not first


def test_there_is_one_finder_however_many_plugins_there_are(importer: MakeImporter, write: Write) -> None:
    """Each finder would cost each import of the program."""
    folder = write({"plugin.py": "VALUE = 1\n"})
    for _ in range(20):
        importer(folder).import_entry("plugin:VALUE")
    assert len([finder for finder in sys.meta_path if isinstance(finder, PackagesFinder)]) == 1


def test_two_importers_cannot_have_one_name(importer: MakeImporter, write: Write) -> None:
    """The second would see the modules of the first; it takes nothing away either."""
    folder = write({"plugin.py": "VALUE = 1\n"})
    first, second = (importer(folder, "gridbus_plugin_bundled") for _ in range(2))
    first.import_entry("plugin:VALUE")
    with pytest.raises(PluginConflictError, match="gridbus_plugin_bundled is imported by another importer"):
        second.import_entry("plugin:VALUE")
    second.unload()
    assert "gridbus_plugin_bundled.plugin" in sys.modules
    first.unload()
    second.import_entry("plugin:VALUE")
    first.unload()  # as the thread of an import does that took too long
    assert "gridbus_plugin_bundled.plugin" in sys.modules
