"""Finding plugins without importing them: entry points of installed packages, and folders with a manifest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from gridbus.errors import PluginConflictError, PluginError, PluginNotFoundError
from gridbus.manifest import MANIFEST_NAME, Manifest, PluginMetadata, read_manifest, read_packaged_manifest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PLUGINS_GROUP = "gridbus.plugins"  #: names are plugin ids, values ``module:Class``
MANIFEST_GROUP = "gridbus.manifest"  #: names are plugin ids, values the package that holds the manifest


@attrs.frozen
class DiscoveredPlugin:
    """A plugin that could be registered."""

    id: str
    source: str | Path  #: what to register: an id, or a folder
    origin: str  #: where it was found: package and version, or the manifest
    metadata: PluginMetadata | None = None  #: None where only importing it would tell
    problem: str | None = None  #: why it could not be registered as it is


def installed() -> list[DiscoveredPlugin]:
    """Return the plugins that installed packages offer, by id."""
    entries = _entry_points(PLUGINS_GROUP)
    manifests = {entry.name: entry.value for entry in _entry_points(MANIFEST_GROUP)}
    found = []
    for plugin_id in sorted({entry.name for entry in entries}):
        metadata = problem = None
        try:
            entry = _only(plugin_id, entries)
            if plugin_id in manifests:
                metadata = read_packaged_manifest(manifests[plugin_id]).metadata
        except PluginError as error:
            entry, problem = next(entry for entry in entries if entry.name == plugin_id), str(error)
        found.append(DiscoveredPlugin(plugin_id, plugin_id, _package_of(entry), metadata, problem))
    return found


def in_folder(folder: Path) -> list[DiscoveredPlugin]:
    """Return the plugins in a folder: itself if it holds a manifest, else the ones right below it, by name.

    Raises:
        PluginNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise PluginNotFoundError(f"{folder} is no folder, so no plugins are found there")
    places = [folder] if (folder / MANIFEST_NAME).is_file() else sorted(folder.iterdir())
    found = []
    for place in places:
        path = place / MANIFEST_NAME
        if not path.is_file():
            continue
        try:
            metadata = read_manifest(path).metadata
        except PluginError as error:
            found.append(DiscoveredPlugin(error.plugin_id or place.name, place, str(path), problem=str(error)))
        else:
            found.append(DiscoveredPlugin(metadata.id, place, str(path), metadata))
    return found


def entry_of(plugin_id: str) -> tuple[str, str]:
    """Return ``module:Class`` of an installed plugin, and the package that offers it.

    Raises:
        PluginNotFoundError: no installed package offers it.
        PluginConflictError: two packages do; the message names both.
    """
    entry = _only(plugin_id, _entry_points(PLUGINS_GROUP))
    return entry.value, _package_of(entry)


def manifest_of(plugin_id: str) -> Manifest | None:
    """Return the manifest that a package offers for an installed plugin; None where it offers none.

    Raises:
        PluginError: it cannot be used, or two packages offer one.
    """
    entries = [entry for entry in _entry_points(MANIFEST_GROUP) if entry.name == plugin_id]
    return read_packaged_manifest(_only(plugin_id, entries).value) if entries else None


def _entry_points(group: str) -> list[EntryPoint]:
    from importlib.metadata import entry_points  # 15 ms to import, and only those who look for plugins need it

    return sorted(entry_points(group=group), key=lambda entry: (entry.name, _package_of(entry)))


def _only(plugin_id: str, entries: Iterable[EntryPoint]) -> EntryPoint:
    matching = {entry.value: entry for entry in entries if entry.name == plugin_id}
    if not matching:
        from difflib import get_close_matches  # only where something is wrong

        names = sorted({entry.name for entry in entries})
        near = get_close_matches(plugin_id, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}" if names else "there are none"
        raise PluginNotFoundError(f"no installed package offers a plugin {plugin_id!r}; {hint}", plugin_id)
    if len(matching) > 1:
        packages = " and ".join(f"{_package_of(entry)} ({entry.value})" for entry in matching.values())
        raise PluginConflictError(f"plugin {plugin_id!r} is offered by {packages}: uninstall one", plugin_id)
    return next(iter(matching.values()))


def _package_of(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value
