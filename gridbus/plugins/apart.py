"""Plugins that get a process of their own: found without importing them, and loaded there."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import attrs

from gridbus.errors import PluginConflictError, PluginLoadError, PluginPermissionError, PluginValidationError
from gridbus.manifest import Isolation, Permission, PermissionKind, PluginMetadata, ResourceLimits
from gridbus.manifest.limits import changed_limits
from gridbus.plugins.config import plugin_name
from gridbus.plugins.discovery import entry_of
from gridbus.plugins.hosting import HostRequest, PluginHost
from gridbus.plugins.importing import nothing
from gridbus.plugins.loader import PluginSource, check_core, read_folder
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.record import Record
from gridbus.plugins.trust import OFFICIAL_PACKAGE, Candidate, TrustLevel

Granting = Callable[[PluginMetadata], Awaitable[tuple[Permission, ...]]]

OF_THE_SANDBOX = frozenset({PermissionKind.FS_READ, PermissionKind.FS_WRITE, PermissionKind.THREADS})
"""Permissions that a process gets when it starts, and not later."""


@attrs.frozen(kw_only=True)
class Place:
    """Where a plugin's code is, and what is known of it without importing that."""

    entry: str  #: ``module:Class``
    trust: TrustLevel
    origin: str
    folder: Path | None = None
    main: str | None = None
    config: Any = None
    metadata: PluginMetadata | None = None
    again: tuple[Any, Any]

    @property
    def candidate(self) -> Candidate:
        """The plugin, for whoever says where it runs."""
        return Candidate(self.trust, self.metadata)


async def find(source: PluginSource, config: Any = None) -> Place:
    """Return where a plugin is; nothing is imported.

    Raises:
        PluginNotFoundError, PluginValidationError, PluginConflictError: as ``Loader.load``.
    """
    if isinstance(source, tuple):
        if config is not None or len(source) != 2:
            raise PluginValidationError("a plugin in a tuple stands there with its configuration: (plugin, config)")
        source, config = source
    if isinstance(source, Plugin):
        own = getattr(source, "config", None)
        return _of_class(type(source), own if config is None else config, getattr(source, "metadata", None))
    if isinstance(source, type):
        return _of_class(source, config, getattr(source, "metadata", None))
    if isinstance(source, os.PathLike) or (isinstance(source, str) and ("/" in source or os.sep in source)):
        folder, manifest = await anyio.to_thread.run_sync(read_folder, Path(source))
        return Place(
            entry=manifest.entry,
            trust=TrustLevel.UNSIGNED,
            origin=str(folder),
            folder=folder,
            config=config,
            metadata=manifest.metadata,
            again=(folder, config),
        )
    if isinstance(source, str):
        entry = source if ":" in source else (await anyio.to_thread.run_sync(entry_of, source))[0]
        return Place(entry=entry, trust=_trust_of(entry), origin=entry, config=config, again=(source, config))
    raise PluginValidationError(
        f"{type(source).__name__} is no plugin: give an instance or class, 'module:Class', a folder, or the id of "
        "an installed one"
    )


def may_be_apart(source: PluginSource) -> bool:
    """Tell whether a plugin's metadata, which is known without importing, may ask for a process."""
    if isinstance(source, tuple) and source:
        source = source[0]
    metadata = getattr(source, "metadata", None)
    if isinstance(metadata, PluginMetadata):
        return metadata.isolation is Isolation.PROCESS
    return isinstance(source, os.PathLike) or (isinstance(source, str) and ("/" in source or os.sep in source))


