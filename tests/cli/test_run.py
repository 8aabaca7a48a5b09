"""``gridbus run``: a file, operations, plugins, a summary and an exit status."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from gridbus import Draft, Plugin, PluginContext, PluginMetadata, Veto, intercepts, on
from gridbus.cli import main
from gridbus.grid import ROW_DELETE, ROW_UPDATE, RowDeleted

CSV = "id,carrier,delay,when\n1,UA,5,2013-01-01\n2,AA,61,2013-01-02\n3,UA,90,2013-01-03\n4,DL,,2013-01-04\n"


@attrs.frozen
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The summary that was printed as JSON."""
        data: dict[str, Any] = json.loads(self.out)
        return data


@pytest.fixture
def gridbus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in an empty folder with ``flights.csv`` in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flights.csv").write_text(CSV)

    def run(*arguments: str, ops: list[str] | None = None) -> Done:
        if ops is not None:
            (tmp_path / "ops.jsonl").write_text("\n".join(ops))
            arguments = (*arguments, "--ops", "ops.jsonl")
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        status = ended.value.code
        assert isinstance(status, int)
        return Done(status, out, err)

    return run


class Guard(Plugin):
    """Refuses to delete, and fails on updates."""

    metadata = PluginMetadata(id="guard", name="Guard", version="1.0")

    @intercepts(ROW_DELETE)
    def keep(self, draft: Draft[RowDeleted]) -> None:
        raise Veto("rows stay")

    @on(ROW_UPDATE)
    async def fail(self, event: object) -> None:
        raise RuntimeError("no luck")


