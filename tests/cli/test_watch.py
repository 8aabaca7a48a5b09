"""Commands that go on while plugins are worked on, as programs: ``gridbus run --watch`` and ``gridbus dev``."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from gridbus import Bus
from gridbus.cli.dev.facts import milliseconds, tell_reloads
from gridbus.events.system import (
    PLUGIN_RECONFIGURED,
    PLUGIN_RELOAD_FAILED,
    PLUGIN_RELOADED,
    PluginReconfigured,
    PluginReloaded,
    PluginReloadFailed,
)

PROGRAM = [sys.executable, "-m", "gridbus"]
PROJECT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT), "TERM": "xterm", "COLUMNS": "110", "LINES": "50"}
SECONDS = 20.0  #: for one thing to happen

MANIFEST = """
[plugin]
id = "greeter"
name = "Greeter"
version = "1.0.0"
entry = "greeter:Greeter"

[permissions]
subscribe = ["row:create"]
"""
CODE = """
from gridbus import Event, Plugin, on
from gridbus.grid import ROW_CREATE, RowCreated


class Greeter(Plugin):
    @on(ROW_CREATE)
    async def greet(self, event: Event[RowCreated]) -> None:
        self.ctx.log.warning("hello %s", event.payload.id)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin's folder, beside a table."""
    place = tmp_path / "greeter"
    place.mkdir()
    (place / "gridbus-plugin.toml").write_text(MANIFEST)
    (place / "greeter.py").write_text(CODE)
    (tmp_path / "a.csv").write_text("a\n1\n2\n")
    return place


class Running:
    """A command that runs, and its lines as they come."""

    def __init__(self, *arguments: str, cwd: Path, told_on: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._told: queue.Queue[str] = queue.Queue()
        stream = self.process.stdout if told_on == "stdout" else self.process.stderr
        assert stream is not None
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._told.put(line.rstrip("\n"))

    def until(self, start: str) -> str:
        """Return the next line that begins like this."""
        while True:
            line = self._told.get(timeout=SECONDS)
            if line.startswith(start):
                return line

    def rest(self) -> list[str]:
        """Return the lines that are left, once it has ended."""
        self._reader.join(SECONDS)
        return [self._told.get() for _ in range(self._told.qsize())]

    def types(self, line: str) -> None:
        """Write a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def ends(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if one is given; return the exit status."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join(SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Running]]:
    """Start a command beside the plugin's folder."""
    running: list[Running] = []

    def begin(*arguments: str, told_on: str) -> Running:
        running.append(Running(*arguments, cwd=folder.parent, told_on=told_on))
        return running[-1]

    yield begin
    for one in running:
        one.close()


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["inline", "process"])
def test_a_run_that_watches_reloads_until_a_signal(start: Callable[..., Running], folder: Path, isolation: str) -> None:
    """What a save leads to is told on the standard error, and the summary comes at the end."""
    arguments = ("run", "a.csv", "--plugins=./greeter", "--isolation", isolation, "--allow-unconfined")
    running = start(*arguments, "--watch", "--json", told_on="stderr")
    assert running.until("reloaded when") == "reloaded when their files change: greeter; Ctrl-C ends it"
    (folder / "greeter.py").write_text(CODE.replace("hello", "good morning"))
    told = running.until("plugin greeter: reloaded")
    assert re.fullmatch(r"plugin greeter: reloaded generation 2 in [\d.]+ ms, pause [\d.]+ ms: .*", told)
    (folder / "greeter.py").write_text(CODE.replace("async def", "async de"))
    told = running.until("plugin greeter: reload failed")
    assert told.startswith("plugin greeter: reload failed: greeter.py:8: SyntaxError: ")
    assert told.endswith("; generation 2 goes on")
    assert running.ends(signal.SIGINT) == 130
    assert all(line.startswith("plugin greeter: ") for line in running.rest())  # nobody else told of it too
    assert running.process.stdout is not None
    summary = json.loads(running.process.stdout.read())
    assert (summary["rows"], summary["interrupted"]) == (2, "SIGINT")
    assert summary["plugins"]["greeter"]["host"] == isolation


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["inline", "process"])
def test_an_author_saves_and_sees(start: Callable[..., Running], folder: Path, isolation: str) -> None:
    """A save, a broken one, the way back, an example, and the end: one line for each where nobody sits there."""
    running = start("dev", "greeter", "--isolation", isolation, "--allow-unconfined", told_on="stdout")
    running.until("greeter: loaded a table")
    running.types("e")
    assert running.until("greeter: log") == "greeter: log: warning: hello 6"
    (folder / "greeter.py").write_text(CODE.replace("hello", "good morning"))
    running.until("greeter: reloaded generation 2 in ")
    running.types("e")
    assert running.until("greeter: log") == "greeter: log: warning: good morning 7"
    (folder / "greeter.py").write_text(CODE.replace("async def", "async de"))
    assert running.until("greeter: reload failed").startswith("greeter: reload failed: greeter.py:8: SyntaxError: ")
    running.types("b")
    running.until("greeter: reloaded generation ")
    running.types("e")
    assert running.until("greeter: log") == "greeter: log: warning: hello 8"
    running.types("h")
    assert running.until("greeter: health") == "greeter: health: healthy"
    running.types("q")
    assert running.until("greeter: ended").startswith("greeter: ended; reloads: 2, failed: 1; events since: ")
    assert running.ends() == 0


