"""Loads a file into a grid: read in a thread, told as it goes, and cancelled at any time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

import attrs
from anyio import to_thread

from gridbus.bus import Bus
from gridbus.errors import BusError
from gridbus.events.grid import DataLoaded
from gridbus.events.system import DATA_PROGRESS, LoadProgress
from gridbus.grid import Grid
from gridbus.tables import Table, read_table

_PAUSE = 0.1  # seconds between two events about the progress


@attrs.frozen
class FileLoaded:
    """What came of loading a file."""

    fact: DataLoaded  #: as it was published
    problems: tuple[str, ...]  #: the first of what could not be taken as it is, each naming its place
    problem_count: int  #: all of it
    encoding: str
    dialect: str  #: how the file is written, for people


async def load_file(grid: Grid, bus: Bus, path: str | os.PathLike[str]) -> FileLoaded:
    """Load a file into an empty grid; ``data:progress`` tells how far it is, ``data:load`` that it is done.

    Rows that cannot be loaded are left out, counted, and told in ``problems``.

    Raises:
        FileReadError, FileFormatError: the file cannot be read, or is no table.
        GridError: the grid does not take it.
    """
    table = await _read(bus, path, grid.id_column)
    problems = [str(problem) for problem in table.problems]
    fact = await grid.load(
        table.columns, table.rows, source=table.source, skip_bad=True, skipped=table.skipped, problems=problems
    )
    # What the grid itself left out comes behind the file's problems, of which the fact keeps the first only.
    by_grid = [problem for problem in fact.problems if problem not in set(problems)]
    skipped_by_grid = fact.skipped - table.skipped
    count = table.problem_count + skipped_by_grid
    return FileLoaded(fact, (*problems, *by_grid), count, table.encoding, table.dialect)


async def _read(bus: Bus, path: str | os.PathLike[str], id_column: str | None) -> Table:
    loop = asyncio.get_running_loop()
    source = os.fspath(path)
    is_wanted = True
    told_at = -_PAUSE

    def tell(bytes_read: int, bytes_total: int, rows: int) -> None:
        """Run in the thread; the loop may be gone by now, or the reading abandoned."""
        nonlocal told_at
        now = time.monotonic()
        if is_wanted and now - told_at >= _PAUSE:
            told_at = now
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_publish, bus, LoadProgress(source, rows, bytes_read, bytes_total))

    def read() -> Table:
        return read_table(path, id_column=id_column, progress=tell, cancelled=lambda: not is_wanted)

    try:
        return await to_thread.run_sync(read, abandon_on_cancel=True)
    finally:
        is_wanted = False


def _publish(bus: Bus, progress: LoadProgress) -> None:
    with contextlib.suppress(BusError):  # a mailbox is full, or the bus closed: the next one tells more
        bus.publish_nowait(DATA_PROGRESS, progress)