class Broken(Plugin):
    """Does not start."""

    metadata = PluginMetadata(id="broken", name="Broken", version="1.0")

    async def initialize(self, ctx: PluginContext) -> None:
        raise RuntimeError("no luck")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name under which the plugins of this module can be imported."""
    monkeypatch.setitem(sys.modules, "run_test_plugins", sys.modules[__name__])
    return "run_test_plugins"


def test_each_operation_is_applied_and_the_summary_counts_them(gridbus: Callable[..., Done], tmp_path: Path) -> None:
    """The form of the JSON summary is fixed."""
    ops = [
        '{"op":"create","values":{"id":5,"carrier":"UA","delay":70,"when":"2013-01-05"}}',
        '{"op":"update","id":"1","changes":{"delay":100}}',
        '{"op":"delete","id":4}',
        '{"op":"select","ids":["2","3"]}',
        '{"op":"deselect","ids":["2"]}',
        "",
        '{"op":"sort","by":[{"column":"delay","desc":true}]}',
        '{"op":"filter","where":{"and":[{"column":"delay","gt":60},{"column":"carrier","in":["UA"]}]}}',
        '{"op":"page","number":1,"size":2}',
        '{"op":"export","format":"csv","path":"late.csv","columns":["id","delay"]}',
        '{"op":"export","format":"json","path":"late.json"}',
    ]
    done = gridbus(
        "run", "flights.csv", "--id-column", "id", "--plugins", "audit-log", "export", "--out", "out", "--json", ops=ops
    )
    assert (done.status, done.err) == (0, "")
    summary = done.summary
    assert list(summary)[:6] == ["rows", "visible", "events", "plugins", "errors", "seconds"]
    assert (summary["rows"], summary["visible"], summary["errors"], summary["operations"]) == (4, 3, [], 10)
    events = summary["events"]
    expected = {"row:create": 1, "row:update": 1, "row:delete": 1, "data:load": 1, "filter:apply": 1, "export:done": 2}
    assert {topic: events[topic] for topic in expected} == expected
    audit = summary["plugins"]["audit-log"]
    assert list(audit) == ["health", "handled", "failed", "dropped", "p50_us", "p99_us", "host"]
    assert (audit["health"], audit["handled"], audit["failed"], audit["dropped"]) == ("healthy", 6, 0, 0)
    assert 0 < audit["p50_us"] <= audit["p99_us"]
    assert (tmp_path / "out" / "late.csv").read_text() == "id,delay\n1,100\n3,90\n5,70\n"
    assert json.loads((tmp_path / "out" / "late.json").read_text())[0]["when"] == "2013-01-01"
    topics = [json.loads(line)["topic"] for line in (tmp_path / "out" / "audit.jsonl").read_text().splitlines()]
    assert topics == ["data:load", "row:create", "row:update", "row:delete", "row:select", "row:deselect"]


def test_bad_lines_are_named_and_the_rest_still_runs(gridbus: Callable[..., Done]) -> None:
    """Each with line, column and reason; the exit status is 1."""
    ops = [
        '{"op":"update","id":"1","changes":{"delay":"x"}}',
        '{"op":"update","id":"1","changes":{"dealy":1}}',
        '{"op":"update","id":"99","changes":{"delay":1}}',
        '{"op":"create","values":{"carrier":5}}',
        '{"op":"delete","id":"99"}',
        '{"op":"select","ids":["1","99"]}',
        '{"op":"sort","by":["delay","dealy"]}',
        '{"op":"filter","where":{"or":[{"column":"delay","gt":"a"}]}}',
        '{"op":"filter","where":{"column":"carrier","gt":1}}',
        '{"op":"page","number":0,"size":1}',
        '{"op":"export","format":"doc","path":"a"}',
        '{"op":"export","format":"csv","path":"../a"}',
        '{"op":"export","format":"pdf","path":"a.pdf"}',
        '{"op":"export","format":"csv","path":"a","columns":["dealy"]}',
        "oops",
        '{"op":"delete","id":"1"}',
    ]
    done = gridbus("run", "flights.csv", "--json", ops=ops)
    assert done.status == 1
    found = [(error["line"], error["column"], error["message"]) for error in done.summary["errors"]]
    expected = [
        (1, 36, "row '1', column 'delay': expected a whole number, got text 'x'"),
        (2, 36, "no column is named 'dealy'; did you mean 'delay'?"),
        (3, 16, "no row has the id '99'"),
        (4, 26, "new row, column 'carrier': expected a text, got int 5"),
        (5, 16, "no row has the id '99'"),
        (6, 27, "no row has the id '99'"),
        (7, 28, "no column is named 'dealy'"),
        (8, 49, "column 'delay' is int, so it cannot be compared with text 'a'"),
        (9, 44, "column 'carrier' is text, so it cannot be compared with int 1"),
        (10, 14, "a page's number is a whole number from 1, not 0"),
        (11, 16, "there is no format 'doc'"),
        (12, 31, "'../a' leads out of the folder for exports"),
        (13, 16, "pdf cannot be made in this version"),
        (14, 42, "no column is named 'dealy'"),
        (15, 1, "no valid JSON: expecting value"),
    ]
    assert [place[:2] for place in found] == [place[:2] for place in expected]
    for (_, _, message), (_, _, start) in zip(found, expected, strict=True):
        assert message.startswith(start)
    assert done.err.splitlines()[0] == f"ops.jsonl: line 1, column 36: {expected[0][2]}"
    assert (done.summary["rows"], done.summary["operations"]) == (3, 1)


def test_a_veto_and_a_failing_handler_are_told(gridbus: Callable[..., Done], here: str) -> None:
    """The veto at its line, the handler with its plugin; the grid goes on."""
    ops = ['{"op":"delete","id":"1"}', '{"op":"update","id":"1","changes":{"delay":7}}']
    done = gridbus("run", "flights.csv", "--plugins", f"{here}:Guard", "--isolation", "inline", "--json", ops=ops)
    assert done.status == 1
    [error] = done.summary["errors"]
    assert (error["line"], error["column"]) == (1, 1)
    assert error["message"].endswith("rows stay")
    guard = done.summary["plugins"]["guard"]
    assert (guard["health"], guard["handled"], guard["failed"]) == ("warning", 0, 1)
    assert "plugin guard: warning: 1 failure in the last 60 s" in done.err
    assert "plugin guard: calls that failed: 1, events dropped: 0" in done.err
    assert done.summary["rows"] == 4


def test_a_plugin_that_does_not_start_keeps_nobody_from_it(gridbus: Callable[..., Done], here: str) -> None:
    """It is named, and the exit status says so."""
    names = (f"{here}:Broken", "export")
    done = gridbus("run", "flights.csv", "--plugins", *names, "--isolation=inline", "--json", ops=['{"op":"page"}'])
    assert done.status == 1
    assert list(done.summary["plugins"]) == ["export"]
    assert done.summary["plugin_problems"] == ["plugin broken: initialize failed: no luck"]
    assert "plugin broken: initialize failed: no luck" in done.err


def test_rows_that_cannot_be_loaded_are_told_and_counted(gridbus: Callable[..., Done], tmp_path: Path) -> None:
    """The exit status is 1, since data is missing; what was only repaired does not count as such."""
    (tmp_path / "a.csv").write_text("id,b\n1,2\n1,3\n4\n")
    done = gridbus("run", "a.csv", "--id-column", "id", "--json")
    assert done.status == 1
    assert done.summary["load_problems"]["count"] == 2
    assert done.summary["load_problems"]["skipped_rows"] == 1
    assert done.summary["load_problems"]["first"][0].startswith("line 3: the id '1' was there before")
    assert done.err.splitlines()[0].startswith("a.csv: line 3: ")
    assert done.err.splitlines()[-1] == "a.csv: 1 row was not loaded"
    (tmp_path / "a.csv").write_text("id,b\n1,2\n4\n")
    assert gridbus("run", "a.csv").status == 0


def test_only_the_first_problems_are_shown(gridbus: Callable[..., Done], tmp_path: Path) -> None:
    """And how many more there are."""
    (tmp_path / "a.csv").write_text("id,b\n" + "1,2\n" * 31)
    done = gridbus("run", "a.csv", "--id-column", "id")
    lines = done.err.splitlines()
    assert len(lines) == 22
    assert lines[20:] == ["a.csv: ... and 10 more", "a.csv: 30 rows were not loaded"]
    assert "not loaded  30 rows of the file" in done.out


def test_without_the_export_plugin_an_export_says_what_is_missing(gridbus: Callable[..., Done]) -> None:
    """By default it is there."""
    ops = ['{"op":"export","format":"csv","path":"a.csv"}']
    done = gridbus("run", "flights.csv", "--plugins", "audit-log", "--json", ops=ops)
    assert [error["message"] for error in done.summary["errors"]] == [
        "nothing exports here: the plugin 'export' is not among --plugins"
    ]
    assert gridbus("run", "flights.csv", ops=ops).status == 0


def test_the_summary_is_plain_text_where_it_is_piped(gridbus: Callable[..., Done]) -> None:
    """No frames, no colours, no bar; columns are aligned."""
    done = gridbus("run", "flights.csv", ops=['{"op":"create","values":{"id":5}}'])
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:3] == ["rows        5", "visible     5", "operations  1 applied, 0 refused"]
    assert "row:create              1" in lines
    assert lines[-1].split()[:6] == ["export", "inline", "healthy", "0", "0", "0"]
    assert done.out.isascii()


def test_operations_come_from_the_standard_input(
    gridbus: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Errors name the line alone."""
    (tmp_path / "in").write_text('{"op":"delete","id":"1"}\n{"op":"delete","id":"1"}\n')
    with (tmp_path / "in").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        done = gridbus("run", "flights.csv", "--ops", "-", "--json")
    assert done.status == 1
    assert done.err == "line 2, column 16: no row has the id '1'\n"
    assert done.summary["rows"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch.csv"], "gridbus run: nosuch.csv: there is no such file"),
        (["."], "gridbus run: .: this is a folder, name a file in it"),
        (["flights.csv", "--ops", "nosuch"], "gridbus run: nosuch: there is no such file"),
        (
            ["flights.csv", "--plugins", "audit-lg"],
            "gridbus run: there is no plugin 'audit-lg'; the installed ones are analytics, audit-log, export",
        ),
        (["flights.csv", "--what"], "No such option"),
        ([], "Missing argument"),
        (["flights.csv", "--plugins"], "requires an argument"),
    ],
)
def test_what_cannot_begin_ends_with_2(gridbus: Callable[..., Done], arguments: list[str], message: str) -> None:
    """And says why."""
    done = gridbus("run", *arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err


def test_a_file_that_is_no_table_ends_with_1(gridbus: Callable[..., Done], tmp_path: Path) -> None:
    """It is named."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    done = gridbus("run", "a.parquet")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("gridbus run: a.parquet: unknown file type '.parquet'")


def test_a_terminal_gets_tables_and_bars(
    gridbus: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bars go to the standard error, the tables to the output."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, err = Terminal(), Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        gridbus("run", "flights.csv", ops=['{"op":"delete","id":"1"}'])
    assert "loading" in err.getvalue()
    assert "1 applied, 0 refused" in err.getvalue()
    assert "│ row:delete " in out.getvalue()
    assert "│ export │" in out.getvalue()


def test_plugins_are_granted_what_is_answered(
    gridbus: Callable[..., Done], here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --ask; where nobody can answer, a plugin does without, and says so."""
    guard = ("--plugins", f"{here}:Guard", "--isolation", "inline", "--json", "--ask")
    done = gridbus("run", "flights.csv", *guard)
    assert done.status == 1
    assert "plugin guard is not granted intercept:row:delete, subscribe:row:update: --ask needs a terminal" in done.err
    assert "was not granted it" in done.summary["plugin_problems"][0]

    async def yes() -> str:
        return "y\n"

    monkeypatch.setattr("gridbus.cli.commands.can_ask", lambda: True)
    monkeypatch.setattr("gridbus.cli.commands.terminal_line", yes)
    done = gridbus("run", "flights.csv", *guard)
    assert done.status == 0
    assert "Guard (guard 1.0) would like to" in done.err
    done = gridbus("run", "flights.csv", *guard, "--ops", "-")
    assert done.status == 2
    assert "give --ops a file" in done.err


def test_a_plugin_that_is_not_trusted_gets_a_process(gridbus: Callable[..., Done], tmp_path: Path) -> None:
    """The summary says where each one runs."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "gridbus-plugin.toml").write_text(
        '[plugin]\nid = "mine"\nname = "Mine"\nversion = "1"\nentry = "code:Mine"\n'
    )
    (tmp_path / "mine" / "code.py").write_text("from gridbus import Plugin\n\n\nclass Mine(Plugin):\n    pass\n")
    done = gridbus("run", "flights.csv", "--plugins=./mine,export", "--allow-unconfined", "--json")
    assert done.status == 0
    assert {name: plugin["host"] for name, plugin in done.summary["plugins"].items()} == {
        "mine": "process",
        "export": "inline",
    }
