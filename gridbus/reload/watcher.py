"""Changes of files as the operating system tells them: the one place that a test puts something else in for."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from watchfiles.main import FileChange

logger = logging.getLogger("gridbus.reload")

_STEP = 0.005  # a change is told when two looks in a row found no more: 5 to 10 ms after it, at 1 % of a core
_LONGEST_BATCH_MS = 50  # where more keeps coming
_RACES = 3  # lost in a row before it is told
_PAUSES = (0.25, 1.0, 4.0, 15.0)  # seconds before watching is tried again after it failed; the last one for ever


class FileWatcher(Protocol):
    """Tells which files have changed."""

    def changes(self, folders: Collection[Path]) -> AsyncGenerator[set[Path], None]:
        """Watch exactly these folders, none below them, and give what has changed in them, as batches.

        The watches are in place when the iterator first waits. A folder itself counts as changed when it goes away. An
        empty batch says that changes may have been missed. Folders that do not exist are left out. Whoever iterates
        closes the iterator in the same task; where it is cancelled, nothing of it remains.
        """
        ...


class WatchfilesWatcher:
    """Hears of changes from the operating system, by the library watchfiles.

    One thread looks every few milliseconds whether something has come: one to two steps from a change to its batch.
    On file systems whose changes the system does not tell (a network's, made on other machines) set
    ``WATCHFILES_FORCE_POLLING``, as the library has it.
    """

    def __init__(self, *, step: float = _STEP) -> None:
        """Prepare; ``step`` is the time between two looks, in seconds."""
        self._step_ms = max(1, round(step * 1000))

    async def changes(self, folders: Collection[Path]) -> AsyncGenerator[set[Path], None]:
        """Give what changes in these folders; as ``FileWatcher.changes``."""
        failures = 0
        while True:
            try:
                async with contextlib.aclosing(self._batches(folders)) as batches:
                    async for batch in batches:
                        failures = 0
                        yield batch
            except (OSError, RuntimeError) as error:
                if isinstance(error, FileNotFoundError) and failures < _RACES:
                    failures += 1  # it went between looking whether it is there and watching it
                    continue
                pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
                failures += 1
                logger.error(
                    "%d folders cannot be watched, which is tried again in %g s: %s; where the system's limit of "
                    "watches is reached (Linux: sysctl fs.inotify.max_user_watches), raise it or watch less",
                    len(folders),
                    pause,
                    error,
                )
                await anyio.sleep(pause)
                yield set()

    async def _batches(self, folders: Collection[Path]) -> AsyncGenerator[set[Path], None]:
        import watchfiles  # not needed by those who watch nothing

        present = sorted(folder for folder in folders if folder.is_dir())
        if not present:
            await anyio.sleep_forever()
        stop = threading.Event()
        found = watchfiles.awatch(
            *present,
            watch_filter=None,
            debounce=_LONGEST_BATCH_MS,
            step=self._step_ms,
            stop_event=stop,  # all that is asked of it, by a thread, is is_set()
            rust_timeout=60_000,  # its end means nothing: the event is looked at in each step
            recursive=False,
            ignore_permission_denied=True,
        )
        async with contextlib.aclosing(found):
            while True:
                batch = await _next(found, stop)
                if batch is None:
                    return
                yield {Path(path) for _, path in batch}


async def _next(found: AsyncIterator[set[FileChange]], stop: threading.Event) -> set[FileChange] | None:
    """Return the next batch, None at the end.

    ``awatch`` waits for its thread shielded from cancellation, for as long as that takes: a task beside it hears of the
    cancellation and stops the thread.
    """
    batch = None
    failure: Exception | None = None
    is_waiting = True

    async def stop_when_cancelled() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            if is_waiting:
                stop.set()

    async with anyio.create_task_group() as group:
        group.start_soon(stop_when_cancelled)
        try:
            batch = await anext(found, None)
        except Exception as error:  # raised below, as itself and not as a group
            failure = error
        finally:
            is_waiting = False
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return batch
