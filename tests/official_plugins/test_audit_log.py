"""The audit log: each event once, in order, without personal data, also when the disk fails."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus import (
    App,
    Event,
    HealthStatus,
    Permission,
    PluginError,
    PluginValidationError,
    Topic,
    open_grid,
    parse_filter,
)
from gridbus.config import GridConfig
from gridbus.events import Origin
from gridbus.events.grid import Column
from gridbus.manifest import read_manifest
from official_plugins import AuditLog
from official_plugins.audit_log import AuditLogConfig
from official_plugins.audit_log.entry import encode_entry
from official_plugins.audit_log.file import LineFile
from official_plugins.audit_log.masking import Masker
from official_plugins.audit_log.writer import EntryWriter

NUMBER = Topic("test:number", int)


def entries(path: Path) -> list[dict[str, Any]]:
    """Read what was written."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def number(seq: int) -> Event[int]:
    """An event."""
    return Event(NUMBER, seq, seq, 1_700_000_000_123_456_789, Origin("bus", "app"))


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - figures are plain numbers, which nobody can wait for
            await anyio.sleep(0.001)


async def test_each_change_is_a_line_and_each_address_is_gone(tmp_path: Path) -> None:
    """In values, in what changed, in refused values and their reasons, and in filters."""
    path = tmp_path / "audit.jsonl"
    log = AuditLog(destination=path, events=["row:*", "filter:apply"], pii={"mask": ["email"]})
    async with open_grid(columns=["name", "email", Column("age", "int")], plugins=[log]) as grid:  # type: ignore[arg-type]
        row = await grid.create({"name": "Ada", "email": "ada@example.org"})
        await grid.update(row.id, {"email": "countess@example.org"})
        with pytest.raises(ValueError, match="expected"):
            await grid.create({"email": "eve@example.org", "age": "eve@example.org"})
        await grid.filter(parse_filter({"column": "email", "eq": "ada@example.org"}))
        await grid.delete(row.id)
    text = path.read_text(encoding="utf-8")
    assert "example.org" not in text
    found = entries(path)
    assert [entry["topic"] for entry in found] == [
        "row:create",
        "row:update",
        "row:reject",
        "filter:apply",
        "row:delete",
    ]
    assert [entry["seq"] for entry in found] == sorted(entry["seq"] for entry in found)
    assert found[0]["payload"] == {"id": "1", "values": {"name": "Ada", "email": "***", "age": None}}
    assert found[1]["payload"] == {"id": "1", "old": {"email": "***"}, "new": {"email": "***"}}
    assert found[3]["payload"]["new"] == {"column": "email", "eq": "***"}
    assert list(found[0]) == ["time", "seq", "id", "topic", "source", "correlation", "causation", "payload"]


async def test_by_default_it_hears_of_rows_and_loads(tmp_path: Path) -> None:
    """And of nothing else; an event that two patterns match is written once."""
    path = tmp_path / "audit.jsonl"
    async with open_grid(rows=[{"a": 1}], plugins=[AuditLog(destination=path)]) as grid:
        await grid.create({"a": 2})
        await grid.sort("a")
        await grid.select("1")
    assert [entry["topic"] for entry in entries(path)] == ["data:load", "row:create", "row:select"]
    async with open_grid(plugins=[AuditLog(destination=path, events=["row:*", "*:create", "row:create"])]) as grid:
        await grid.create({"a": 2})
    assert [entry["topic"] for entry in entries(path)] == ["data:load", "row:create", "row:select", "row:create"]


async def test_entries_tell_who_and_what_led_to_what(tmp_path: Path) -> None:
    """Source, cause and chain are those of the event."""
    path = tmp_path / "audit.jsonl"
    async with App(
        grid=GridConfig(columns=(Column("a"),)), plugins=[AuditLog(destination=path, events=["row:create"])]
    ) as app:
        await app.grid.create({"a": "x"}, source="importer")
    [entry] = entries(path)
    assert entry["source"] == "importer"
    assert entry["correlation"] == entry["id"]
    assert entry["causation"] is None
    assert entry["time"].endswith("+00:00")


async def test_many_events_are_all_there_in_order(tmp_path: Path) -> None:
    """However many are written at once."""
    path = tmp_path / "audit.jsonl"
    async with open_grid(
        columns=["a"], plugins=[AuditLog(destination=path, events=["row:create"], max_waiting=50)]
    ) as grid:
        for index in range(3_000):
            await grid.create({"a": str(index)})
    assert [entry["payload"]["values"]["a"] for entry in entries(path)] == [str(index) for index in range(3_000)]


async def test_health_tells_what_was_written(tmp_path: Path) -> None:
    """And where."""
    path = tmp_path / "audit.jsonl"
    async with App(rows=[{"a": 1}], plugins=[AuditLog(destination=path)]) as app:
        await app.bus.drain()
        with anyio.fail_after(5):
            while (health := await app.manager.check_plugin_health("audit-log")).details["written"] < 1:  # noqa: ASYNC110
                await anyio.sleep(0.001)
    assert (health.status, health.message) == (HealthStatus.HEALTHY, "1 entries written")
    assert health.details["destination"] == str(path)


