"""What importing gridbus brings along."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: needed by a part of gridbus, or by an extra; each is imported by the function that needs it
LATE = {
    "aiofiles",
    "cattrs",
    "charset_normalizer",
    "csv",
    "httpx",
    "hypothesis",
    "nats",
    "polars",
    "pydantic",
    "pytest",
    "reportlab",
    "rich",
    "rustpy_xlsxwriter",
    "sqlite3",
    "tomllib",
    "typer",
    "uvloop",
    "watchfiles",
    "xlsxwriter",
}


@pytest.mark.parametrize("module", ["gridbus", "official_plugins"])
def test_import_brings_no_library_that_may_not_be_needed(module: str, project: Path) -> None:
    """``import gridbus`` stays small, and works without any extra installed."""
    program = f"import json, sys\nfrom {module} import *\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, capture_output=True, text=True, timeout=20, check=True
    )
    assert not LATE & set(json.loads(done.stdout))


def test_importing_gridbus_brings_only_its_errors(project: Path) -> None:
    """Its other names bring their modules when they are first used."""
    program = "import json, sys, gridbus; print(json.dumps(sorted(n for n in sys.modules if n.startswith('gridbus'))))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, capture_output=True, text=True, timeout=20, check=True
    )
    assert json.loads(done.stdout) == ["gridbus", "gridbus.errors"]
