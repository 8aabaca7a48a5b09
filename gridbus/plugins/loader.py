"""From what a user names as a plugin to a plugin that can be initialized."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.to_thread
import attrs

from gridbus.bundles import Bundle, BundleImporter, Unsettled, read_bundle
from gridbus.errors import PluginConflictError, PluginDependencyError, PluginLoadError, PluginValidationError
from gridbus.manifest import MANIFEST_NAME, Manifest, PluginMetadata
from gridbus.manifest.reader import decode_manifest
from gridbus.plugins.config import check_config, plugin_name, refuse_config
from gridbus.plugins.discovery import entry_of
from gridbus.plugins.failure import described, strip
from gridbus.plugins.importing import import_entry, import_in_thread, nothing, private_package
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.record import Recipe, Record

PluginSource: TypeAlias = (
    Plugin[Any] | type[Plugin[Any]] | str | os.PathLike[str] | tuple[type[Plugin[Any]] | str | os.PathLike[str], Any]
)
"""An instance, a class, ``module:Class``, the folder of a manifest (as a path, or as text with a slash), the id of an
installed plugin; or one of the last four with its configuration."""


_PAUSES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # seconds until a folder is read again that is being written


@attrs.frozen(kw_only=True, eq=False)
class Edition:
    """Which code of a folder is loaded."""

    number: int = 1  #: how often that of this plugin was loaded: each has modules of its own
    bundle: Bundle | None = None  #: what to load; what is in the folder now if None
    known: Bundle | None = None  #: what was read before: what has not changed since need not be read and compiled again


FIRST = Edition()


class Loader:
    """Finds, imports, configures and checks plugins; nothing of them runs yet but their modules and constructors."""

    def __init__(self, *, timeout: float) -> None:
        self._timeout = timeout

    async def load(self, source: PluginSource, config: Any = None, *, edition: Edition = FIRST) -> Record:
        """Return the record of a plugin; ``edition`` says which code of a folder, and keeps it apart from others.

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
            return _record(
                source, origin=_place(type(source)), recipe=Recipe(type(source), getattr(source, "config", None))
            )
        if isinstance(source, type):
            return _made(_checked(source, _place(source)), config, origin=_place(source), recipe=Recipe(source, config))
        if isinstance(source, os.PathLike) or (isinstance(source, str) and ("/" in source or os.sep in source)):
            return await self._load_folder(Path(source), config, edition)
        if isinstance(source, str) and ":" in source:
            cls = _checked(await self._imported(partial(import_entry, source), repr(source)), source)
            return _made(cls, config, origin=source, recipe=Recipe(source, config))
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
        record = _made(cls, config, origin=entry, recipe=Recipe(plugin_id, config))
        if record.id != plugin_id:
            message = f"{package} offers {plugin_id!r}, but {entry} calls itself {record.id!r}"
            raise PluginValidationError(message, record.id)
        return record

    async def _load_folder(self, folder: Path, config: Any, edition: Edition) -> Record:
        bundle, manifest = await read_folder(folder, edition)
        folder, plugin_id = bundle.folder, manifest.metadata.id
        package = private_package(plugin_id, edition.number)
        if package in sys.modules:
            where = getattr(sys.modules[package], "__path__", ["elsewhere"])[0]
            raise PluginConflictError(f"plugin {plugin_id!r} in {folder} is loaded already, from {where}", plugin_id)
        importer = BundleImporter(package, bundle)
        undo = importer.unload
        load = partial(importer.import_entry, manifest.entry)
        found = await self._imported(load, f"{plugin_id!r} in {folder}", plugin_id=plugin_id, folder=folder, undo=undo)
        try:
            cls = _checked(found, f"{manifest.entry} in {folder}", plugin_id)
            _agree(cls, manifest.metadata, manifest.where)
            recipe = Recipe(folder, config, bundle=bundle)
            return _made(cls, config, origin=str(folder), recipe=recipe, unload=undo)
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


async def read_folder(folder: Path, edition: Edition) -> tuple[Bundle, Manifest]:
    """Return the code in a folder and its manifest, from the same moment.

    Raises:
        PluginLoadError: it cannot be read, or is being written all the while.
        PluginValidationError: its manifest is none.
    """
    bundle = edition.bundle or await _settled(folder, edition.known)
    where = str(bundle.folder / MANIFEST_NAME)
    found = bundle.files.get(MANIFEST_NAME)
    if found is None:
        raise PluginLoadError(f"cannot read the manifest {where}: No such file or directory")
    return bundle, decode_manifest(found.data, where=where)


async def _settled(folder: Path, known: Bundle | None) -> Bundle:
    """Read a folder between two saves."""

    def read() -> Bundle:
        return read_bundle(folder.absolute(), known=known)

    for pause in _PAUSES:
        try:
            return await anyio.to_thread.run_sync(read)
        except Unsettled:
            await anyio.sleep(pause)
    try:
        return await anyio.to_thread.run_sync(read)
    except Unsettled as error:
        raise PluginLoadError(f"the code in {folder} cannot be read: {error}") from None


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
    cls: type[Plugin[Any]], config: Any, *, origin: str, recipe: Recipe, unload: Callable[[], None] = nothing
) -> Record:
    try:
        plugin = cls() if config is None else cls(config)
    except PluginValidationError:
        raise
    except (Exception, SystemExit) as error:
        name = plugin_name(cls)
        raise PluginValidationError(f"plugin {name!r} cannot be made: {described(error)}", name) from strip(error)
    return _record(plugin, origin=origin, recipe=recipe, unload=unload)


def _record(plugin: Plugin[Any], *, origin: str, recipe: Recipe, unload: Callable[[], None] = nothing) -> Record:
    cls = type(plugin)
    metadata = getattr(plugin, "metadata", None)
    if not isinstance(metadata, PluginMetadata):
        raise PluginValidationError(f"{cls.__qualname__} has no metadata: write metadata = PluginMetadata(...) in it")
    if not hasattr(plugin, "config"):
        raise PluginValidationError(f"{cls.__qualname__}.__init__ does not call super().__init__(...)", metadata.id)
    refuse_config(cls, check_config(plugin, plugin.config))
    check_core(metadata)
    return Record(plugin, metadata, origin=origin, recipe=recipe, unload=unload)


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
