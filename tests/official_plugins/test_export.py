"""Exports: whole files or none, of the rows as they were when the export began."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from gridbus import (
    App,
    Column,
    ColumnType,
    HealthStatus,
    PluginValidationError,
    RemoteError,
    ServerGone,
    SortKey,
    open_grid,
    parse_filter,
)
from gridbus.config import GridConfig
from gridbus.manifest import read_manifest
from gridbus.testing import Recorder
from official_plugins import Export
from official_plugins.export import (
    CANCEL_EXPORT,
    EXPORT,
    EXPORT_DONE,
    EXPORT_FAILED,
    EXPORT_PROGRESS,
    CancelExport,
    ExportError,
    ExportFormat,
    ExportProgress,
    ExportRequest,
)
from official_plugins.export.delimited import DelimitedSheet

ROWS = [{"name": f"n{number}", "size": number} for number in range(10)]


def files_in(folder: Path) -> list[str]:
    """The names of all files in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_the_view_is_exported_filtered_and_sorted_over_all_pages(tmp_path: Path) -> None:
    """Hidden columns are left out; the reply says what was written."""
    path = tmp_path / "deep" / "a.csv"
    async with App(rows=ROWS, plugins=[Export()]) as app:
        await app.grid.filter(parse_filter({"column": "size", "ge": 7}))
        await app.grid.sort(SortKey("size", desc=True))
        await app.grid.page(1, 2)
        await app.grid.update_column("name", hidden=True)
        with Recorder(app.bus) as events:
            result = await app.grid.ask(EXPORT, ExportRequest(format="csv", path=path, id="mine"))
    assert path.read_text(encoding="utf-8") == "size\n9\n8\n7\n"
    assert (result.path, result.format, result.rows, result.columns) == (str(path), ExportFormat.CSV, 3, ("size",))
    assert result.mime == "text/csv; charset=utf-8"
    assert (result.bytes, result.sha256) == (11, hashlib.sha256(path.read_bytes()).hexdigest())
    assert events.payloads(EXPORT_PROGRESS) == [ExportProgress("mine", str(path), 3, 3)]
    assert events.payloads(EXPORT_DONE) == [result]
    assert files_in(path.parent) == ["a.csv"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"scope": "all"}, [f"n{number}" for number in range(10)]),
        ({"scope": "page"}, ["n9", "n8"]),
        ({"scope": "selected"}, ["n3", "n1"]),
        ({}, ["n9", "n8", "n7"]),
    ],
)
async def test_the_rows_that_are_asked_for_are_exported(
    options: dict[str, Any], names: list[str], tmp_path: Path
) -> None:
    """All, a page, the selection or the view; columns in the order asked for."""
    path = tmp_path / "a.json"
    async with open_grid(rows=ROWS, plugins=[Export(chunk_rows=4)]) as grid:
        await grid.filter(parse_filter({"column": "size", "ge": 7}))
        await grid.sort(SortKey("size", desc=True))
        await grid.page(1, 2)
        await grid.select(["4", "2"])
        request = ExportRequest(format="json", path=path, columns=("size", "name"), **options)
        await grid.ask(EXPORT, request)
    objects = json.loads(path.read_text(encoding="utf-8"))
    assert [item["name"] for item in objects] == names
    assert list(objects[0]) == ["size", "name"]


async def test_a_large_export_is_of_one_moment(tmp_path: Path) -> None:
    """Rows that come and go meanwhile do not show."""
    path = tmp_path / "a.jsonl"
    async with App(rows=ROWS, plugins=[Export(chunk_rows=1)]) as app:
        grid = app.grid

        async def disturb(event: Any) -> None:
            if "1" in grid:
                await grid.delete("1")
                await grid.update("10", {"name": "changed"})
                await grid.create({"name": "late"})

        app.bus.on(EXPORT_PROGRESS, disturb)
        result = await grid.ask(EXPORT, ExportRequest(format="jsonl", path=path))
        await app.bus.drain()
        assert grid.get("10")["name"] == "changed"
    assert result.rows == 10
    assert [json.loads(line) for line in path.read_text().splitlines()] == ROWS


