"""The check that no task outlives its test can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import asyncio
import pytest

@pytest.fixture
async def closed_at_teardown():
    task = asyncio.ensure_future(asyncio.sleep(60))
    yield
    task.cancel()

async def test_clean(closed_at_teardown): ...
async def test_leak(): asyncio.ensure_future(asyncio.sleep(60)).set_name("forgotten")
def test_without_loop(): ...
"""


@pytest.mark.parametrize("options", [[], ["--uvloop"]], ids=["asyncio", "uvloop"])
def test_a_task_that_outlives_its_test_is_an_error(options: list[str], project: Path, tmp_path: Path) -> None:
    """What a fixture cancels is fine; what nobody does is named."""
    (tmp_path / "conftest.py").write_text((project / "tests" / "conftest.py").read_text(encoding="utf-8"))
    (tmp_path / "test_inner.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", *options]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=25)
    assert "3 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "forgotten" in done.stdout
