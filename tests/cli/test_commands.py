"""The other commands, and how the command line behaves as a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gridbus
from gridbus.cli import main

PROGRAM = [sys.executable, "-m", "gridbus"]
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    """Run a command in this process; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    status = ended.value.code
    assert isinstance(status, int)
    return status


def test_the_demo_tells_what_happens_and_leaves_its_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run begins afresh, whatever an earlier one left."""
    (folder / "demo-out").mkdir()
    (folder / "demo-out" / "audit.jsonl").write_text("{}\n")
    assert run("demo") == 0
    out, err = capsys.readouterr()
    assert err == ""
    for step in (
        "Loaded ",
        "asked the size reporter over a channel",
        "is refused",
        "Exported that view",
        '"email": "***"',
    ):
        assert out.count(step) == 1, step
    topics = [json.loads(line)["topic"] for line in (folder / "demo-out" / "audit.jsonl").read_text().splitlines()]
    assert topics == ["data:load", "row:create", "row:update", "row:reject", "row:delete"]
    assert "@" not in (folder / "demo-out" / "audit.jsonl").read_text()
    assert (folder / "demo-out" / "packages.csv").read_text().startswith("name,version,email,licence,files,bytes\n")


def test_a_file_that_is_right_is_summed_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    (folder / "gridbus.toml").write_text(
        '[grid]\nname = "people"\n[plugins.export]\n[plugins.analytics]\nenabled = false\n'
    )
    assert run("check") == 0
    expected = (
        "gridbus.toml: ok: grid 'people' with 0 columns; plugins: export (disabled: analytics); storage: memory\n"
    )
    assert capsys.readouterr().out == expected


def test_each_problem_is_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file, key and reason."""
    (folder / "a.toml").write_text('nmae = "x"\n[plugins.export.config]\nformats = ["doc"]\n')
    assert run("check", "a.toml") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'a.toml: nmae: unknown key "nmae", did you mean "name"?'
    assert lines[1].startswith("a.toml: plugins.export.config.formats[0]: expected one of")
    assert lines[2] == "a.toml: 2 problems"
    assert run("check", "nosuch.toml") == 1
    assert capsys.readouterr().out.splitlines()[0] == "nosuch.toml: there is no such file"


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """And of pyproject.toml."""
    assert run("--version") == 0
    assert capsys.readouterr().out == f"gridbus {gridbus.__version__}\n"
    assert f'version = "{gridbus.__version__}"' in (PROJECT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture
def fifo(folder: Path) -> Iterator[Path]:
    """A named pipe, and a table."""
    (folder / "a.csv").write_text("a\n1\n2\n")
    path = folder / "ops"
    os.mkfifo(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_early_and_in_order(fifo: Path, number: signal.Signals, status: int) -> None:
    """What was applied is written and summed up, though more may come from the pipe."""
    command = [*PROGRAM, "run", "a.csv", "--plugins", "audit-log", "--ops", str(fifo), "--json"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    with fifo.open("w") as pipe:
        pipe.write('{"op":"delete","id":"1"}\n')
        pipe.flush()
        audit = fifo.parent / "audit.jsonl"
        while not (audit.exists() and "row:delete" in audit.read_text()):
            assert process.poll() is None
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == status
    summary = json.loads(out)
    assert (summary["rows"], summary["operations"], summary["interrupted"]) == (1, 1, number.name)
    assert summary["plugins"]["audit-log"]["health"] == "healthy"


@pytest.mark.slow
def test_nobody_who_reads_makes_no_noise(folder: Path) -> None:
    """As in ``gridbus run ... | true``."""
    (folder / "a.csv").write_text("a\n1\n")
    reader, writer = os.pipe()
    os.close(reader)
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [*PROGRAM, "run", "a.csv"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, timeout=20)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
