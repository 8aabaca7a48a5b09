"""The one watcher for all plugins: watches the folders that any of them needs, and passes changes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path

import anyio
import anyio.abc

from gridbus.errors import BusClosed
from gridbus.reload.places import Places
from gridbus.reload.watcher import FileWatcher

Heard = Callable[[Collection[Path]], None]


class Lookout:
    """Watches for several; ``run`` does until it is cancelled.

    Whoever wants to know of changes is told of all, and picks out their own. When other folders have to be watched the
    watch is made anew, and all are told, with no paths, that changes may have been missed meanwhile.
    """

    def __init__(self, watcher: FileWatcher) -> None:
        self._watcher = watcher
        self._places: dict[str, Places] = {}
        self._heard: dict[str, Heard] = {}
        self._watched: dict[Path, tuple[int, int]] = {}  #: what is watched, or about to be
        self._is_watching = False  #: it is
        self._stale = anyio.Event()  #: set when that is not what is wanted
        self._in_place = anyio.Event()
        self._is_closed = False

    async def follow(self, key: str, places: Places, heard: Heard) -> None:
        """Tell ``heard`` of changes from now on; return when the folders are watched.

        Raises:
            BusClosed: nothing is watched any more.
        """
        self._heard[key] = heard
        self.move(key, places)
        while key in self._places:
            if self._is_closed:
                raise BusClosed("hot reload has ended: nothing is watched any more")
            if self._is_watching and not self._stale.is_set():
                return
            await self._in_place.wait()

    def move(self, key: str, places: Places) -> None:
        """Watch other folders for somebody."""
        self._places[key] = places
        self._compare()

    def forget(self, key: str) -> None:
        """Tell somebody nothing more."""
        self._heard.pop(key, None)
        if self._places.pop(key, None) is not None:
            self._compare()

    async def run(self) -> None:
        """Watch, until cancelled."""
        try:
            while True:
                await self._watch_once()
        finally:
            self.close()

    def close(self) -> None:
        """Let nobody wait for a watch any more; called by whoever ends ``run``, which may not have begun."""
        self._is_closed = True
        self._in_place.set()

    async def _watch_once(self) -> None:
        self._stale = anyio.Event()
        self._is_watching = False
        self._watched = self._wanted()
        async with anyio.create_task_group() as group:
            await group.start(self._watch, tuple(self._watched))
            self._is_watching = True
            self._in_place.set()
            self._in_place = anyio.Event()
            self._tell(())
            await self._stale.wait()
            group.cancel_scope.cancel()

    async def _watch(
        self, folders: tuple[Path, ...], *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        # Whoever started this goes on when this task waits for the first time: then the watches are in place.
        task_status.started()
        async with contextlib.aclosing(self._watcher.changes(folders)) as batches:
            async for batch in batches:
                self._tell(batch)
                if not batch.isdisjoint(self._watched):
                    self._stale.set()  # a folder that goes takes the watch on it along, whatever comes in its place

    def _tell(self, batch: Collection[Path]) -> None:
        for heard in tuple(self._heard.values()):
            heard(batch)

    def _wanted(self) -> dict[Path, tuple[int, int]]:
        return {folder: found for places in self._places.values() for folder, found in places.folders.items()}

    def _compare(self) -> None:
        if self._wanted() != self._watched:
            self._stale.set()
