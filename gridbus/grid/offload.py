"""Work over many rows in a thread, which ends soon after whoever waits for it was cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from anyio import to_thread

from gridbus.grid.values import Cells

T = TypeVar("T")

Between: TypeAlias = Callable[[], None]
"""Called every few milliseconds by long work; it raises when the work is not wanted any more."""

BIG = 20_000
"""Rows above which work leaves the loop's thread; below, it takes a few milliseconds at most."""


class Abandoned(Exception):
    """Nobody waits for this work any more."""


def undisturbed() -> None:
    """Stand for ``Between`` where nobody can lose interest."""


async def in_thread(work: Callable[[Between], T]) -> T:
    """Run ``work`` in a thread and return what it returns; it is told when this is cancelled."""
    is_wanted = True

    def between() -> None:
        if not is_wanted:
            raise Abandoned

    try:
        return await to_thread.run_sync(work, between, abandon_on_cancel=True)
    finally:
        is_wanted = False


async def retire(rows: dict[str, Cells]) -> None:
    """Free rows that the grid has no more; a million at once would hold up the loop."""
    if len(rows) > BIG:
        await in_thread(lambda between: _empty(rows, between))


def _empty(rows: dict[str, Cells], between: Between) -> None:
    while rows:
        between()
        for _ in range(min(1_000, len(rows))):
            rows.popitem()
