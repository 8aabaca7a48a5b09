"""The one finder through which Python finds the modules of all plugins' folders."""

from __future__ import annotations

import importlib.abc
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Protocol

from gridbus.bundles.showing import SourceLines, show
from gridbus.errors import PluginConflictError


class Importer(Protocol):
    """What finds the modules of one package."""

    @property
    def package(self) -> str:
        """Its name."""
        ...

    @property
    def shown(self) -> Mapping[str, tuple[int, SourceLines]]:
        """Size and lines of the files it imported, by path."""
        ...

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the package or one of its modules."""
        ...


class PackagesFinder(importlib.abc.MetaPathFinder):
    """Asks the importer of the package that a name begins with.

    There is one for all, because each finder costs each import of the program a call, and it stays in
    ``sys.meta_path``, because taking a finder out makes another thread that is just looking through them skip one.
    """

    def __init__(self) -> None:
        self._importers: dict[str, Importer] = {}
        self._showing = threading.Lock()

    @classmethod
    def installed(cls) -> PackagesFinder:
        """Return the finder of this interpreter; the first call puts it in place."""
        for finder in list(sys.meta_path):
            if isinstance(finder, cls):
                return finder
        # Two threads may come here at once: then there are two finders, and each importer stays with its own.
        found = cls()
        sys.meta_path.insert(0, found)
        return found

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of a package that is here; any other name costs a look into a dictionary."""
        importer = self._importers.get(fullname.partition(".")[0])
        return None if importer is None else importer.find_spec(fullname, path, target)

    def add(self, importer: Importer) -> None:
        """Let an importer find its package.

        Raises:
            PluginConflictError: another one does.
        """
        if self._importers.setdefault(importer.package, importer) is not importer:
            raise PluginConflictError(
                f"the package {importer.package} is imported by another importer: unload that one"
            )

    def remove(self, importer: Importer) -> bool:
        """Forget an importer, and return False where another one has its package by now."""
        if self._importers.get(importer.package, importer) is not importer:
            return False
        self._importers.pop(importer.package, None)
        return True

    def show(self, path: str) -> None:
        """Show the lines of a file that two generations may have in two versions: those of the newer one."""
        with self._showing:
            for importer in reversed(list(self._importers.values())):
                if path in importer.shown:
                    size, lines = importer.shown[path]
                    show(path, size, lines)
                    return
            show(path, 0, None)
