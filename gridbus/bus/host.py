"""The task that all workers and jobs of a bus are children of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.abc

from gridbus.errors import BusClosed


class TaskHost:
    """A task group that lives in a task of its own.

    A task group must be left by the task that entered it. Test fixtures, ASGI lifespans and exit stacks open a bus in
    one task and close it in another, so the group cannot live in the caller's. This is the only task that gridbus
    starts outside a group; ``aclose`` awaits it.
    """

    __slots__ = ("_group", "_task")

    def __init__(self) -> None:
        self._group: anyio.abc.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self, name: str) -> None:
        """Start the task and wait until its group takes children."""
        opened = anyio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(opened), name=name)
        try:
            await opened.wait()
        except BaseException:
            self._task.cancel()
            raise

    def start_soon(self, fn: Callable[..., Coroutine[Any, Any, None]], *arguments: Any, name: str) -> None:
        """Run ``fn`` as a child; it must not raise.

        Raises:
            BusClosed: the group is closed.
        """
        if self._group is None:
            raise BusClosed("no more work can be started: the bus is not open")
        self._group.start_soon(fn, *arguments, name=name)

    async def aclose(self) -> None:
        """Cancel the children and return when all have ended, even if the caller is cancelled meanwhile."""
        if self._task is None:
            return
        if self._group is not None:
            self._group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def _run(self, opened: anyio.Event) -> None:
        try:
            async with anyio.create_task_group() as self._group:
                opened.set()
                await anyio.sleep_forever()
        finally:
            self._group = None
