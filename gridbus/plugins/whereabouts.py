"""Where the code of a registered plugin is, for whoever watches it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from gridbus.channels.plugins import PluginCode
from gridbus.plugins.record import Record


def code_of(record: Record) -> PluginCode:
    """Return where a plugin's code is, and why it cannot be reloaded from changed files, where it cannot."""
    recipe = record.recipe
    site = None if recipe is None else recipe.options.get("site")
    paths = () if site is None else (str(Path(site).absolute()),)
    if recipe is not None and recipe.bundle is not None:
        bundle = recipe.bundle
        return PluginCode(record.id, record.generation, str(bundle.folder), paths, bundle.digest)
    if record.hosted is None:
        shared = (
            f"plugin {record.id!r} is imported from {record.origin}, which other code of this process shares: give it "
            'as a folder with a manifest, or run it with isolation="process"'
        )
        return PluginCode(record.id, record.generation, None, paths, "", shared)
    place = _place_of_module(record.origin.partition(":")[0])
    obstacle = None if place else f"plugin {record.id!r} is from {record.origin}, and no file of that is known"
    return PluginCode(record.id, record.generation, None, (*paths, *place), "", obstacle)


def _place_of_module(name: str) -> tuple[str, ...]:
    """Return the file of a module, or the folder of the package that it belongs to."""
    if name == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        return () if file is None else (str(Path(file).absolute()),)
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])  # of a top-level package nothing is imported
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations:
        return tuple(spec.submodule_search_locations)
    return () if spec.origin is None else (spec.origin,)
