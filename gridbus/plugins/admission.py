"""Where a plugin is loaded: here, or in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridbus.manifest import Isolation, ResourceLimits
from gridbus.plugins.apart import Apart, find, limited, may_be_apart
from gridbus.plugins.loader import Loader, PluginSource
from gridbus.plugins.record import Record
from gridbus.plugins.trust import IsolationPolicy, by_manifest


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
    ) -> Record:
        """Return the record of a plugin; arguments and errors as ``PluginManager.register``."""
        place = None
        if isolation is None and (self._policy is not by_manifest or may_be_apart(source)):
            place = await find(source, config)
            isolation = self._policy(place.candidate)
        if isolation is not None and Isolation(isolation) is Isolation.PROCESS:
            place = place or await find(source, config)
            record = await self._apart.load(place, limits=limits, site=None if site is None else Path(site))
        else:
            record = await self._loader.load(source, config)
            if limits is not None:
                record.metadata = limited(record.metadata, limits)
        record.again = (*record.again, {"isolation": isolation, "limits": limits, "site": site})
        return record
