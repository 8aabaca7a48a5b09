"""``gridbus dev``: what an author sees of the plugin while working on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from gridbus import App
from gridbus.cli import main
from gridbus.cli.dev.board import Board
from gridbus.cli.dev.session import Session
from gridbus.events.system import (
    PLUGIN_DRAINED,
    PLUGIN_LEAKED,
    PLUGIN_RELOAD_FAILED,
    PLUGIN_RELOADED,
    PluginDrained,
    PluginLeaked,
    PluginReloaded,
    PluginReloadFailed,
)
from gridbus.manifest import Isolation

MANIFEST = """
[plugin]
id = "greeter"
name = "Greeter"
version = "1.0.0"
entry = "greeter:Greeter"

[permissions]
subscribe = ["row:create", "data:load"]
"""
CODE = """
from gridbus import Channel, Event, Plugin, PluginHealth, on, serves
from gridbus.grid import DATA_LOAD, ROW_CREATE, DataLoaded, RowCreated


class Greeter(Plugin):
    greeted = 0

    @on(ROW_CREATE)
    async def greet(self, event: Event[RowCreated]) -> None:
        self.greeted += 1
        self.ctx.log.info("hello %s", event.payload.values["name"])
        if self.greeted > 1:
            raise ValueError("enough")

    @on(DATA_LOAD)
    async def count(self, event: Event[DataLoaded]) -> None:
        self.ctx.log.info("%d rows", event.payload.rows)

    @serves(Channel("greeter:greet", str, str))
    async def answer(self, name: str) -> str:
        return f"hello {name}"

    async def health_check(self) -> PluginHealth:
        return PluginHealth.healthy(f"{self.greeted} greeted")
"""
BROKEN = CODE.replace("self.greeted += 1", "self.greeted +=")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin's folder."""
    place = tmp_path / "greeter"
    place.mkdir()
    (place / "gridbus-plugin.toml").write_text(MANIFEST)
    (place / "greeter.py").write_text(CODE)
    return place


class Lines(list[str]):
    """What was told, and a way to wait for more of it."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0
        self._more = anyio.Event()

    def __call__(self, line: str) -> None:
        self.append(line)
        self._more.set()

    async def until(self, start: str) -> str:
        """Return the next line that begins like this."""
        with anyio.fail_after(10):
            while True:
                while self._seen < len(self):
                    self._seen += 1
                    if self[self._seen - 1].startswith(start):
                        return self[self._seen - 1]
                self._more = anyio.Event()
                await self._more.wait()


class Author:
    """Types commands at a session that runs, and reads what it tells."""

    def __init__(self, session: Session, lines: Lines, send: Callable[[str], None]) -> None:
        self.session, self.lines, self._send = session, lines, send

    async def types(self, command: str, answer: str) -> str:
        """Type a command; return the line that it leads to."""
        self._send(command)
        return await self.lines.until(f"greeter: {answer}")


@asynccontextmanager
async def working(folder: Path, file: Path | None = None) -> AsyncIterator[Author]:
    """Let an author work."""
    lines, (send, receive) = Lines(), anyio.create_memory_object_stream[str](10)
    app = App(name="dev", isolation=lambda candidate: Isolation.INLINE, health_interval=None, watch=True)
    async with app, send, receive, anyio.create_task_group() as group:
        session = Session(app, Board(folder, lines), aiter(receive), file)
        group.start_soon(session.run)
        yield Author(session, lines, send.send_nowait)
        group.cancel_scope.cancel()


async def test_a_plugin_runs_on_a_table_of_its_own(folder: Path) -> None:
    """It hears of the table, and of each example that its author asks for; what it does and how it is are told."""
    async with working(folder) as author:
        lines, board = author.lines, author.session.board
        assert await lines.until("greeter: running") == "greeter: running: greeter 1.0.0, generation 1, running, inline"
        assert await lines.until("greeter: health") == "greeter: health: healthy: 0 greeted"
        assert await lines.until("greeter: loaded") == "greeter: loaded a table of 5 rows"
        await author.session.app.bus.drain()
        assert await author.types("e", "published") == "greeter: published row:create of row 6"
        await author.session.app.bus.drain()
        assert await author.types("health", "health") == "greeter: health: healthy: 1 greeted"
        await author.session.refresh()
        assert board.figures == "2 handled, 0 failed, 0 dropped"
        assert sorted(board.hears) == ["data:load (Greeter.count)", "row:create (Greeter.greet)"]
        assert board.serves == ("greeter:greet (str -> str)",)
        assert (await author.types("x", "'x'")).startswith("greeter: 'x' is no command; there are r reload")


async def test_a_handler_that_fails_is_told_with_its_lines(folder: Path) -> None:
    """The place is where it went wrong in the plugin's own code."""
    async with working(folder) as author:
        await author.lines.until("greeter: loaded")
        await author.types("e", "published")
        failed = await author.types("e", "handler")
        assert failed == "greeter: handler Greeter.greet failed on row:create: greeter.py:14: ValueError: enough"
        marked = next(line for line in author.lines if line.startswith("  >"))
        assert marked == '  > 14             raise ValueError("enough")'
        assert author.session.board.trouble is not None


