"""The operating system's word on files."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import watchfiles

from gridbus.reload import WatchfilesWatcher


class Watching:
    """What is heard of some folders."""

    def __init__(self) -> None:
        self.heard: list[Path] = []
        self._came = anyio.Event()

    async def run(self, *folders: Path, task_status: Any) -> None:
        """Listen until cancelled."""
        task_status.started()
        async with contextlib.aclosing(WatchfilesWatcher().changes(folders)) as batches:
            async for batch in batches:
                self.heard.extend(batch)
                self._came.set()

    async def hears_of(self, path: Path) -> None:
        """Return when it has heard of a path."""
        with anyio.fail_after(10):
            while path not in self.heard:
                self._came = anyio.Event()
                await self._came.wait()


@contextlib.asynccontextmanager
async def listening(*folders: Path) -> AsyncIterator[Watching]:
    """Listen to folders inside the block."""
    watching = Watching()
    async with anyio.create_task_group() as group:
        await group.start(functools.partial(watching.run, *folders))
        yield watching
        group.cancel_scope.cancel()


async def test_exactly_the_given_folders_are_watched(tmp_path: Path) -> None:
    """Nothing below them, and what is missing is left out."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "other").mkdir()
    async with listening(tmp_path, tmp_path / "other", tmp_path / "missing") as watching:
        (tmp_path / "sub" / "a.py").write_text("1")
        (tmp_path / "other" / "b.py").write_text("1")
        await watching.hears_of(tmp_path / "other" / "b.py")
        (tmp_path / "c.py").write_text("1")
        await watching.hears_of(tmp_path / "c.py")
    assert tmp_path / "sub" / "a.py" not in watching.heard


async def test_a_folder_that_goes_is_heard_of(tmp_path: Path) -> None:
    """From within, and nothing crashes."""
    folder = tmp_path / "sub"
    folder.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    async with listening(folder, other) as watching:
        folder.rmdir()
        await watching.hears_of(folder)
        (other / "a.py").write_text("1")
        await watching.hears_of(other / "a.py")


async def test_cancelling_ends_the_thread_at_once(tmp_path: Path) -> None:
    """Not when the library's thread happens to look up."""
    before = threading.active_count()
    async with listening(tmp_path) as watching:
        (tmp_path / "a.py").write_text("1")
        await watching.hears_of(tmp_path / "a.py")
        asked = time.monotonic()
    assert time.monotonic() - asked < 1  # the library alone: up to a minute
    assert threading.active_count() <= before + 1  # the worker that is kept for the next


async def test_nothing_to_watch_is_nothing_to_hear(tmp_path: Path) -> None:
    """It waits, rather than to end or to spin."""
    with anyio.move_on_after(0.01) as waited:
        async for _ in WatchfilesWatcher().changes([tmp_path / "missing"]):
            pytest.fail("nothing can be heard")
    assert waited.cancelled_caught


async def test_what_cannot_be_watched_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With an empty batch, since changes may have been missed."""
    real, calls = watchfiles.awatch, 0

    def failing(*folders: Path, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("OS file watch limit reached.")
        return real(*folders, **options)

    monkeypatch.setattr(watchfiles, "awatch", failing)
    with anyio.fail_after(10), caplog.at_level(logging.ERROR, "gridbus.reload"):
        async with contextlib.aclosing(WatchfilesWatcher().changes([tmp_path])) as batches:
            assert await anext(batches) == set()
    assert "watch limit reached" in caplog.text
    assert "fs.inotify.max_user_watches" in caplog.text
