"""The tasks of a bus: workers and jobs, each owned until it has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

import anyio

from gridbus.errors import BusClosed

logger = logging.getLogger("gridbus.bus")

_ROUNDS, _ROUND = 5, 1.0  # how often, and how many seconds apart, a task that goes on regardless is cancelled again


class Owned(Protocol):
    """What a task belongs to."""

    def retire(self) -> None:
        """Note that the task has ended, whether it ever ran or not."""


class TaskHost:
    """Starts tasks, and does not close before the last of them has ended.

    A task group has to be left by the task that entered it, but test fixtures, ASGI lifespans and exit stacks open a
    bus in one task and close it in another. So the bus keeps its tasks itself, here and nowhere else. They are plain
    asyncio tasks: a group's bookkeeping would take more memory than a worker.
    """

    __slots__ = ("_is_open", "_on_end", "_tasks")

    def __init__(self) -> None:
        self._is_open = False
        self._tasks: dict[asyncio.Task[None], Owned] = {}
        self._on_end = self._ended  # one bound method for all tasks

    def open(self) -> None:
        """Take tasks from now on."""
        self._is_open = True

    def start(self, work: Coroutine[Any, Any, None], *, name: str, owner: Owned) -> None:
        """Run ``work``, which must not raise; retire its owner when it has ended, begun or not.

        Raises:
            BusClosed: no more tasks are taken.
        """
        if not self._is_open:
            work.close()
            raise BusClosed("no more work can be started: the bus is not open")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = owner
        task.add_done_callback(self._on_end)

    async def aclose(self) -> None:
        """Cancel the tasks and return when all have ended, even if the caller is cancelled meanwhile."""
        self._is_open = False
        with anyio.CancelScope(shield=True):
            for _ in range(_ROUNDS):
                left = [task for task in self._tasks if task is not asyncio.current_task()]
                if not left:
                    return
                for task in left:
                    task.cancel("the bus was closed")
                await asyncio.wait(left, timeout=_ROUND)
        for task in self._tasks:
            logger.error("%s ignores its cancellation and was left behind", task.get_name())

    def _ended(self, task: asyncio.Task[None]) -> None:
        owner = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("%s ended by an error of gridbus itself", task.get_name(), exc_info=error)
        owner.retire()