class Apart:
    """Loads plugins into processes of their own."""

    def __init__(self, host: PluginHost | None, grant: Granting) -> None:
        self._host, self._grant = host, grant

    async def load(
        self, place: Place, *, limits: ResourceLimits | Mapping[str, Any] | None, site: Path | None
    ) -> Record:
        """Return the record of a plugin that a process has loaded.

        Raises:
            PluginLoadError: there is no host for it, or its code cannot be imported there.
            PluginPermissionError: it was granted to start programs.
            PluginError: as ``PluginHost.load``.
        """
        name = place.metadata.id if place.metadata is not None else place.entry
        if self._host is None:
            raise PluginLoadError(
                f"plugin {name!r} is to run in a process of its own, and this manager has no host for that: give it "
                "one, PluginManager(bus, host=ProcessHost(bus))",
                name,
            )
        metadata = place.metadata
        is_known = metadata is not None
        if metadata is None:  # its code has to tell, in a sandbox that lets nothing through
            metadata = PluginMetadata(id="unknown", name=place.entry, version="0")
            hosted = await self._host.load(self._request(place, metadata, (), site, is_known=False))
            metadata = hosted.metadata
            if not any(permission.kind in OF_THE_SANDBOX for permission in metadata.permissions) and limits is None:
                return self._record(hosted, place)
            hosted.release()
        if limits is not None:
            metadata = limited(metadata, limits)
        check_core(metadata)
        granted = await self._grant(metadata)
        refuse_exec(metadata, granted)
        kept = tuple(permission for permission in granted if permission.kind in OF_THE_SANDBOX)
        hosted = await self._host.load(self._request(place, metadata, kept, site, is_known=is_known))
        if limits is not None:
            hosted.metadata = limited(hosted.metadata, limits)
        return self._record(hosted, place)

    def _request(
        self,
        place: Place,
        metadata: PluginMetadata,
        granted: tuple[Permission, ...],
        site: Path | None,
        *,
        is_known: bool,
    ) -> HostRequest:
        return HostRequest(
            entry=place.entry,
            folder=place.folder,
            main=place.main,
            site=site,
            config=_plain(place.config),
            metadata=metadata,
            is_known=is_known,
            granted=granted,
            trusted=place.trust.is_trusted,
        )

    def _record(self, hosted: Any, place: Place) -> Record:
        return Record(hosted, hosted.metadata, origin=place.origin, again=place.again, unload=nothing, hosted=hosted)


def limited(metadata: PluginMetadata, limits: ResourceLimits | Mapping[str, Any]) -> PluginMetadata:
    """Return metadata with other limits, or some other ones."""
    if not isinstance(limits, ResourceLimits):
        limits = changed_limits(metadata.limits, limits)
    return attrs.evolve(metadata, limits=limits)


def refuse_exec(metadata: PluginMetadata, granted: tuple[Permission, ...]) -> None:
    """Refuse a plugin in a process of its own that was granted to start programs: a program has no sandbox's word.

    Raises:
        PluginPermissionError: it was.
    """
    for permission in granted:
        if permission.kind is PermissionKind.EXEC:
            raise PluginPermissionError(
                f"plugin {metadata.id!r} was granted {str(permission)!r}, which no plugin in a process of its own may "
                "have: take it out of its grants, or run it inline where you trust it",
                metadata.id,
                permission=permission,
            )


def _of_class(cls: type[Any], config: Any, metadata: Any) -> Place:
    name = plugin_name(cls)
    if not isinstance(metadata, PluginMetadata):
        raise PluginValidationError(f"{cls.__qualname__} has no metadata: write metadata = PluginMetadata(...) in it")
    if "<locals>" in cls.__qualname__:
        raise PluginLoadError(
            f"plugin {name!r} is made within a function, where no other process can find it: move {cls.__name__} to "
            "the top of a module, or run it inline",
            name,
        )
    main = None
    if cls.__module__ == "__main__":
        main = getattr(sys.modules["__main__"], "__file__", None)
        if main is None:
            raise PluginConflictError(
                f"plugin {name!r} was typed into an interpreter, where no other process can find it: put it in a file",
                name,
            )
    entry = f"{cls.__module__}:{cls.__qualname__}"
    trust = TrustLevel.OFFICIAL if _trust_of(entry) is TrustLevel.OFFICIAL else TrustLevel.OWN
    return Place(
        entry=entry, trust=trust, origin=entry, main=main, config=config, metadata=metadata, again=(cls, config)
    )


def _trust_of(entry: str) -> TrustLevel:
    return TrustLevel.OFFICIAL if entry.partition(".")[0] == OFFICIAL_PACKAGE else TrustLevel.UNSIGNED


def _plain(config: Any) -> Any:
    if config is None:
        return None
    from gridbus.codec import unstructure  # only where something crosses

    return unstructure(config)
