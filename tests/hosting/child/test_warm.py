"""What a process does before plugins' processes are forked from it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from gridbus.hosting.child.warm import warm

SCRIPT = """
import gc, os, sys
from gridbus.hosting.child.warm import warm
warm()
before = set(sys.modules)
descriptors = len(os.listdir("/proc/self/fd"))
warm()
assert set(sys.modules) == before, sorted(set(sys.modules) - before)
assert len(os.listdir("/proc/self/fd")) == descriptors
assert not [name for name in sys.modules if "sample" in name]
"""


def test_warming_up_leaves_log_and_warnings_as_they_were() -> None:
    """It logs and warns as a plugin's process does, and puts back what was there."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, list(warnings.filters), warnings.showwarning)
    warm()
    assert (list(root.handlers), root.level, list(warnings.filters), warnings.showwarning) == before


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_warming_up_leaves_no_modules_and_no_descriptors() -> None:
    """What it loaded is gone, and a second time brings nothing new."""
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
