"""The host of plugins that run in processes of their own, made when the first of them comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridbus.bus import Bus
from gridbus.plugins import Hosted, HostRequest

if TYPE_CHECKING:
    from gridbus.hosting import ProcessHost


class LazyHost:
    """Brings in what processes need where a plugin needs one: most applications have none."""

    def __init__(self, bus: Bus, *, require_sandbox: bool) -> None:
        self._bus, self._require = bus, require_sandbox
        self._host: ProcessHost | None = None

    async def load(self, request: HostRequest) -> Hosted:
        """Load a plugin into a process; as ``ProcessHost.load``."""
        if self._host is None:
            from gridbus.hosting import ProcessHost

            self._host = ProcessHost(self._bus, require_sandbox=self._require)
        return await self._host.load(request)

    async def aclose(self) -> None:
        """End all processes."""
        if self._host is not None:
            await self._host.aclose()
