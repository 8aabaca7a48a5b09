"""Holding the workers of a mailbox between two events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


class Hold:
    """Keeps workers from handling anything more until it ends; what is published meanwhile waits in their mailbox.

    A worker that has an event in hand finishes with it first, and then comes here. It counts as awake all the while,
    so that draining waits for what waits.
    """

    __slots__ = ("_at_work", "_is_over", "_parked", "_waiting", "depth")

    def __init__(self, workers: Iterable[Any]) -> None:
        """Hold workers; those that have ended do not belong here."""
        self._at_work = set(workers)
        self._parked: list[asyncio.Future[None]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._is_over = False
        self.depth = 0  #: how many want it

    @property
    def is_still(self) -> bool:
        """Tell whether no worker has anything in hand."""
        return not self._at_work

    async def park(self, worker: Any) -> None:
        """Stay until the hold ends; called by a worker that has nothing in hand."""
        if self._is_over:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parked.append(future)
        self.forget(worker)
        try:
            await future
        finally:
            if future in self._parked:
                self._parked.remove(future)

    def forget(self, worker: Any) -> None:
        """Wait no longer for a worker: it is parked, or has ended."""
        self._at_work.discard(worker)
        if not self._at_work:
            _wake(self._waiting)

    async def still(self) -> None:
        """Return when no worker has anything in hand, or the hold is over."""
        while self._at_work and not self._is_over:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                await future
            finally:
                if future in self._waiting:
                    self._waiting.remove(future)

    def end(self) -> None:
        """Let the workers go on."""
        self._is_over = True
        _wake(self._parked)
        _wake(self._waiting)


def _wake(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
