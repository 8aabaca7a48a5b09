"""A fresh interpreter for one measurement, so that nothing that ran before weighs on it.

``python -m benchmarks.isolated MODULE FUNCTION ARGUMENTS`` calls the function with the arguments, a JSON list, and
prints what it returns as the last line.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parent.parent


@attrs.frozen
class Figure:
    """One number, and what it is to stay below, or to reach; None where it is only shown."""

    figure: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False  #: more is better

    @property
    def reached(self) -> bool | None:
        """Tell whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {"figure": self.figure, "value": round(self.value, 3), "unit": self.unit, "goal": self.goal}


def call(module: str, function: str, *arguments: Any, timeout: float = 600.0) -> Any:
    """Call a function in a new interpreter and return its result, which has to be JSON.

    Raises:
        RuntimeError: it failed; the message ends with what it wrote to standard error.
    """
    command = [sys.executable, "-m", "benchmarks.isolated", module, function, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"{module}.{function}{arguments} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_bytes() -> int:
    """Return the most memory that this process ever had in use.

    ``ru_maxrss`` will not do on Linux: a child begins with its parent's.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    chosen = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])
    print(json.dumps(chosen(*json.loads(sys.argv[3]))))