@pytest.mark.parametrize(
    ("request_values", "config", "type_name", "message"),
    [
        ({"format": "pdf"}, {}, "ExportError", "pdf cannot be made in this version"),
        (
            {"format": "json"},
            {"formats": ["csv"]},
            "ExportError",
            "json is not among the formats of this application: csv",
        ),
        ({"columns": ("nmae",)}, {}, "ExportError", "no column is named 'nmae'; did you mean 'name'?"),
        ({"delimiter": "::"}, {}, "ExportError", "a delimiter is one character"),
        ({"grid": "other"}, {}, "NoServer", "'other' does not serve"),
    ],
)
async def test_what_cannot_be_met_is_refused_and_nothing_is_left(
    request_values: dict[str, Any], config: dict[str, Any], type_name: str, message: str, tmp_path: Path
) -> None:
    """A file of that name stays as it was; export:failed tells."""
    path = tmp_path / "a"
    path.write_text("old")
    async with App(rows=ROWS, plugins=[Export(config)]) as app:
        with Recorder(app.bus) as events:
            with pytest.raises(RemoteError) as caught:
                await app.grid.ask(EXPORT, ExportRequest(**({"format": "csv", "path": path} | request_values)))
            await app.bus.drain()
    assert (caught.value.type_name, message in caught.value.message) == (type_name, True)
    [failed] = events.payloads(EXPORT_FAILED)
    assert (failed.error, failed.message) == (type_name, caught.value.message)
    assert path.read_text() == "old"
    assert files_in(tmp_path) == [path.name]


@pytest.mark.parametrize("path", ["../a.csv", "/etc/a.csv", "link/a.csv", "", ".", "sub/../../a.csv", "a\0b", "new/"])
async def test_no_path_leads_out_of_the_folder(path: str, tmp_path: Path) -> None:
    """Not by dots, not absolute, not through a link."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    async with open_grid(rows=ROWS, plugins=[Export(directory=folder)]) as grid:
        with pytest.raises(RemoteError, match=r"leads out of the folder|is no name of a file"):
            await grid.ask(EXPORT, ExportRequest(format="csv", path=path))
        result = await grid.ask(EXPORT, ExportRequest(format="csv", path="sub/../fine/a.csv"))
    assert result.path == str(folder / "fine" / "a.csv")
    assert files_in(tmp_path) == ["out"]


async def test_an_export_can_be_cancelled(tmp_path: Path) -> None:
    """Whoever asked is told, and nothing is left; one that does not run cannot be."""
    path = tmp_path / "a.csv"
    async with App(rows=ROWS, plugins=[Export(chunk_rows=1)]) as app:

        async def give_up(event: Any) -> None:
            if event.payload.rows == 2:
                cancelled.append(await app.bus.ask(CANCEL_EXPORT, CancelExport("mine")))

        cancelled: list[bool] = []
        app.bus.on(EXPORT_PROGRESS, give_up)
        with pytest.raises(RemoteError, match="the export 'mine' was cancelled"):
            await app.grid.ask(EXPORT, ExportRequest(format="csv", path=path, id="mine"))
        assert not await app.bus.ask(CANCEL_EXPORT, CancelExport("mine"))
    assert cancelled == [True]
    assert files_in(tmp_path) == []


class Impatient(Export):
    """Is given no time at its end."""

    metadata = attrs.evolve(Export.metadata, limits=attrs.evolve(Export.metadata.limits, destroy_timeout=0.01))


async def test_an_export_that_runs_when_the_plugin_goes_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given its time, then given up; whoever asked is told, and so is everybody else."""
    began = anyio.Event()
    errors: list[str] = []

    async def stall(self: Export, request: ExportRequest, target: Any) -> Any:
        target.part.write_text("half of it")
        began.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(Export, "_write", stall)
    async with App(rows=ROWS, plugins=[Impatient()]) as app, anyio.create_task_group() as group:

        async def ask() -> None:
            try:
                await app.grid.ask(EXPORT, ExportRequest(format="csv", path=tmp_path / "a.csv"))
            except ServerGone as error:
                errors.append(str(error))

        group.start_soon(ask)
        await began.wait()
        assert [name.endswith(".part") for name in files_in(tmp_path)] == [True]
        with Recorder(app.bus) as events:
            await app.manager.unregister_and_destroy("export")
        [failed] = events.payloads(EXPORT_FAILED)
    assert failed.error == "Cancelled"
    assert errors == ["'export' stopped serving export:run before it replied"]
    assert files_in(tmp_path) == []


