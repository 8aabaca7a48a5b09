"""The audit log gets another configuration while events flow."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from gridbus import App
from gridbus.events import PLUGIN_RELOADED
from gridbus.testing import Recorder
from official_plugins import AuditLog
from official_plugins.audit_log.file import LineFile


async def test_each_change_is_in_the_audit_log_once_through_reconfigurations(tmp_path: Path) -> None:
    """In order, whichever generation wrote it."""
    path = tmp_path / "audit.jsonl"
    created = 0
    is_over = False
    async with App(plugins=[AuditLog(destination=str(path), events=["row:create"])]) as app:

        async def create() -> None:
            nonlocal created
            while not is_over:
                created += 1
                await app.grid.create({"name": f"row {created}"})
                await checkpoint()

        with Recorder(app.bus) as recorder:
            async with anyio.create_task_group() as group:
                group.start_soon(create)
                for turn in range(5):
                    mask = {"mask": ["email"]} if turn % 2 else {}
                    config = {"destination": str(path), "events": ["row:create"], "pii": mask}
                    await app.manager.configure_plugin("audit-log", config)
                is_over = True
        assert [fact.generation for fact in recorder.payloads(PLUGIN_RELOADED)] == [2, 3, 4, 5, 6]
    lines = [json.loads(line) for line in (await anyio.Path(path).read_text()).splitlines()]
    names = [line["payload"]["values"]["name"] for line in lines]
    assert names == [f"row {number}" for number in range(1, created + 1)]


async def test_what_cannot_be_written_is_written_where_the_next_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is mended by another destination, and no entry is lost."""
    full, other = tmp_path / "full.jsonl", tmp_path / "other.jsonl"
    append = LineFile.append

    def fail_where_full(file: LineFile, lines: list[bytes]) -> None:
        if file.path == full:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(file, lines)

    monkeypatch.setattr(LineFile, "append", fail_where_full)
    async with App(plugins=[AuditLog(destination=str(full), events=["row:create"])]) as app:
        for number in range(3):
            await app.grid.create({"name": f"row {number}"})
        await app.manager.configure_plugin("audit-log", {"destination": str(other), "events": ["row:create"]})
        await app.grid.create({"name": "row 3"})
    lines = [json.loads(line) for line in (await anyio.Path(other).read_text()).splitlines()]
    assert [line["payload"]["values"]["name"] for line in lines] == [f"row {number}" for number in range(4)]
