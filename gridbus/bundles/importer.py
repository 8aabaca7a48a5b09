"""Importing one generation of a plugin's folder under a package name of its own."""

from __future__ import annotations

import abc
import importlib
import importlib.abc
import marshal
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    ExtensionFileLoader,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from importlib.util import decode_source, spec_from_file_location
from pathlib import Path, PurePosixPath
from types import CodeType, ModuleType
from typing import Any

from gridbus.bundles.bundle import Bundle, compile_source
from gridbus.bundles.finding import PackagesFinder
from gridbus.bundles.leaving import forget_modules, forget_traces
from gridbus.bundles.loader import CodeLoader, file_spec, namespace_spec
from gridbus.bundles.showing import SourceLines

_BREATH = 0.0003  # seconds


class FolderImporter(importlib.abc.MetaPathFinder):
    """Makes modules of the files of one folder, of which the code is known already.

    Nothing of Python's is read from the folder but extension modules, and no compiled code is written there. Two
    generations of a folder have importers with different package names, and never see each other's modules.
    """

    def __init__(self, package: str, folder: Path, paths: Collection[str]) -> None:
        self.package, self.folder = package, folder
        self.shown: dict[str, tuple[int, SourceLines]] = {}
        self._place = str(folder)
        self._paths = frozenset(paths)
        self._folders = frozenset(str(above) for path in paths for above in PurePosixPath(path).parents)
        self._finder: PackagesFinder | None = None

    @abc.abstractmethod
    def _code(self, path: str) -> CodeType:
        """Return the code of a file."""

    @abc.abstractmethod
    def _source(self, path: str) -> str:
        """Return the text of a file."""

    def import_entry(self, entry: str) -> Any:
        """Import ``module:attribute`` of the folder; whoever gets an error calls ``unload``.

        Raises:
            PluginConflictError: another importer has this package name.
            Exception: whatever the code raises.
        """
        if self._finder is None:
            self._finder = PackagesFinder.installed()
        self._finder.add(self)
        module, _, attribute = entry.partition(":")
        found: Any = importlib.import_module(f"{self.package}.{module}")
        for name in attribute.split("."):
            found = getattr(found, name)
        return found

    def unload(self) -> None:
        """Take all modules out of the interpreter, and what it remembers about them; may be called again.

        An extension module stays in memory, as CPython never unloads one.
        """
        if self._finder is None:
            return  # nothing was imported
        if self._finder.remove(self):
            forget_modules(self.package)
            forget_traces(self.package, self.folder)
        else:  # another importer got this name while an import that nobody waited for went on in its thread
            forget_modules(self.package, unless=self._is_foreign)
        shown, self.shown = self.shown, {}
        for path in shown:
            self._finder.show(path)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the package itself, or a module in one of the places ``path``.

        Raises:
            ModuleNotFoundError: its file came after this generation was read.
        """
        if path is None:
            return self._find(fullname, "") if fullname == self.package else None
        name = fullname.rpartition(".")[2]
        namespace: ModuleSpec | None = None
        for place in path:
            inside = self._inside(place)
            if inside is None:  # the code put another place into ``__path__``
                found = PathFinder.find_spec(fullname, [place])
            else:
                found = self._find(fullname, f"{inside}{name}") or self._find_otherwise(fullname, place)
            if found is not None and found.origin is not None:
                return found
            namespace = namespace or found
        return namespace

    def _find(self, fullname: str, base: str) -> ModuleSpec | None:
        """Find a module by its path without ending, in the order in which CPython looks at a folder."""
        is_folder = base in self._folders or not base or os.path.isdir(self._at(base))
        found: ModuleSpec | None = None
        if is_folder:
            found = self._find_file(fullname, f"{base}/__init__" if base else "__init__", folder=self._at(base))
        if found is None and base:
            found = self._find_file(fullname, base, folder=None)
        if found is None and is_folder:
            found = namespace_spec(fullname, self._at(base), owner=self)
        return found

    def _find_file(self, fullname: str, base: str, *, folder: str | None) -> ModuleSpec | None:
        for ending in EXTENSION_SUFFIXES:
            place = self._at(base + ending)
            if os.path.isfile(place):
                places = None if folder is None else [folder]
                extension = ExtensionFileLoader(fullname, place)
                return spec_from_file_location(fullname, place, loader=extension, submodule_search_locations=places)
        path = f"{base}.py"
        if path not in self._paths:
            return None
        code, source = partial(self._shown_code, path), partial(self._source, path)
        loader = CodeLoader(self._at(path), package=folder is not None, code=code, source=source, owner=self)
        return file_spec(fullname, loader, folder=folder)

    def _find_otherwise(self, fullname: str, place: str) -> ModuleSpec | None:
        """Find what has no source, such as compiled modules that are delivered alone; never newer source."""
        spec = PathFinder.find_spec(fullname, [place])
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            reason = f"{spec.origin} came after this generation of the plugin was read"
            raise ModuleNotFoundError(f"No module named {fullname!r}: {reason}", name=fullname, path=spec.origin)
        return spec

    def _shown_code(self, path: str) -> CodeType:
        """Return the code that is about to run; from now on tracebacks show its lines."""
        code = self._code(path)
        lines = self._lines(path)
        if lines is not None and self._finder is not None:
            self.shown[code.co_filename] = lines
            self._finder.show(code.co_filename)
        return code

    def _lines(self, path: str) -> tuple[int, SourceLines] | None:
        """Return size and lines of a file that is not to be shown as it is on the disk."""
        return None

    def _inside(self, place: str) -> str | None:
        """Return the beginning of the paths of what is in a place; None where that is not in this folder."""
        if place == self._place:
            return ""
        if place.startswith(self._place + os.sep):
            return place[len(self._place) + 1 :].replace(os.sep, "/") + "/"
        return None

    def _at(self, path: str) -> str:
        return f"{self._place}{os.sep}{path.replace('/', os.sep)}" if path else self._place

    def _is_foreign(self, module: ModuleType) -> bool:
        return getattr(getattr(module, "__loader__", None), "owner", None) is not self


class BundleImporter(FolderImporter):
    """Imports the code of a bundle; tracebacks and ``inspect`` show the lines of the bundle."""

    def __init__(self, package: str, bundle: Bundle) -> None:
        super().__init__(package, bundle.folder, bundle.files)
        self.bundle = bundle

    def _code(self, path: str) -> CodeType:
        code = self.bundle.code(path)
        # Imports run in a thread, beside a loop that carries events: between compiling a module and running it the loop
        # gets a turn, where it would wait for all of the import otherwise.
        threading.Event().wait(_BREATH)
        return code

    def _source(self, path: str) -> str:
        return decode_source(self.bundle.files[path].data)

    def _lines(self, path: str) -> tuple[int, SourceLines]:
        return len(self.bundle.files[path].data), SourceLines(partial(self._source, path))


class PackedImporter(FolderImporter):
    """Imports what ``Bundle.packed`` returned in another process; the source is shown as it is on the disk."""

    def __init__(self, package: str, folder: Path, codes: Mapping[str, bytes]) -> None:
        super().__init__(package, Path(folder).absolute(), codes)
        self._codes = codes

    def _code(self, path: str) -> CodeType:
        code: CodeType | bytes = marshal.loads(self._codes[path])
        return compile_source(code, self._at(path)) if isinstance(code, bytes) else code

    def _source(self, path: str) -> str:
        return decode_source((self.folder / path).read_bytes())
