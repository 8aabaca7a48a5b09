"""The examples do what they say."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import openpyxl
import pytest

from gridbus.config import check_config

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_quickstart_logs_without_addresses_and_exports_both_rows(folder: Path) -> None:
    """The file is a real one."""
    runpy.run_path(str(EXAMPLES / "quickstart.py"))
    text = (folder / "audit.jsonl").read_text()
    assert [json.loads(line)["topic"] for line in text.splitlines()] == ["row:create", "row:update"]
    assert "example.org" not in text
    rows = list(openpyxl.load_workbook(folder / "people.xlsx").active.iter_rows(values_only=True))
    assert rows == [
        ("name", "email", "salary"),
        ("Ada", "ada@example.org", 90_000),
        ("Grace", "grace@example.org", 99_000),
    ]


def test_greeter_greets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row and a caller."""
    runpy.run_path(str(EXAMPLES / "greeter.py"))
    assert capsys.readouterr().out.splitlines() == ["good morning, Ada", "good morning, Grace", "1 rows greeted"]


def test_limits_lets_one_change_pass_and_refuses_the_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The interceptor rounds, asks, and vetoes."""
    runpy.run_path(str(EXAMPLES / "limits.py"))
    assert capsys.readouterr().out.splitlines() == [
        "the salary is 99,000",
        "row:update was vetoed by guard/Guard.check: salary ends at 120,000",
        "refused by guard/Guard.check: salary ends at 120,000",
    ]


def test_from_config_starts_what_the_file_declares(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The audit log hides salaries there."""
    runpy.run_path(str(EXAMPLES / "from_config.py"))
    assert capsys.readouterr().out.startswith("3 rows; plugins: audit-log, export\n")
    assert "92000" in (folder / "out" / "people.csv").read_text()
    assert "92000" not in (folder / "audit.jsonl").read_text()


async def test_the_file_of_the_example_is_right() -> None:
    """``gridbus check`` finds nothing."""
    report = await check_config(EXAMPLES / "gridbus.toml")
    assert report.problems == ()
