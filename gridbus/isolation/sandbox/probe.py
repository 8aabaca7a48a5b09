"""Finds out what of the sandbox holds here, by trying."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from gridbus.isolation.sandbox.machine import Machine, this_machine
from gridbus.isolation.sandbox.report import Layer, SandboxReport

_TIME_LIMIT = 20.0
_PROGRAM = "import runpy, sys; sys.path[:] = sys.argv[1:]; runpy.run_module('{module}', run_name='__main__')"
_MODULE = "gridbus.isolation.sandbox.trials"


def probe() -> SandboxReport:
    """Try each layer in processes of its own, for this user; takes about 0.2 s, so keep the answer.

    Blocks: call it in a thread where there is an event loop. A layer holds if it stopped what it has to stop.
    """
    machine = this_machine()
    layers = (_not_here(machine),) if machine.obstacle else _tried()
    return SandboxReport(layers, f"{machine.system} {machine.processor}", machine.kernel, _user())


def _tried() -> tuple[Layer, ...]:
    # a fresh interpreter: the application may have threads, and what is applied cannot be taken back
    command = [sys.executable, "-I", "-c", _PROGRAM.format(module=_MODULE), *map(os.path.abspath, sys.path)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIME_LIMIT, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _untried(f"the process that tries it did not run: {error}")
    try:
        return tuple(msgspec.json.decode(done.stdout, type=list[Layer]))
    except msgspec.DecodeError:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else "it said nothing"
        return _untried(f"the process that tries it ended with {done.returncode}: {said}")


def _untried(why: str) -> tuple[Layer, ...]:
    return (Layer("whole sandbox", False, True, why, "make sure that this interpreter can import gridbus"),)


def _not_here(machine: Machine) -> Layer:
    return Layer("whole sandbox", False, True, machine.obstacle, "run plugins that are not trusted on Linux")


def _user() -> str:
    if not hasattr(os, "geteuid"):
        return "this user"
    return "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
