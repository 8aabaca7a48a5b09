"""Loading plugins into processes of their own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import anyio

from gridbus.errors import PluginError, PluginLoadError, PluginValidationError
from gridbus.manifest import Permission, PluginMetadata
from gridbus.plugins.hosting import OF_THE_SANDBOX, Hosted, HostRequest, PluginHost, refuse_exec
from gridbus.plugins.importing import nothing
from gridbus.plugins.loader import check_core
from gridbus.plugins.places import Place
from gridbus.plugins.record import Recipe, Record

Granting: TypeAlias = Callable[[PluginMetadata], Awaitable[tuple[Permission, ...]]]
Limiting: TypeAlias = Callable[[PluginMetadata], PluginMetadata]


class Apart:
    """Asks a host to load plugins."""

    def __init__(self, host: PluginHost | None, grant: Granting) -> None:
        """Prepare; ``grant`` tells what a plugin is granted, which its process has to know before it starts."""
        self._host, self._grant = host, grant

    async def load(self, place: Place, *, limit: Limiting, site: Path | None) -> Record:
        """Return the record of a plugin that a process has loaded.

        What a plugin is comes from its manifest, its class in the application, or else from a process in which
        nothing is granted, which is ended again. Its own process is held to that, whatever it says later.

        Raises:
            PluginLoadError: there is no host for it, or its code cannot be imported there.
            PluginValidationError: it is another than it was said to be.
            PluginPermissionError: it was granted to start programs.
            PluginError: as ``PluginHost.load``.
        """
        name = place.expected or (place.entry if place.metadata is None else place.metadata.id)
        host = self._host
        if host is None:
            raise PluginLoadError(
                f"plugin {name!r} is to run in a process of its own, and this manager has no host for that: give it "
                "one, PluginManager(bus, host=ProcessHost(bus))",
                name,
            )
        if place.obstacle is not None:
            raise place.obstacle
        if site is not None and not await anyio.Path(site).is_dir():
            raise PluginLoadError(f"plugin {name!r} is to have libraries from {site}, which is no folder", name)
        metadata = place.metadata or await self._told(host, place, limit, site)
        if place.expected not in (None, metadata.id):
            raise PluginValidationError(
                f"a package offers {place.expected!r}, but {place.entry} calls itself {metadata.id!r}", metadata.id
            )
        metadata = limit(metadata)
        check_core(metadata)
        granted = await self._grant(metadata)
        refuse_exec(metadata.id, granted)
        kept = tuple(permission for permission in granted if permission.kind in OF_THE_SANDBOX)
        hosted = await host.load(_request(place, metadata, site, granted=kept))
        _hold(hosted, metadata)
        return Record(
            hosted,
            metadata,
            origin=place.origin,
            recipe=Recipe(place.source, place.config, bundle=place.bundle),
            unload=nothing,
            hosted=hosted,
            is_bound=place.is_written,
        )

    async def _told(self, host: PluginHost, place: Place, limit: Limiting, site: Path | None) -> PluginMetadata:
        """Return what a plugin says of itself, in a process that may do nothing."""
        unknown = PluginMetadata(id=_stand_in_id(place), name=place.entry, version="0")
        try:
            hosted = await host.load(_request(place, limit(unknown), site, is_known=False))
        except PluginError as error:
            error.plugin_id = place.expected  # it has no other name yet
            raise
        try:
            return hosted.metadata
        finally:
            hosted.release()


def _request(
    place: Place,
    metadata: PluginMetadata,
    site: Path | None,
    *,
    granted: tuple[Permission, ...] = (),
    is_known: bool = True,
) -> HostRequest:
    return HostRequest(
        entry=place.entry,
        folder=place.folder,
        bundle=place.bundle,
        main=place.main,
        site=None if site is None else site.absolute(),
        config=plain_config(place.config, metadata.id),
        metadata=metadata,
        is_known=is_known,
        granted=granted,
        trusted=place.trust.is_trusted,
    )


def _hold(hosted: Hosted, metadata: PluginMetadata) -> None:
    """Hold a process to what is known of its plugin: what it says itself grants it nothing."""
    said = hosted.metadata
    if (said.id, said.version) != (metadata.id, metadata.version):
        hosted.release()
        raise PluginValidationError(
            f"plugin {metadata.id} {metadata.version} calls itself {said.id} {said.version} in its process", metadata.id
        )
    hosted.metadata = metadata


def plain_config(config: Any, plugin_id: str) -> Any:
    """Return a configuration as plain data.

    Raises:
        PluginValidationError: something in it has no plain form.
    """
    if config is None:
        return None
    from gridbus.codec import unstructure  # only where something crosses

    try:
        return unstructure(config)
    except TypeError as error:
        raise PluginValidationError(
            f"the configuration of plugin {plugin_id!r} cannot be handed to its process: {error}", plugin_id
        ) from None


def _stand_in_id(place: Place) -> str:
    """Return an id to call a plugin by until its own is known."""
    if place.expected is not None:
        return place.expected
    name = re.sub(r"[^a-z0-9]+", "-", place.entry.lower()).strip("-")
    return f"of-{name}"[:64].rstrip("-")
