"""Where a plugin is loaded: here, or in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from gridbus.errors import PluginValidationError
from gridbus.manifest import Isolation, PluginMetadata, ResourceLimits
from gridbus.manifest.limits import changed_limits
from gridbus.plugins.apart import Apart, Limiting
from gridbus.plugins.loader import FIRST, Edition, Loader, PluginSource
from gridbus.plugins.places import Place, find
from gridbus.plugins.record import Record
from gridbus.plugins.trust import IsolationPolicy


class Admission:
    """Loads plugins where the operator says, else where a policy says."""

    def __init__(self, loader: Loader, apart: Apart, policy: IsolationPolicy) -> None:
        self._loader, self._apart, self._policy = loader, apart, policy

    async def load(
        self,
        source: PluginSource,
        config: Any = None,
        *,
        isolation: Isolation | str | None = None,
        limits: ResourceLimits | Mapping[str, Any] | None = None,
        site: Path | str | None = None,
        edition: Edition = FIRST,
    ) -> Record:
        """Return the record of a plugin; arguments and errors as ``PluginManager.register`` and ``Loader``."""
        where = None if isolation is None else _isolation(isolation)
        limit = _limiting(limits)
        place: Place | None = None
        record: Record | None = None
        if where is not Isolation.INLINE:
            place = await find(source, config, edition)
            where = where or _isolation(self._policy(place.candidate))
        if where is Isolation.INLINE:
            if place is not None and place.bundle is not None:
                edition = attrs.evolve(edition, bundle=place.bundle)  # it is not read twice
            record = await self._loader.load(source, config, edition=edition)
            if place is not None and place.metadata is None:  # now it is known, and so is what it asks for
                place = attrs.evolve(place, metadata=record.metadata)
                where = _isolation(self._policy(place.candidate))
        if where is Isolation.PROCESS and place is not None:
            if record is not None:
                record.release()
            record = await self._apart.load(place, limit=limit, site=None if site is None else Path(site))
        assert record is not None  # it runs in one place or in the other
        try:
            if where is Isolation.INLINE and site is not None:
                raise PluginValidationError(
                    f"plugin {record.id!r} runs inline, where it cannot have libraries of its own in {site}: give it "
                    'isolation="process"',
                    record.id,
                )
            record.metadata = limit(record.metadata)
        except BaseException:
            record.release()
            raise
        assert record.recipe is not None  # it was loaded just now
        options = {"isolation": where, "limits": limits, "site": site}
        record.recipe = attrs.evolve(record.recipe, options=options)
        return record


def _isolation(value: Isolation | str) -> Isolation:
    try:
        return Isolation(value)
    except ValueError:
        raise PluginValidationError(f"{value!r} is no isolation: choose from {', '.join(Isolation)}") from None


def _limiting(limits: ResourceLimits | Mapping[str, Any] | None) -> Limiting:
    """Return what applies an operator's limits to metadata: all of them, or some by name."""

    def limit(metadata: PluginMetadata) -> PluginMetadata:
        if limits is None:
            return metadata
        wanted = limits if isinstance(limits, ResourceLimits) else changed_limits(metadata.limits, limits)
        return attrs.evolve(metadata, limits=wanted)

    return limit
