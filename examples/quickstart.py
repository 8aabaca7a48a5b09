"""A grid with three plugins: what README.md begins with. Needs `pip install 'gridbus[export]'` for the xlsx file."""

import asyncio

from gridbus import open_grid
from official_plugins import Analytics, AuditLog, Export
from official_plugins.export import EXPORT, ExportRequest


async def main() -> None:
    """Create and update a row, and export both."""
    async with open_grid(
        rows=[{"name": "Ada", "email": "ada@example.org", "salary": 90_000}],
        plugins=[
            AuditLog(destination="audit.jsonl", events=["row:create", "row:update"], pii={"mask": ["email"]}),
            Analytics(provider="mixpanel", api_key="...", auto_track=True),
            Export(formats=["csv", "xlsx", "pdf", "json"]),
        ],
    ) as grid:
        row = await grid.create({"name": "Grace", "email": "grace@example.org", "salary": 95_000})
        await grid.update(row.id, {"salary": 99_000})
        file = await grid.ask(EXPORT, ExportRequest(format="xlsx", path="people.xlsx"))
        print(f"{file.rows} rows in {file.path}")


asyncio.run(main())