async def test_two_exports_of_one_id_do_not_run_at_once(tmp_path: Path) -> None:
    """The second is refused, so that cancelling means one."""
    async with App(rows=ROWS, plugins=[Export(chunk_rows=1)]) as app:

        async def again(event: Any) -> None:
            if event.payload.rows == 1:
                with pytest.raises(RemoteError, match="an export with the id 'x' runs already"):
                    await app.grid.ask(EXPORT, ExportRequest(format="csv", path=tmp_path / "b.csv", id="x"))
                refused.append(True)

        refused: list[bool] = []
        app.bus.on(EXPORT_PROGRESS, again)
        await app.grid.ask(EXPORT, ExportRequest(format="csv", path=tmp_path / "a.csv", id="x"))
        await app.bus.drain()
    assert refused == [True]


async def test_health_minds_formats_that_are_configured_and_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default only what can be made is offered, which is healthy."""
    async with App(plugins=[Export()]) as app:
        assert (await app.manager.check_plugin_health("export")).status is HealthStatus.HEALTHY
    async with App(plugins=[Export(formats=["csv", "pdf"])]) as app:
        health = await app.manager.check_plugin_health("export")
    assert health.status is HealthStatus.WARNING
    assert health.message.startswith("pdf cannot be made in this version")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"formats": ["doc"]}, r'expected one of "csv".*got str "doc" @ \$\.formats\[0\]'),
        ({"formats": []}, r"name at least one of csv.* @ \$\.formats"),
        ({"chunk_rows": 0}, r"between 1 and 10,000.* @ \$\.chunk_rows"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(values: dict[str, Any], problem: str) -> None:
    """Before the plugin exists."""
    with pytest.raises(PluginValidationError, match=problem):
        Export(values)


def test_a_request_knows_its_choices() -> None:
    """A slip is an error where it is made."""
    with pytest.raises(ExportError, match="there is no format 'doc': choose from csv, tsv, json, jsonl, xlsx, pdf"):
        ExportRequest(format="doc", path="a")
    with pytest.raises(ExportError, match="there is no scope 'some': choose from page, visible, selected, all"):
        ExportRequest(format="csv", path="a", scope="some")


async def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason arrives, and the part that was written is gone."""

    def full(self: DelimitedSheet, rows: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(DelimitedSheet, "write", full)
    async with open_grid(rows=ROWS, plugins=[Export()]) as grid:
        with pytest.raises(RemoteError, match="No space left on device"):
            await grid.ask(EXPORT, ExportRequest(format="csv", path=tmp_path / "a.csv"))
        (tmp_path / "folder").mkdir()
        with pytest.raises(RemoteError, match="Is a directory"):
            await grid.ask(EXPORT, ExportRequest(format="csv", path=tmp_path / "folder"))
    assert files_in(tmp_path) == ["folder"]


async def test_a_grid_without_rows_or_columns_makes_a_file(tmp_path: Path) -> None:
    """With what there is."""
    config = GridConfig(columns=(Column("a"), Column("b", ColumnType.INT)))
    for grid_config, text in ((config, "a,b\n"), (GridConfig(), "\n")):
        path = tmp_path / "a.csv"
        async with App(grid=grid_config, plugins=[Export()]) as app:
            result = await app.grid.ask(EXPORT, ExportRequest(format="csv", path=path))
        assert (result.rows, path.read_text()) == (0, text)


def test_the_manifest_says_what_the_class_says() -> None:
    """What people and tools read before the code runs."""
    folder = Path(__file__).parents[2] / "official_plugins" / "export"
    assert read_manifest(folder).metadata == Export.metadata


def test_the_example_of_its_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there."""
    readme = Path(__file__).parents[2] / "official_plugins" / "export" / "README.md"
    [code] = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(code)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script))
    assert (tmp_path / "out" / "people.csv").read_text() == "name,born\nAda,1815\nGrace,1906\n"
