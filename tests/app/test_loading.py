"""A file is loaded in a thread, tells how far it is, and can be given up."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from gridbus import App, FileFormatError, FileReadError, GridError, open_grid
from gridbus.app import loading
from gridbus.config import GridConfig
from gridbus.events.system import DATA_PROGRESS
from gridbus.tables import Table
from gridbus.testing import Recorder


async def test_progress_and_problems_are_told(tmp_path: Path) -> None:
    """Rows that do not fit are left out, counted and named."""
    path = tmp_path / "people.csv"
    path.write_text("name,born\nAda,1815\nAda,1816\nGrace\nEve,1,2,3\n,5\n")
    async with App(grid=GridConfig(id_column="name")) as app:
        with Recorder(app.bus) as events:
            loaded = await app.load(path)
            await app.bus.drain()
    assert [row.id for row in app.grid] == ["Ada", "Grace"]
    assert (loaded.fact.rows, loaded.fact.skipped, loaded.problem_count) == (2, 3, 4)
    assert [problem.partition(":")[0] for problem in loaded.problems] == ["line 3", "line 4", "line 5", "line 6"]
    assert loaded.fact.problems == loaded.problems
    progress = events.payloads(DATA_PROGRESS)
    assert progress[-1].bytes_total == path.stat().st_size
    assert progress[-1].source == str(path)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("missing.csv", None, FileReadError, "there is no such file"),
        ("a.parquet", b"PAR1", FileFormatError, "unknown file type"),
        ("a.json", b'[{"a": 1}, {"a":', FileFormatError, "a.json"),
    ],
)
async def test_a_file_that_is_no_table_is_named(
    name: str, content: bytes | None, error: type[GridError], message: str, tmp_path: Path
) -> None:
    """The grid stays as it was."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    async with App() as app:
        with pytest.raises(error, match=message):
            await app.load(path)
        assert len(app.grid) == 0
    with pytest.raises(error, match=message):
        async with open_grid(path):
            pytest.fail("the block must not run")


async def test_loading_can_be_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits goes on at once, and the thread ends soon after."""
    began, ended = threading.Event(), threading.Event()

    def read(path: Any, *, cancelled: Any, **options: Any) -> Table:
        began.set()
        while not cancelled():
            pass
        ended.set()
        raise AssertionError("nobody sees this")

    monkeypatch.setattr(loading, "read_table", read)
    async with App() as app:
        async with anyio.create_task_group() as group:
            group.start_soon(app.load, tmp_path / "a.csv")
            assert await anyio.to_thread.run_sync(began.wait, 5)
            group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(ended.wait, 5)
        assert len(app.grid) == 0


async def test_progress_after_the_end_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is late tells a bus that is closed, or a loop that is gone."""
    tell: list[Any] = []

    def read(path: Any, *, progress: Any, **options: Any) -> Table:
        tell.append(progress)
        raise FileReadError("broken")

    monkeypatch.setattr(loading, "read_table", read)
    async with App() as app:
        with pytest.raises(FileReadError):
            await app.load(tmp_path / "a.csv")
    tell[0](1, 2, 3)
    loading._publish(app.bus, loading.LoadProgress("a", 1, 1, 1))
