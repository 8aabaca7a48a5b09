"""Compiled code of plugins."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gridbus.hosting.parent.compiling import compile_folder


def test_what_has_changed_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second save within a second is noticed, as the hash decides; what is no Python is left to who imports it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "below").mkdir()
    (tmp_path / "one.py").write_text("A = 1\n")
    (tmp_path / "below" / "two.py").write_text("B = 2\n")
    (tmp_path / "broken.py").write_text("def\n")
    assert compile_folder(tmp_path) == 2
    assert compile_folder(tmp_path) == 0
    (tmp_path / "one.py").write_text("A = 3\n")
    assert compile_folder(tmp_path) == 1


def test_nothing_is_written_where_that_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PYTHONDONTWRITEBYTECODE`` holds here too."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "one.py").write_text("A = 1\n")
    assert compile_folder(tmp_path) == 0
    assert list(tmp_path.iterdir()) == [tmp_path / "one.py"]
