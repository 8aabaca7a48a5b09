"""``gridbus dev``: a plugin's folder on a grid, reloaded on save, with health and errors in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from gridbus.app import App
from gridbus.cli.commands import FAILED, MISUSED, OK, import_from_here
from gridbus.cli.dev.board import Board
from gridbus.cli.dev.log import plugin_log
from gridbus.cli.dev.screen import Screen, showing
from gridbus.cli.dev.session import Session
from gridbus.cli.dev.typed import HELP, read_commands
from gridbus.cli.signals import Interruption, interruptible
from gridbus.cli.streams import output_console, progress_console
from gridbus.errors import GridbusError
from gridbus.manifest import MANIFEST_NAME, Isolation
from gridbus.plugins import untrusted_apart

if TYPE_CHECKING:
    from rich.console import Console

_HEALTH_EVERY = 5.0  # seconds
_DRAWN_EVERY = 0.25  # seconds
_TURNS = 8  # of drawing, between two looks at the health that is drawn


def dev_command(folder: Path, file: Path | None, *, isolation: Isolation | None, allow_unconfined: bool) -> int:
    """Run the loop of a plugin's author; return the exit status."""
    problem = _obstacle(folder, file)
    if problem is not None:
        progress_console().print(f"gridbus dev: {problem}", markup=False, soft_wrap=True)
        return MISUSED
    import_from_here()
    console = output_console()

    def show(line: str) -> None:
        if not console.is_terminal:
            print(line, flush=True)

    board = Board(folder.absolute(), show)
    app = App(
        name="dev",
        watch=True,
        health_interval=_HEALTH_EVERY,
        isolation=untrusted_apart if isolation is None else lambda candidate: isolation,
        require_sandbox=not allow_unconfined,
    )
    try:
        with plugin_log(board.note_log), _screen(console) as screen:
            interruption = anyio.run(_run, app, board, file, screen)
    except GridbusError as error:
        progress_console().print(f"gridbus dev: {error}", markup=False, soft_wrap=True)
        return FAILED
    console.print(_ending(board), markup=False, soft_wrap=True)
    return interruption.exit_status or OK


async def _run(app: App, board: Board, file: Path | None, screen: Screen | None) -> Interruption:
    """Work until the author has had enough: by ``q``, Ctrl-C or SIGTERM."""
    commands = read_commands(single=screen is not None)
    session, work = Session(app, board, commands, file), anyio.CancelScope()
    with interruptible(work) as interruption:
        async with app:
            if screen is None:
                board.tell(f"watching {board.folder}; {HELP}")
            with work:
                async with anyio.create_task_group() as group:
                    if screen is not None:
                        group.start_soon(_draw, session, screen)
                    await session.run()
                    group.cancel_scope.cancel()
            if session.failure is not None:
                raise session.failure
            await session.refresh()
        return interruption


async def _draw(session: Session, screen: Screen) -> None:
    for turn in count():
        if not turn % _TURNS:
            await session.check()
        await session.refresh()
        screen.draw(session.board)
        await anyio.sleep(_DRAWN_EVERY)


@contextmanager
def _screen(console: Console) -> Iterator[Screen | None]:
    if not console.is_terminal:
        yield None
        return
    with showing(console) as screen:
        yield screen


def _ending(board: Board) -> str:
    if board.info is None:
        return f"{board.name}: ended; it never ran"
    return f"{board.name}: ended; reloads: {board.reloads}, failed: {board.failed}; events since: {board.figures}"


def _obstacle(folder: Path, file: Path | None) -> str | None:
    """Return why it cannot begin; None where it can."""
    if not folder.exists():
        return f"{folder}: there is no such folder"
    if not folder.is_dir():
        return f"{folder}: this is a file, name the folder of a plugin"
    if not (folder / MANIFEST_NAME).exists():
        return f"{folder}: this is no plugin's folder, as there is no {MANIFEST_NAME} in it"
    if file is not None and not file.exists():
        return f"{file}: there is no such file"
    if file is not None and file.is_dir():
        return f"{file}: this is a folder, name a file in it"
    return None
