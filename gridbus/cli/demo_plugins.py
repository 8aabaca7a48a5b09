"""Two plugins of the demo's own: one reviews licences, and asks the other how much there is under each."""

from __future__ import annotations

from collections import Counter
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

MOST_COMMON = 3  #: licences that the reviewer tells of


@attrs.frozen
class SizeOf:
    """Asks how much there is under a licence."""

    licence: str | None  #: None: under none that is stated


@attrs.frozen
class SizeReport:
    """How much there is under a licence."""

    packages: int
    bytes: int
    share: float  #: of the bytes of all packages, from 0 to 1


SIZE_OF: Channel[SizeOf, SizeReport] = Channel("size-reporter:size-of", SizeOf, SizeReport)


@attrs.frozen
class Finding:
    """What the reviewer has to say."""

    text: str


LICENCE_FINDING: Topic[Finding] = Topic("licence-reviewer:finding", Finding)


class SizeReporter(Plugin):
    """Tells how much there is under a licence, from the grid as it is when somebody asks."""

    metadata = PluginMetadata(id="size-reporter", name="Size reporter", version="1.0.0", permissions=("grid.read",))

    @serves(SIZE_OF)
    async def size_of(self, message: SizeOf) -> SizeReport:
        """Add up the packages."""
        packages = size = total = 0
        async with self.ctx.grid.stream(GridQuery(scope=RowScope.ALL, columns=("licence", "bytes"))) as pages:
            async for page in pages:
                for licence, count in page.rows:
                    count = count if isinstance(count, int) else 0
                    total += count
                    if licence == message.licence:
                        packages += 1
                        size += count
        return SizeReport(packages, size, size / total if total else 0.0)


class LicenceReviewer(Plugin):
    """Tells which licences there are, minds packages without one, and lets nobody take one away."""

    metadata = PluginMetadata(
        id="licence-reviewer",
        name="Licence reviewer",
        version="1.0.0",
        dependencies=("size-reporter>=1.0",),
        permissions=("grid.read", "ask:size-reporter:*"),
    )

    @on(DATA_LOAD)
    async def review_all(self, event: Event[DataLoaded]) -> None:
        """Tell of the most common licences."""
        counts: Counter[Any] = Counter()
        async with self.ctx.grid.stream(GridQuery(scope=RowScope.ALL, columns=("licence",))) as pages:
            async for page in pages:
                counts.update(licence for (licence,) in page.rows)
        for licence, _ in counts.most_common(MOST_COMMON):
            await self._tell(f"{licence or 'no licence stated'}:", licence)

    @on(ROW_CREATE)
    async def review_new(self, event: Event[RowCreated]) -> None:
        """Mind a new package without a licence."""
        values = event.payload.values
        if values["licence"] is None:
            await self._tell(f"{values['name']} states no licence, which makes", None)

    @intercepts(ROW_UPDATE)
    def keep_licence(self, draft: Draft[RowUpdated]) -> None:
        """Refuse to take a licence away."""
        if _is_taken(draft.payload.old, draft.payload.new):
            raise Veto("a licence that was stated stays stated")

    async def _tell(self, subject: str, licence: str | None) -> None:
        report = await self.ctx.ask(SIZE_OF, SizeOf(licence))
        noun = "package" if report.packages == 1 else "packages"
        size = f"{report.bytes:,} bytes, {report.share:.1%} of all"
        await self.ctx.publish(LICENCE_FINDING, Finding(f"{subject} {report.packages} {noun} with {size}"))


def _is_taken(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "licence" in new and new["licence"] is None and old.get("licence") is not None
