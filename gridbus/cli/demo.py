"""The demo: the packages installed here, in a grid, with plugins that hear of each change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from anyio import to_thread

from gridbus.app import App
from gridbus.cli.demo_data import COLUMNS, installed_packages
from gridbus.cli.demo_plugins import LICENCE_FINDING, Finding, LicenceReviewer, SizeReporter
from gridbus.cli.running import Course, summarize
from gridbus.cli.summary import Summary
from gridbus.config import GridConfig
from gridbus.errors import Vetoed
from gridbus.grid import Grid
from gridbus.plugins import PluginSource
from gridbus.query import SortKey, parse_filter
from official_plugins.audit_log import AuditLog
from official_plugins.export import EXPORT, Export, ExportRequest

OUT = Path("demo-out")
_SHOWN = 3  # findings, rows

Say = Callable[[str], object]


async def run_demo(say: Say) -> Summary:
    """Run the demo, say in plain words what happens, and return its figures."""
    course = Course()
    await to_thread.run_sync(_begin_afresh)
    plugins: list[PluginSource] = [
        AuditLog(destination=OUT / "audit.jsonl", events=("data:load", "row:*"), pii={"mask": ["email"]}),
        Export(directory=OUT),
        SizeReporter(),
        LicenceReviewer(),
    ]
    findings: list[Finding] = []
    grid = GridConfig(name="packages", columns=COLUMNS)
    app = App(name="demo", grid=grid, plugins=plugins, strict=True, trace=course.count)
    say("gridbus demo: the packages installed here, in a grid, with plugins that hear of each change")
    async with app:
        app.bus.on(LICENCE_FINDING, lambda event: findings.append(event.payload), name="demo")
        await _show(app, say, findings)
        await app.bus.drain()
        summary = await summarize(app, course)
    _tell_audit(say)
    return summary


async def _show(app: App, say: Say, findings: list[Finding]) -> None:
    grid = app.grid
    say(f"\n1. Plugins started: {', '.join(app.plugins)}. The audit log is to hide e-mail addresses.")

    rows = await to_thread.run_sync(lambda: list(installed_packages()))
    await grid.load(None, rows, source="this environment")
    await app.bus.drain()
    files, size = (sum(row[key] for row in rows) for key in ("files", "bytes"))
    say(f"\n2. Loaded {len(rows)} packages with {files:,} files and {size / 1e6:,.1f} MB: one event, data:load.")

    say("\n3. The licence reviewer heard of it, and asked the size reporter over a channel about the commonest ones:")
    _tell_findings(say, findings)

    say("\n4. A package is created, and the two are at work again:")
    new = {"name": "left-pad", "version": "1.3.0", "email": "ada@example.org", "files": 1, "bytes": 1043}
    row = await grid.create(new)
    await app.bus.drain()
    _tell_findings(say, findings)

    await grid.update(row.id, {"licence": "WTFPL"})
    say("\n5. It is updated with a licence; row:update carries the old and the new value.")
    try:
        await grid.update(row.id, {"licence": None})
    except Vetoed as veto:
        say(f"   To take the licence away is refused: {veto}.")
    await grid.delete(row.id)
    say("   It is deleted again.")

    await _export_view(grid, say)


async def _export_view(grid: Grid, say: Say) -> None:
    visible = await grid.filter(parse_filter({"column": "bytes", "gt": 500_000}))
    await grid.sort(SortKey("bytes", desc=True), "name")
    say(f"\n6. Filtered to packages above 500 kB, {visible} of {len(grid)}, and sorted by size:")
    for row in (await grid.view()).rows[:_SHOWN]:
        size = f"{row['files']:,} files, {row['bytes']:,} bytes"
        say(f"     {row['name']} {row['version']}: {size}, {row['licence'] or 'no licence'}")
    file = await grid.ask(EXPORT, ExportRequest(format="csv", path="packages.csv"), timeout=None)
    say(f"\n7. Exported that view: {file.rows} rows, {file.bytes:,} bytes in {_shown_path(file.path)}.")


def _tell_findings(say: Say, findings: list[Finding]) -> None:
    for finding in findings:
        say(f"     {finding.text}")
    findings.clear()


def _tell_audit(say: Say) -> None:
    path = OUT / "audit.jsonl"
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    created = next(entry for entry in entries if entry["topic"] == "row:create")
    say(f"\n8. The audit log wrote {len(entries)} lines to {path}. The creation, without the address:")
    say(f"     {created['time']} {created['topic']} by {created['source']}: {json.dumps(created['payload']['values'])}")


def _begin_afresh() -> None:
    OUT.mkdir(exist_ok=True)
    (OUT / "audit.jsonl").unlink(missing_ok=True)


def _shown_path(path: str) -> str:
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
