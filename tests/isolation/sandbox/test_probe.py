"""What is found out about this machine, and about others."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from gridbus.isolation.sandbox import Layer, SandboxReport, probe
from gridbus.isolation.sandbox.machine import Machine
from gridbus.isolation.sandbox.trials import _layer, _Trial

PROBE = """
import json, attrs
from gridbus.isolation.sandbox import probe
report = probe()
print(json.dumps([report.holds, report.user, {layer.name: layer.holds for layer in report.layers}]))
"""


def test_each_layer_is_tried_for_this_user(runner: Any) -> None:
    """Where the sandbox works, as the other tests show, the probe says so."""
    holds, user, layers = runner.tell(PROBE)
    assert {"seccomp", "landlock", "rlimits", "privileges", "parent", "whole sandbox"} <= layers.keys()
    assert holds, layers
    assert user == ("root" if runner.user == "root" else user)


def test_a_layer_that_stops_nothing_does_not_hold(runner: Any) -> None:
    """Each layer is taken away in turn, by putting nothing in its place."""
    program = """
import json
from gridbus.isolation.sandbox import trials
for name, nothing in {
    "apply_filter": lambda *ignored: None,
    "restrict_files": lambda *ignored, **more: "version 9",
    "apply_limits": lambda *ignored, **more: "all",
    "drop_privileges": lambda *ignored, **more: "nobody",
    "end_with_parent": lambda *ignored: "SIGKILL",
}.items():
    setattr(trials, name, nothing)
trials.confine = lambda *ignored, **more: {}
trials.capabilities = lambda kernel: 1
print(json.dumps({layer.name: [layer.holds, layer.detail] for layer in trials.run_trials() if layer.required}))
"""
    told = runner.tell(program)
    assert {name for name, (holds, _) in told.items() if holds} == set()
    assert told["landlock"][1] == "listing / was possible"
    assert told["parent"][1] == "a process outlived the one that started it"
    assert told["rlimits"][1] == "taking 64 MB more than allowed was possible"


def test_the_trial_that_must_end_by_a_signal_does_not_hold_if_it_ends_otherwise() -> None:
    """And one that says nothing tells how it ended."""
    silent = _layer(None, _Trial("silent", lambda kernel: "", True, "do this"))  # type: ignore[arg-type]
    assert silent == Layer("silent", False, True, "the trial ended with 0", "do this")


def test_a_report_holds_if_all_that_is_required_does() -> None:
    """What is optional may be missing."""
    one, two = Layer("one", True, True, ""), Layer("two", False, False, "")
    three = Layer("three", False, True, "")
    assert SandboxReport((one, two), "", "", "").holds
    report = SandboxReport((one, two, three), "", "", "")
    assert not report.holds
    assert report.missing == (three,)


@pytest.mark.parametrize("system", ["macOS", "Windows"])
def test_other_platforms_isolate_crashes_only(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """Nothing is tried there, and it is said plainly."""
    there = Machine(system, "1", "arm64", None, 0)
    monkeypatch.setattr(sys.modules["gridbus.isolation.sandbox.probe"], "this_machine", lambda: there)
    report = probe()
    assert not report.holds
    assert report.layers[0].detail.startswith(f"{system} has no sandbox that gridbus can use: crash isolation only, no")
    assert report.platform == f"{system} arm64"


def test_an_interpreter_that_cannot_import_gridbus_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last line of what it said."""
    monkeypatch.setattr(sys, "path", ["/nowhere"])
    (layer,) = probe().layers
    assert not layer.holds
    assert "ended with 1" in layer.detail
    assert json.dumps(layer.remedy) == '"make sure that this interpreter can import gridbus"'
