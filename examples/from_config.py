"""An application that a file declares: grid, plugins, their configuration and what they may do."""

import asyncio
from pathlib import Path

import anyio

from gridbus import App, SortKey, parse_filter
from official_plugins.export import EXPORT, ExportRequest


async def main() -> None:
    """Start it, change a row, export some of them, and stop."""
    async with App.from_config(Path(__file__).with_name("gridbus.toml")) as app:
        print(f"{len(app.grid)} rows; plugins: {', '.join(app.plugins)}")
        await app.grid.update("alan@example.org", {"salary": 92_000})
        await app.grid.filter(parse_filter({"column": "born", "ge": "1900-01-01"}))
        await app.grid.sort(SortKey("salary", desc=True))
        file = await app.grid.ask(EXPORT, ExportRequest(format="csv", path="people.csv"))
        print(await anyio.Path(file.path).read_text(encoding="utf-8"))
        # A server would wait here: await app.run_until_signal()


asyncio.run(main())
