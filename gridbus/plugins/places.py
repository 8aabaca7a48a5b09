"""Where a plugin's code is, and what is known of it without importing it."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import attrs

from gridbus.bundles import Bundle
from gridbus.errors import PluginError, PluginLoadError, PluginValidationError
from gridbus.manifest import Manifest, PluginMetadata, read_packaged_manifest
from gridbus.plugins.config import plugin_name
from gridbus.plugins.discovery import entry_of, manifest_of
from gridbus.plugins.loader import FIRST, Edition, PluginSource, read_folder
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.trust import OFFICIAL_PACKAGE, Candidate, TrustLevel


@attrs.frozen(kw_only=True)
class Place:
    """One plugin, before anything of it is imported."""

    entry: str  #: ``module:Class``
    trust: TrustLevel
    origin: str
    folder: Path | None = None
    bundle: Bundle | None = None  #: the code in the folder
    main: str | None = None  #: the file that runs as ``__main__``, where the class is in that
    config: Any = None
    metadata: PluginMetadata | None = None  #: None where only its code can tell
    is_written: bool = False  #: the metadata stands in a manifest, beyond which the plugin is granted nothing
    expected: str | None = None  #: the id that it has to have
    obstacle: PluginError | None = None  #: why another process could not import it
    source: Any  #: what was given to find it

    @property
    def candidate(self) -> Candidate:
        """The plugin, for whoever says where it runs."""
        return Candidate(self.trust, self.metadata)


async def find(source: PluginSource, config: Any = None, edition: Edition = FIRST) -> Place:
    """Return where a plugin is; nothing is imported. ``edition`` says which code of a folder.

    Raises:
        PluginNotFoundError, PluginValidationError, PluginConflictError: as ``Loader.load``.
    """
    if isinstance(source, tuple):
        if config is not None or len(source) != 2:
            raise PluginValidationError("a plugin in a tuple stands there with its configuration: (plugin, config)")
        source, config = source
    if isinstance(source, Plugin):
        if config is not None:
            raise PluginValidationError(f"{type(source).__name__} is an instance, which has its configuration")
        return _of_class(type(source), getattr(source, "config", None), getattr(source, "metadata", None))
    if isinstance(source, type):
        return _of_class(source, config, getattr(source, "metadata", None))
    if isinstance(source, os.PathLike) or (isinstance(source, str) and ("/" in source or os.sep in source)):
        bundle, manifest = await read_folder(Path(source), edition)
        folder = bundle.folder
        return Place(
            entry=manifest.entry,
            trust=TrustLevel.UNSIGNED,
            origin=str(folder),
            folder=folder,
            bundle=bundle,
            config=config,
            metadata=manifest.metadata,
            is_written=True,
            source=folder,
        )
    if isinstance(source, str):
        return await anyio.to_thread.run_sync(partial(_installed, source, config))
    raise PluginValidationError(
        f"{type(source).__name__} is no plugin: give an instance or class, 'module:Class', a folder, or the id of "
        "an installed one"
    )


def _installed(source: str, config: Any) -> Place:
    """Return the place of a plugin that is a module, by ``module:Class`` or by its id."""
    if ":" in source:
        entry, expected, manifest = source, None, _manifest_beside(source)
    else:
        (entry, _), expected, manifest = entry_of(source), source, manifest_of(source)
    if manifest is not None and expected not in (None, manifest.metadata.id):
        raise PluginValidationError(f"{manifest.where} is of {manifest.metadata.id!r}, not of {expected!r}", expected)
    return Place(
        entry=entry,
        trust=_trust_of(entry),
        origin=entry,
        config=config,
        metadata=None if manifest is None else manifest.metadata,
        is_written=manifest is not None,
        expected=expected,
        source=source,
    )


def _manifest_beside(entry: str) -> Manifest | None:
    """Return the manifest in the package of a module, or in one around it, if it is of this plugin."""
    package = entry.partition(":")[0]
    while package:
        try:
            manifest = read_packaged_manifest(package)
        except PluginLoadError:  # none there
            package = package.rpartition(".")[0]
            continue
        return manifest if manifest.entry == entry else None
    return None


def _of_class(cls: type[Any], config: Any, metadata: Any) -> Place:
    entry = f"{cls.__module__}:{cls.__qualname__}"
    main, obstacle = None, None
    name = plugin_name(cls)
    if "<locals>" in cls.__qualname__:
        obstacle = PluginLoadError(
            f"plugin {name!r} is made within a function, where no other process can find it: move {cls.__name__} to "
            "the top of a module, or run it inline",
            name,
        )
    elif cls.__module__ == "__main__":
        main = getattr(sys.modules["__main__"], "__file__", None)
        if main is None:
            obstacle = PluginLoadError(
                f"plugin {name!r} was typed into an interpreter, where no other process can find it: put it in a file",
                name,
            )
    trust = TrustLevel.OFFICIAL if _trust_of(entry) is TrustLevel.OFFICIAL else TrustLevel.OWN
    return Place(
        entry=entry,
        trust=trust,
        origin=entry,
        main=main,
        config=config,
        metadata=metadata if isinstance(metadata, PluginMetadata) else None,
        obstacle=obstacle,
        source=cls,
    )


def _trust_of(entry: str) -> TrustLevel:
    top = entry.partition(":")[0].partition(".")[0]
    return TrustLevel.OFFICIAL if top == OFFICIAL_PACKAGE else TrustLevel.UNSIGNED
