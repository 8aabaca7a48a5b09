"""Taking a package out of the interpreter, so that nothing of it is held."""

from __future__ import annotations

import linecache
import logging
import os
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import ModuleType


def forget_modules(package: str, *, unless: Callable[[ModuleType], bool] | None = None) -> None:
    """Take the modules of a package out, except those of which ``unless`` is true."""
    for name in _of_package(package, sys.modules):
        module = sys.modules.get(name)
        if unless is None or module is None or not unless(module):
            sys.modules.pop(name, None)


def forget_traces(package: str, folder: Path) -> None:
    """Take out what Python remembers about a package beside its modules."""
    inside = os.path.join(folder, "")
    for place in list(sys.path_importer_cache):
        if place == str(folder) or place.startswith(inside):
            sys.path_importer_cache.pop(place, None)  # it remembers which files there were
    for name in list(linecache.cache):
        if f"{package}." in name:
            linecache.cache.pop(name, None)  # the source of generated methods
    for name in _of_package(package, logging.Logger.manager.loggerDict):
        # ``getLogger(__name__)`` is kept for ever, and each generation has names of its own
        logging.Logger.manager.loggerDict.pop(name, None)
    # ``Plugin[Config]`` and ``Event[Payload]`` are kept in caches of typing, and their classes with them. CPython's
    # own tests clear these caches in this way; where that is not possible, 128 later ones push them out.
    for clear in getattr(typing, "_cleanups", ()):
        clear()


def _of_package(package: str, names: typing.Iterable[str]) -> list[str]:
    """Return those names that are the package or inside it; other threads may add names meanwhile."""
    return [name for name in list(names) if name == package or name.startswith(f"{package}.")]