async def test_a_plugin_that_does_not_load_is_loaded_when_it_is_repaired(folder: Path) -> None:
    """The command goes on, and says where the plugin is broken; until it runs there is nothing to be done with it."""
    (folder / "greeter.py").write_text(BROKEN)
    async with working(folder) as author:
        lines = author.lines
        told = await lines.until("greeter: load failed")
        assert told == "greeter: load failed: greeter.py:11: SyntaxError: invalid syntax"
        assert "  > 11         self.greeted +=" in lines
        assert "does not run" in await author.types("e", "there is nobody")
        assert "never run" in await author.types("b", "there is no generation")
        await author.types("r", "load failed")  # asked for, though nothing has changed
        await anyio.Path(folder / "greeter.py").write_text(CODE)
        await lines.until("greeter: running")
        assert author.session.board.trouble is None


async def test_a_manifest_that_is_wrong_is_the_place(folder: Path) -> None:
    """The problem names the key."""
    (folder / "gridbus-plugin.toml").write_text(MANIFEST.replace("version", "versoin"))
    async with working(folder) as author:
        told = await author.lines.until("greeter: load failed")
    assert told.startswith("greeter: load failed: gridbus-plugin.toml: PluginValidationError: ")
    assert "versoin" in told


async def test_a_table_that_cannot_be_read_ends_it(folder: Path, tmp_path: Path) -> None:
    """As it would end a run."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    lines = Lines()
    app = App(name="dev", isolation=lambda candidate: Isolation.INLINE, health_interval=None, watch=True)
    send, receive = anyio.create_memory_object_stream[str](1)
    async with app, send, receive:
        session = Session(app, Board(folder, lines), aiter(receive), tmp_path / "a.parquet")
        with anyio.fail_after(10):
            await session.run()
    assert "unknown file type" in str(session.failure)


async def test_q_ends_it(folder: Path) -> None:
    """The session returns, and what it had started is gone."""
    lines = Lines()
    app = App(name="dev", isolation=lambda candidate: Isolation.INLINE, health_interval=None, watch=True)
    send, receive = anyio.create_memory_object_stream[str](1)
    async with app, send, receive:
        send.send_nowait("q")
        with anyio.fail_after(10):
            await Session(app, Board(folder, lines), aiter(receive)).run()


async def test_reloads_are_told_as_lines(folder: Path) -> None:
    """Each with what came of it; a reload that works takes back what was wrong before."""
    async with working(folder) as author:
        lines, bus, board = author.lines, author.session.app.bus, author.session.board
        await lines.until("greeter: loaded")
        text = "invalid syntax (greeter.py, line 11)"
        await bus.publish(
            PLUGIN_RELOAD_FAILED,
            PluginReloadFailed("greeter", 2, "load", "SyntaxError", text, str(folder / "greeter.py"), 11, 0.01),
        )
        told = await lines.until("greeter: reload failed")
        expected = "greeter: reload failed: greeter.py:11: SyntaxError: invalid syntax; generation 1 goes on"
        assert told == expected
        assert (board.failed, board.reloads) == (1, 0)
        await bus.publish(
            PLUGIN_RELOADED,
            PluginReloaded("greeter", 3, "1.1.0", "1.0.0", "greeter.py changed", 0.0123, 0.0004, 0, restarted=("fan",)),
        )
        told = await lines.until("greeter: reloaded")
        expected = "greeter: reloaded generation 3 in 12 ms, pause 0.4 ms, 1.0.0 -> 1.1.0: greeter.py changed"
        assert told == expected
        assert lines[-1] == "  reloaded as well, since its channels changed: fan"
        assert board.trouble is None
        await bus.publish(PLUGIN_DRAINED, PluginDrained("greeter", 1, True, 0, 0.1))  # as it should: nothing to tell
        await bus.publish(PLUGIN_DRAINED, PluginDrained("greeter", 2, False, 2, 0.1))
        told = await lines.until("greeter: generation")
        assert told == "greeter: generation 2 did not end well: 2 handlers and tasks were cancelled"
        await bus.publish(PLUGIN_LEAKED, PluginLeaked("greeter", 1, ("class Greeter",), ("a list of app.py",)))
        assert await lines.until("greeter: generation") == "greeter: generation 1 leaks class Greeter"
        assert lines[-1] == "    held by a list of app.py"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "gridbus dev: nosuch: there is no such folder"),
        (["a.csv"], "gridbus dev: a.csv: this is a file, name the folder of a plugin"),
        (["."], "gridbus dev: .: this is no plugin's folder, as there is no gridbus-plugin.toml in it"),
        (["greeter", "--file", "b.csv"], "gridbus dev: b.csv: there is no such file"),
        (["greeter", "--file", "."], "gridbus dev: .: this is a folder, name a file in it"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_begin_ends_with_2(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    """And says why."""
    monkeypatch.chdir(folder.parent)
    (folder.parent / "a.csv").write_text("a\n1\n")
    with pytest.raises(SystemExit) as ended:
        main(["dev", *arguments])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert message in err