@pytest.mark.slow
def test_a_signal_ends_the_author_s_loop_in_order(start: Callable[..., Running]) -> None:
    """With the status that shells expect; that nobody types any more ends nothing."""
    running = start("dev", "greeter", "--isolation", "inline", told_on="stdout")
    running.until("greeter: loaded a table")
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.ends(signal.SIGTERM) == 143
    running.until("greeter: ended")
    assert running.process.stderr is not None
    assert running.process.stderr.read() == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_shows_it_in_place_and_takes_single_keys(folder: Path) -> None:
    """Errors stand there with their lines; at the end the terminal is as it was."""
    import pty
    import termios

    (folder / "greeter.py").write_text(CODE.replace("self.ctx.log.warning", 'raise ValueError("enough")  # '))
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [*PROGRAM, "dev", "greeter", "--isolation", "inline"]
    process = subprocess.Popen(
        command, cwd=folder.parent, env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    try:
        shown = read_until(ours, "loaded a table")
        assert "greeter 1.0.0, generation 1, running, inline" in shown
        assert "row:create (Greeter.greet)" in shown
        os.write(ours, b"e")
        shown = read_until(ours, "ValueError: enough")
        shown += read_until(ours, "1 failed")
        assert "handler Greeter.greet failed on row:create: greeter.py:9" in shown
        os.write(ours, b"q")
        read_until(ours, "greeter: ended")
        assert process.wait(SECONDS) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def read_until(terminal: int, text: str) -> str:
    """Return what a terminal shows, without its colours, up to a text."""
    import select

    found = ""
    while text not in found:
        assert select.select([terminal], [], [], SECONDS)[0], f"{text!r} does not come in {found!r}"
        found += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(terminal, 65536).decode(errors="replace"))
    return found


async def test_reloads_of_all_plugins_are_told(tmp_path: Path) -> None:
    """With their names; places are shown within the folder of the plugin that they are of."""
    lines: list[str] = []
    (tmp_path / "fan.py").write_text("one\ntwo\nthree\n")
    async with Bus() as bus:
        tell_reloads(bus, lines.append, lambda plugin_id: tmp_path if plugin_id == "fan" else None)
        await bus.publish(PLUGIN_RELOADED, PluginReloaded("greeter", 2, "1", "1", "asked for", 11.0, 0.002, 3, ("x",)))
        at = str(tmp_path / "fan.py")
        fact = PluginReloadFailed("fan", 4, "initialize", "ValueError", "no luck", at, 2, 0.1)
        await bus.publish(PLUGIN_RELOAD_FAILED, fact)
        await bus.publish(PLUGIN_RECONFIGURED, PluginReconfigured("fan", ("greeting",)))
        await bus.drain()
    assert lines == [
        "plugin greeter: reloaded generation 2 in 11.0 s, pause 2.0 ms: asked for",
        "plugin greeter: channel x",
        "plugin fan: reload failed at initialize: fan.py:2: ValueError: no luck; generation 3 goes on",
        "plugin fan:   1 one",
        "plugin fan: > 2 two",
        "plugin fan:   3 three",
        "plugin fan: took its new greeting",
    ]


def test_durations_are_told_as_people_read_them() -> None:
    """With as many digits as say something."""
    assert [milliseconds(seconds) for seconds in (0.00042, 0.0123, 1.5, 12.34)] == [
        "0.4 ms",
        "12 ms",
        "1500 ms",
        "12.3 s",
    ]
