"""Reading files that a test writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridbus.tables import Table, read_table


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file and returns its path; text is written as UTF-8, as it is."""

    def write(content: str | bytes, name: str = "people.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def read(write: Callable[..., Path]) -> Callable[..., Table]:
    """Reads a file of this content."""

    def read(content: str | bytes, name: str = "people.csv", **options: Any) -> Table:
        return read_table(write(content, name), **options)

    return read
