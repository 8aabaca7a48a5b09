"""One watch for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from gridbus.bus import Bus
from gridbus.errors import BusClosed
from gridbus.reload.lookout import Lookout
from gridbus.reload.places import Places
from gridbus.testing import FakeClock
from tests.reload.watching import FakeWatcher


def places(*folders: str, inode: int = 0) -> Places:
    """Folders to be watched."""
    return Places({Path(folder): (0, inode) for folder in folders}, (), frozenset(), {})


@pytest.fixture
def watcher() -> FakeWatcher:
    """Nothing changes by itself."""
    return FakeWatcher()


@pytest.fixture
async def lookout(watcher: FakeWatcher, clock: FakeClock) -> AsyncIterator[Lookout]:
    """One that runs."""
    async with Bus(clock=clock, id="bus", grace=0.0) as bus:
        lookout = Lookout(watcher)
        bus.scope("test").start_soon(lookout.run)
        await clock.advance(0)
        yield lookout
    assert watcher.open == 0


async def test_one_watch_serves_all(lookout: Lookout, watcher: FakeWatcher, clock: FakeClock) -> None:
    """Each hears of everything, and of the possibility that something was missed when the watch is made anew."""
    heard: dict[str, list[Any]] = {"a": [], "b": []}
    await lookout.follow("a", places("/a"), lambda batch: heard["a"].append(set(batch)))
    assert watcher.folders == [set(), {Path("/a")}]
    heard["a"].clear()
    await lookout.follow("b", places("/b", "/a"), lambda batch: heard["b"].append(set(batch)))
    assert watcher.folders[2:] == [{Path("/a"), Path("/b")}]
    watcher.tell(Path("/b/x.py"))
    await clock.advance(0)
    assert heard == {"a": [set(), {Path("/b/x.py")}], "b": [set(), {Path("/b/x.py")}]}
    assert watcher.open == 1


async def test_the_watch_is_made_anew_only_where_it_differs(
    lookout: Lookout, watcher: FakeWatcher, clock: FakeClock
) -> None:
    """Other paths, or another folder of the same path."""
    await lookout.follow("a", places("/a"), lambda batch: None)
    lookout.move("a", places("/a"))
    await clock.advance(0)
    assert len(watcher.folders) == 2
    lookout.move("a", places("/a", "/a/sub"))
    await clock.advance(0)
    lookout.move("a", places("/a", "/a/sub", inode=1))
    await clock.advance(0)
    assert watcher.folders[2:] == [{Path("/a"), Path("/a/sub")}] * 2
    lookout.forget("a")
    lookout.forget("a")
    await clock.advance(0)
    assert watcher.folders[4:] == [set()]


async def test_a_folder_that_goes_takes_its_watch_along(
    lookout: Lookout, watcher: FakeWatcher, clock: FakeClock
) -> None:
    """Even where one of the same name, and the same inode, has taken its place."""
    heard: list[Any] = []
    await lookout.follow("a", places("/p", "/p/a"), heard.append)
    heard.clear()
    watcher.tell(Path("/p/a"))
    await clock.advance(0)
    assert watcher.folders[2:] == [{Path("/p"), Path("/p/a")}]
    assert heard == [{Path("/p/a")}, ()]


async def test_nobody_waits_for_a_watch_that_has_ended(watcher: FakeWatcher, clock: FakeClock) -> None:
    """Neither who waited as it ended nor who comes later."""
    lookout = Lookout(watcher)
    refusals: list[BusClosed] = []

    async def follow(key: str) -> None:
        try:
            await lookout.follow(key, places("/a"), lambda batch: None)
        except BusClosed as error:
            refusals.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(follow, "early")
        await clock.advance(0)
        lookout.close()
        group.start_soon(follow, "late")
    assert len(refusals) == 2
