"""Progress bars on a terminal, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


class Bar(Protocol):
    """What shows how far something is."""

    def advance_to(self, done: int, total: int | None, note: str) -> None:
        """Show that ``done`` of ``total`` is done; None where the end is not known."""


BarMaker: TypeAlias = Callable[[str], Bar]
"""Makes a bar with a title; it shows once it advances."""


class NoBar:
    """Shows nothing."""

    def advance_to(self, done: int, total: int | None, note: str) -> None:
        """Do nothing."""


class RichBar:
    """One line of a rich progress display."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None, note="", visible=False)

    def advance_to(self, done: int, total: int | None, note: str) -> None:
        """Show the figures; rich draws them ten times a second at most."""
        self._progress.update(self._task, completed=done, total=total, note=note, visible=True)


@contextmanager
def no_bars() -> Iterator[BarMaker]:
    """Show none: they would be drawn over what somebody types."""
    yield lambda title: NoBar()


@contextmanager
def show_bars(console: Console) -> Iterator[BarMaker]:
    """Show bars for as long as the block runs, if the console is a terminal."""
    if not console.is_terminal:
        yield lambda title: NoBar()
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield lambda title: RichBar(progress, title)