async def test_a_destination_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    """It names the file and what to do."""
    with pytest.raises(PluginError, match=r"cannot be opened: Is a directory; choose another destination"):
        async with open_grid(plugins=[AuditLog(destination=tmp_path)]):
            pytest.fail("the block must not run")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"events": ["rows"]}, r"'rows' is no topic and no pattern.* @ \$\.events\[0\]"),
        ({"events": []}, r"name at least one topic.* @ \$\.events"),
        ({"events": "row:*"}, r"expected list.* @ \$\.events"),
        ({"pii": {"mask": ["a..b"]}}, r"a mask is a key.* @ \$\.pii\.mask\[0\]"),
        ({"max_waiting": 0}, r"at least 1 is needed, not 0 @ \$\.max_waiting"),
        ({"retry_seconds": 0}, r"above 0 is needed, not 0 @ \$\.retry_seconds"),
        ({"destination": ""}, r"a file is needed @ \$\.destination"),
        ({"destinatoin": "x"}, r'unknown key "destinatoin", did you mean "destination"\? @ \$\.destinatoin'),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(values: dict[str, Any], problem: str) -> None:
    """Before the plugin exists."""
    with pytest.raises(PluginValidationError, match=problem):
        AuditLog(values)


def test_a_payload_that_is_no_json_leaves_its_entry() -> None:
    """With the type and the reason in its place."""

    @attrs.frozen
    class Odd:
        thing: object

    event: Event[Any] = Event(Topic("test:odd"), Odd(object()), 7, 0, Origin("bus", "app"))
    entry = json.loads(encode_entry(event, Masker([])))
    assert (entry["seq"], entry["payload"]) == (7, None)
    assert entry["unwritable"].endswith("Odd: values of type object cannot be written as plain data @ $.thing")


class FailingFile(LineFile):
    """A file on a disk that is full as long as the test says so."""

    is_full = False

    def append(self, lines: Any) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(lines)


def writer(file: LineFile, **options: Any) -> EntryWriter:
    """A writer that hurries."""
    values = {"max_waiting": 3, "retry_seconds": 0.001} | options
    return EntryWriter(file, lambda event: b'{"seq":%d}\n' % event.seq, logging.getLogger("test"), **values)


async def test_while_the_disk_is_full_entries_wait_and_the_rest_is_counted(tmp_path: Path) -> None:
    """When it is not any more, all that waited is written, and a line says what is missing."""
    file = FailingFile(tmp_path / "audit.jsonl", fsync=False)
    file.is_full = True
    log = writer(file)
    async with anyio.create_task_group() as group:
        group.start_soon(log.run)
        await log.add(number(1))
        await until(lambda: log.figures.failures > 0)
        assert log.figures.last_error == f"{file.path} cannot be written: No space left on device"
        for seq in range(2, 8):
            await log.add(number(seq))
        assert log.figures.lost == 4
        file.is_full = False
        await until(lambda: log.waiting == 0)
        await log.add(number(8))
        await until(lambda: log.waiting == 0)
        group.cancel_scope.cancel()
    assert await log.finish() == 0
    found = entries(file.path)
    assert [entry["seq"] for entry in found if "seq" in entry] == [1, 2, 3, 8]
    gaps = [entry for entry in found if entry.get("topic") == "audit-log:gap"]
    assert sum(gap["lost"] for gap in gaps) == 4
    assert (gaps[0]["first_seq"], gaps[-1]["last_seq"]) == (4, 7)
    assert found.index(gaps[0]) == 3
    assert (log.figures.written, log.figures.last_error) == (4, None)


async def test_a_slow_disk_makes_events_wait_and_loses_none(tmp_path: Path) -> None:
    """Who adds one too many waits for room."""
    file = FailingFile(tmp_path / "audit.jsonl", fsync=False)
    log = writer(file)
    async with anyio.create_task_group() as group:
        for seq in range(1, 4):
            await log.add(number(seq))
        with anyio.move_on_after(0.01) as scope:
            await log.add(number(4))
        assert scope.cancelled_caught
        group.start_soon(log.run)
        await log.add(number(5))
        group.cancel_scope.cancel()
    assert await log.finish() == 0
    assert [entry["seq"] for entry in entries(file.path)] == [1, 2, 3, 5]
    assert log.figures.lost == 0


async def test_what_cannot_be_written_at_the_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin's end fails with the number of entries, and its health was an error."""
    path = tmp_path / "audit.jsonl"
    app = App(rows=[{"a": 1}], plugins=[AuditLog(destination=path, retry_seconds=60)])

    def full(self: LineFile, lines: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(LineFile, "append", full)
    async with app:
        await app.bus.drain()
        with anyio.fail_after(5):
            while (health := await app.manager.check_plugin_health("audit-log")).status is not HealthStatus.ERROR:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        assert health.message == f"{path} cannot be written: No space left on device; 1 entries wait"
    [failure] = app.failures
    assert (failure.id, failure.stage) == ("audit-log", "destroy")
    assert failure.message.endswith("No space left on device: the log lacks its last 1 entries")


def test_the_manifest_says_what_the_class_says() -> None:
    """What people and tools read before the code runs."""
    folder = Path(__file__).parents[2] / "official_plugins" / "audit_log"
    assert read_manifest(folder).metadata == AuditLog.metadata
    assert Permission("subscribe", "*") in AuditLog.metadata.permissions
    assert AuditLog().config == AuditLogConfig()
