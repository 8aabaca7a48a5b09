"""Two plugins of the demo's own: one reviews licences, and asks the other how large a package is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from gridbus.bus import Draft
from gridbus.channels import Channel
from gridbus.channels.grid import GridQuery, RowScope
from gridbus.errors import Veto
from gridbus.events import Event, Topic
from gridbus.events.grid import DATA_LOAD, ROW_CREATE, ROW_UPDATE, DataLoaded, RowCreated, RowUpdated
from gridbus.manifest import PluginMetadata
from gridbus.plugins import Plugin, intercepts, on, serves


@attrs.frozen
class SizeOf:
    """Asks how large a package is among the others."""

    name: str


@attrs.frozen
class SizeReport:
    """How large a package is among the others."""

    bytes: int
    rank: int  #: 1 is the largest
    packages: int


SIZE_OF: Channel[SizeOf, SizeReport] = Channel("size-reporter:size-of", SizeOf, SizeReport)


@attrs.frozen
class Finding:
    """What the reviewer has to say about a package."""

    package: str
    text: str


LICENCE_FINDING: Topic[Finding] = Topic("licence-reviewer:finding", Finding)


class SizeReporter(Plugin):
    """Tells how large a package is, from the grid as it is when somebody asks."""

    metadata = PluginMetadata(id="size-reporter", name="Size reporter", version="1.0.0", permissions=("grid.read",))

    @serves(SIZE_OF)
    async def size_of(self, message: SizeOf) -> SizeReport:
        """Tell size and rank."""
        sizes: dict[Any, int] = {}
        query = GridQuery(scope=RowScope.ALL, columns=("name", "bytes"))
        async with self.ctx.grid.stream(query) as pages:
            async for page in pages:
                sizes.update((name, size) for name, size in page.rows if isinstance(size, int))
        size = sizes.get(message.name, 0)
        return SizeReport(size, 1 + sum(other > size for other in sizes.values()), len(sizes))


class LicenceReviewer(Plugin):
    """Finds packages that state no licence, and lets nobody take one away."""

    metadata = PluginMetadata(
        id="licence-reviewer",
        name="Licence reviewer",
        version="1.0.0",
        dependencies=("size-reporter>=1.0",),
        permissions=("grid.read", "ask:size-reporter:*"),
    )

    @on(DATA_LOAD)
    async def review_all(self, event: Event[DataLoaded]) -> None:
        """Look at each package that was loaded."""
        query = GridQuery(scope=RowScope.ALL, columns=("name", "licence"))
        async with self.ctx.grid.stream(query) as pages:
            async for page in pages:
                for name, licence in page.rows:
                    await self._review(str(name), licence)

    @on(ROW_CREATE)
    async def review_new(self, event: Event[RowCreated]) -> None:
        """Look at a package that is new."""
        await self._review(str(event.payload.values["name"]), event.payload.values["licence"])

    @intercepts(ROW_UPDATE)
    def keep_licence(self, draft: Draft[RowUpdated]) -> None:
        """Refuse to take a licence away."""
        if _is_taken(draft.payload.old, draft.payload.new):
            raise Veto("a licence that was stated stays stated")

    async def _review(self, name: str, licence: object) -> None:
        if licence is not None:
            return
        report = await self.ctx.ask(SIZE_OF, SizeOf(name))
        place = f"by size it is number {report.rank} of {report.packages}, with {report.bytes:,} bytes"
        await self.ctx.publish(LICENCE_FINDING, Finding(name, f"states no licence; {place}"))


def _is_taken(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "licence" in new and new["licence"] is None and old.get("licence") is not None
