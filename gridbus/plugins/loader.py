"""From what a user names as a plugin to a plugin that can be initialized."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import anyio.to_thread

from gridbus.errors import PluginConflictError, PluginDependencyError, PluginLoadError, PluginValidationError
from gridbus.manifest import Manifest, PluginMetadata, read_manifest
from gridbus.plugins.config import check_config, plugin_name, refuse_config
from gridbus.plugins.discovery import entry_of
from gridbus.plugins.failure import described, strip
from gridbus.plugins.importing import import_entry, import_folder, import_in_thread, nothing, private_package, unload
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.record import Record

PluginSource: TypeAlias = (
    Plugin[Any] | type[Plugin[Any]] | str | os.PathLike[str] | tuple[type[Plugin[Any]] | str | os.PathLike[str], Any]
)
"""An instance, a class, ``module:Class``, the folder of a manifest (as a path, or as text with a slash), the id of an
installed plugin; or one of the last four with its configuration."""


class Loader:
    """Finds, imports, configures and checks plugins; nothing of them runs yet but their modules and constructors."""

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout

    async def load(self, source: PluginSource, config: Any = None) -> Record:
        """Return the record of a plugin.

        Raises:
            PluginNotFoundError: there is no such plugin.
            PluginLoadError: its code cannot be imported; the message names file and line.
            PluginValidationError: its metadata, manifest or configuration cannot be used.
            PluginConflictError: two packages offer it, or its folder is loaded already.
            PluginDependencyError: it needs another version of gridbus.
        """
        if isinstance(source, tuple):
            if config is not None or len(source) != 2:
                raise PluginValidationError("a plugin in a tuple stands there with its configuration: (plugin, config)")
            source, config = source
        if isinstance(source, Plugin):
            if config is not None:
                raise PluginValidationError(f"{type(source).__name__} is an instance, which has its configuration")
            return _record(source, origin=_place(type(source)), again=(type(source), getattr(source, "config", None)))
        if isinstance(source, type):
            return _made(_checked(source, _place(source)), config, origin=_place(source), again=(source, config))
        if isinstance(source, os.PathLike) or (isinstance(source, str) and ("/" in source or os.sep in source)):
            return await self._load_folder(Path(source), config)
        if isinstance(source, str) and ":" in source:
            cls = _checked(await self._imported(partial(import_entry, source), repr(source)), source)
            return _made(cls, config, origin=source, again=(source, config))
        if isinstance(source, str):
            return await self._load_installed(source, config)
        raise PluginValidationError(
            f"{type(source).__name__} is no plugin: give an instance or class, 'module:Class', a folder, or the id of "
            "an installed one"
        )

    async def _load_installed(self, plugin_id: str, config: Any) -> Record:
        entry, package = await anyio.to_thread.run_sync(entry_of, plugin_id)
        what = f"{plugin_id!r} of {package}"
        cls = _checked(await self._imported(partial(import_entry, entry), what, plugin_id=plugin_id), entry)
        record = _made(cls, config, origin=entry, again=(plugin_id, config))
        if record.id != plugin_id:
            message = f"{package} offers {plugin_id!r}, but {entry} calls itself {record.id!r}"
            raise PluginValidationError(message, record.id)
        return record

    async def _load_folder(self, folder: Path, config: Any) -> Record:
        folder, manifest = await anyio.to_thread.run_sync(read_folder, folder)
        plugin_id = manifest.metadata.id
        package = private_package(plugin_id)
        if package in sys.modules:
            where = getattr(sys.modules[package], "__path__", ["elsewhere"])[0]
            raise PluginConflictError(f"plugin {plugin_id!r} in {folder} is loaded already, from {where}", plugin_id)
        undo = partial(unload, package, folder)
        load = partial(import_folder, folder, package, manifest.entry)
        found = await self._imported(load, f"{plugin_id!r} in {folder}", plugin_id=plugin_id, folder=folder, undo=undo)
        try:
            cls = _checked(found, f"{manifest.entry} in {folder}", plugin_id)
            _agree(cls, manifest.metadata, manifest.where)
            return _made(cls, config, origin=str(folder), again=(folder, config), unload=undo)
        except BaseException:
            undo()
            raise

    async def _imported(
        self,
        load: Callable[[], Any],
        what: str,
        *,
        plugin_id: str | None = None,
        folder: Path | None = None,
        undo: Callable[[], None] = nothing,
    ) -> Any:
        return await import_in_thread(
            load, plugin_id=plugin_id, what=what, timeout=self._timeout, folder=folder, undo=undo
        )


def read_folder(folder: Path) -> tuple[Path, Manifest]:
    """Return a folder's full path and its manifest."""
    folder = folder.absolute()
    return folder, read_manifest(folder)


def _place(cls: type[Any]) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _checked(found: Any, place: str, plugin_id: str | None = None) -> type[Plugin[Any]]:
    if isinstance(found, type) and issubclass(found, Plugin):
        return found
    what = found.__name__ if isinstance(found, type) else type(found).__name__
    raise PluginLoadError(f"{place} is no plugin: {what} does not inherit gridbus.Plugin", plugin_id)


def _agree(cls: type[Plugin[Any]], metadata: PluginMetadata, where: str) -> None:
    """Let the manifest speak for the class, as it is what people and tools read before the code runs.

    Raises:
        PluginValidationError: the class calls itself otherwise.
    """
    own = getattr(cls, "metadata", metadata)
    if (own.id, own.version) != (metadata.id, metadata.version):
        raise PluginValidationError(
            f"{cls.__name__} is {own.id} {own.version}, but {where} says {metadata.id} {metadata.version}", metadata.id
        )
    cls.metadata = metadata


def _made(
    cls: type[Plugin[Any]], config: Any, *, origin: str, again: tuple[Any, Any], unload: Callable[[], None] = nothing
) -> Record:
    try:
        plugin = cls() if config is None else cls(config)
    except PluginValidationError:
        raise
    except (Exception, SystemExit) as error:
        name = plugin_name(cls)
        raise PluginValidationError(f"plugin {name!r} cannot be made: {described(error)}", name) from strip(error)
    return _record(plugin, origin=origin, again=again, unload=unload)


def _record(
    plugin: Plugin[Any], *, origin: str, again: tuple[Any, Any], unload: Callable[[], None] = nothing
) -> Record:
    cls = type(plugin)
    metadata = getattr(plugin, "metadata", None)
    if not isinstance(metadata, PluginMetadata):
        raise PluginValidationError(f"{cls.__qualname__} has no metadata: write metadata = PluginMetadata(...) in it")
    if not hasattr(plugin, "config"):
        raise PluginValidationError(f"{cls.__qualname__}.__init__ does not call super().__init__(...)", metadata.id)
    refuse_config(cls, check_config(plugin))
    check_core(metadata)
    return Record(plugin, metadata, origin=origin, again=again, unload=unload)


def check_core(metadata: PluginMetadata) -> None:
    """Refuse a plugin that needs another version of gridbus.

    Raises:
        PluginDependencyError: it does.
    """
    if metadata.core_version.text.strip() == "*":
        return
    installed = vars(sys.modules["gridbus"])["__version__"]  # the top package imports this one, not the reverse
    if not metadata.core_version.contains(installed):
        raise PluginDependencyError(
            f"plugin {metadata.id!r} needs another gridbus: {metadata.core_version.explain(installed)}"
            f" ({metadata.id} -> gridbus)",
            metadata.id,
        )
