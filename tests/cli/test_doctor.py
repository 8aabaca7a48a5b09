"""The command that says what of the sandbox holds."""

from __future__ import annotations

import json
import os
import sys

import pytest
from rich.console import Console

from gridbus.cli import doctor, main
from gridbus.isolation.sandbox import Layer, SandboxReport

HELD = Layer("seccomp", True, True, "no sockets")
EXTRA = Layer("cgroups", False, False, "none [here]", "mount them")
LOST = Layer("landlock", False, True, "the kernel has none", "a newer kernel")


def report(*layers: Layer) -> SandboxReport:
    """A report of an imaginary machine."""
    return SandboxReport(layers, "Linux x86_64", "6.1.0", "user 1000")


def run(monkeypatch: pytest.MonkeyPatch, found: SandboxReport, *arguments: str) -> int:
    """Run the command as if ``found`` had been found; return its exit status."""
    monkeypatch.setattr(doctor, "probe", lambda: found)
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    status = ended.value.code
    assert isinstance(status, int)
    return status


def test_it_ends_with_0_where_all_that_is_needed_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is optional may be missing."""
    assert run(monkeypatch, report(HELD, EXTRA)) == 0
    out = capsys.readouterr().out
    assert "Sandbox on Linux x86_64, kernel 6.1.0, as user 1000" in out
    assert "cgroups  no   optional  none [here]" in out
    assert "to do: mount them" in out
    assert out.endswith("Plugins that are not trusted can be held here.\n")


def test_it_ends_with_1_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The layer, and what to do about it."""
    assert run(monkeypatch, report(HELD, LOST)) == 1
    out = capsys.readouterr().out
    assert "landlock  no   needed    the kernel has none\n" in out
    assert "to do: a newer kernel" in out
    assert "are refused here: landlock does not hold" in out


def test_json_is_one_document(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit status in it, and all layers."""
    assert run(monkeypatch, report(HELD, LOST), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert told["platform"] == "Linux x86_64"
    assert [(layer["name"], layer["holds"], layer["required"]) for layer in told["layers"]] == [
        ("seccomp", True, True),
        ("landlock", False, True),
    ]


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What reads like markup is shown as it is."""
    monkeypatch.setattr(doctor, "output_console", lambda: Console(force_terminal=True, width=120, no_color=True))
    assert run(monkeypatch, report(HELD, EXTRA, LOST)) == 1
    out = capsys.readouterr().out
    assert "what to do" in out
    assert "none [here]" in out
    assert "a newer kernel" in out


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is nothing to try")
def test_it_tries_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is what the report says."""
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == (0 if told["holds"] else 1)
    assert told["user"] == ("root" if os.geteuid() == 0 else f"user {os.geteuid()}")
    assert {"seccomp", "landlock", "rlimits", "privileges"} <= {layer["name"] for layer in told["layers"]}
