"""Two plugins that work together: one guards the grid and asks the other over a channel what is allowed."""

import asyncio

import attrs

from gridbus import Channel, Draft, Event, Plugin, PluginMetadata, Veto, Vetoed, intercepts, on, open_grid, serves
from gridbus.grid import ROW_REJECT, ROW_UPDATE, RowRejected, RowUpdated


@attrs.frozen
class LimitOf:
    """Asks how much a column may hold."""

    column: str


LIMIT: Channel[LimitOf, int] = Channel("limits:of", LimitOf, int)


@attrs.frozen
class LimitsConfig:
    """The highest value of each column."""

    highest: dict[str, int] = attrs.field(factory=dict)


class Limits(Plugin[LimitsConfig]):
    """Knows the limits."""

    metadata = PluginMetadata(id="limits", name="Limits", version="1.0.0")

    @serves(LIMIT)
    async def limit(self, message: LimitOf) -> int:
        """Tell the limit of a column."""
        return self.config.highest.get(message.column, 1_000_000)


class Guard(Plugin):
    """Refuses what is above the limits, and rounds what is not whole."""

    metadata = PluginMetadata(
        id="guard",
        name="Guard",
        version="1.0.0",
        dependencies=("limits>=1.0",),
        permissions=("intercept:row:update", "subscribe:row:reject", "ask:limits:of"),
    )

    @intercepts(ROW_UPDATE)
    async def check(self, draft: Draft[RowUpdated]) -> RowUpdated:
        """Look at a change before it is made."""
        new = dict(draft.payload.new)
        for column, value in new.items():
            if isinstance(value, float):
                new[column] = round(value)
            limit = await self.ctx.ask(LIMIT, LimitOf(column))
            if isinstance(value, int | float) and value > limit:
                raise Veto(f"{column} ends at {limit:,}")
        return attrs.evolve(draft.payload, new=new)

    @on(ROW_REJECT)
    async def tell(self, event: Event[RowRejected]) -> None:
        """Say what was refused."""
        print(f"refused by {event.payload.by}: {event.payload.reason}")


async def main() -> None:
    """Change a salary twice."""
    rows = [{"name": "Ada", "salary": 90_000.0}]
    async with open_grid(rows=rows, plugins=[Guard(), Limits(highest={"salary": 120_000})]) as grid:
        row = await grid.update("1", {"salary": 99_000.4})
        print(f"the salary is {row['salary']:,.0f}")
        try:
            await grid.update("1", {"salary": 500_000.0})
        except Vetoed as veto:
            print(veto)


asyncio.run(main())
