"""Where a plugin's code is on the disk, which its process has to read."""

from __future__ import annotations

import importlib.machinery
import os
import sys
from pathlib import Path

from gridbus.plugins.hosting import HostRequest


def app_paths(request: HostRequest) -> tuple[str, ...]:
    """Return where the application imports from, for a plugin that is a module of it; a folder needs none of it."""
    if request.folder is not None:
        return ()
    return tuple(os.path.abspath(place or ".") for place in sys.path if not _is_of_python(place))


def readable_places(request: HostRequest) -> tuple[str, ...]:
    """Return the files and folders of a plugin's own code.

    A plugin of the application itself may read where the application imports from. One that is not trusted gets its
    folder, or its own top package, and nothing beside it.
    """
    places = [str(place) for place in (request.folder, request.site) if place is not None]
    if request.main is not None:
        places.append(str(Path(request.main).resolve().parent))
    if request.folder is None:
        if request.trusted:
            places += app_paths(request)
        else:
            places += _top_package(request.entry.partition(":")[0])
    return tuple(dict.fromkeys(os.path.realpath(place) for place in places if os.path.exists(place)))


def _top_package(module: str) -> list[str]:
    """Return the folder or file of a module's top package; it is looked for, not imported."""
    spec = importlib.machinery.PathFinder.find_spec(module.partition(".")[0])
    if spec is None:
        return []
    folders = list(spec.submodule_search_locations or ())
    return folders or ([spec.origin] if spec.origin else [])


def _is_of_python(place: str) -> bool:
    place = os.path.abspath(place or ".")
    return any(place == root or place.startswith(root + os.sep) for root in (sys.prefix, sys.base_prefix))
