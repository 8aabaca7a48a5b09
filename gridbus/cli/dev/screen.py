"""The screen of ``gridbus dev``: all that is known of the plugin, drawn in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gridbus.cli.dev.board import Board
from gridbus.cli.dev.trouble import Trouble
from gridbus.cli.dev.typed import HELP

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.live import Live

_HEALTH = {"healthy": "green", "warning": "yellow", "error": "bold red"}


class Screen:
    """Draws a board on a terminal; what plugins print stays above it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._shown: object = None

    def draw(self, board: Board) -> None:
        """Draw the board where it is other than it was: drawing takes a while, and most of the time nothing happens."""
        now = (board.seen, self._live.console.size)
        if now != self._shown:
            self._shown = now
            self._live.update(drawn(board), refresh=True)


@contextmanager
def showing(console: Console) -> Iterator[Screen]:
    """Give a screen for as long as the block runs; what it showed last stays."""
    from rich.live import Live

    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        yield Screen(live)


def drawn(board: Board) -> Group:
    """Return the board as rich draws it."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    parts: list[RenderableType] = [
        Panel(
            _facts(board),
            title=Text(board.heading),
            title_align="left",
            border_style="red" if board.trouble else "green",
        )
    ]
    if board.trouble is not None:
        parts.append(_trouble(board.trouble))
    if board.log:
        parts.append(Panel(_lines(board.log), title="log", title_align="left", border_style="dim"))
    parts += [_lines(list(board.happened)[-3:]), Text(HELP, style="dim")]
    return Group(*parts)


def _facts(board: Board) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    status = "unknown" if board.health is None else board.health.status.value
    table.add_row("health", Text(board.how_it_is, style=_HEALTH.get(status, "")))
    table.add_row("events", Text(board.figures, style="red" if board.usage.events_failed else ""))
    table.add_row("reload", Text(board.reload or "none yet"))
    table.add_row("hears", Text(", ".join(board.hears) or "nothing"))
    table.add_row("serves", Text(", ".join(board.serves) or "nothing"))
    return table


def _trouble(trouble: Trouble) -> RenderableType:
    from rich.console import Group
    from rich.panel import Panel
    from rich.syntax import Syntax
    from rich.text import Text

    told = Text(f"{trouble.error}: {trouble.message}" if trouble.message else trouble.error)
    parts: list[RenderableType] = [told]
    if trouble.source and trouble.line is not None:
        lexer = Syntax.guess_lexer(trouble.file or "", "\n".join(trouble.source))
        parts.append(
            Syntax(
                "\n".join(trouble.source),
                lexer,
                line_numbers=True,
                start_line=trouble.first,
                highlight_lines={trouble.line},
                background_color="default",
            )
        )
    title = Text(": ".join(filter(None, (trouble.what, trouble.place))))
    return Panel(Group(*parts), title=title, title_align="left", border_style="red")


def _lines(lines: Iterable[str]) -> RenderableType:
    from rich.text import Text

    return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
