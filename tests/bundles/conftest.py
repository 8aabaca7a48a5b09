"""Folders of code, importers that are unloaded, and files that are old enough to be trusted."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from gridbus.bundles import Bundle, BundleImporter, read_bundle

Write = Callable[[dict[str, str | bytes]], Path]
MakeImporter = Callable[..., BundleImporter]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into a plugin's folder."""

    def files(contents: dict[str, str | bytes]) -> Path:
        folder = tmp_path / "plugin-folder"
        for path, content in contents.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
        return folder

    return files


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the wall clock and the monotonic one go on."""
    gone = itertools.count()
    ahead = 0.0
    wall, steady = time.time_ns, time.monotonic

    def go_on(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds
        if next(gone) == 0:
            monkeypatch.setattr(time, "time_ns", lambda: wall() + int(ahead * 1e9))
            monkeypatch.setattr(time, "monotonic", lambda: steady() + ahead)

    return go_on


@pytest.fixture
def importer() -> Iterator[MakeImporter]:
    """Make importers of a folder or bundle, each under the name of the next generation; they are unloaded."""
    made: list[BundleImporter] = []

    def make(source: Path | Bundle, package: str | None = None) -> BundleImporter:
        bundle = source if isinstance(source, Bundle) else read_bundle(source)
        made.append(BundleImporter(package or f"gridbus_plugin_bundled__{len(made) + 1}", bundle))
        return made[-1]

    yield make
    for one in made:
        one.unload()
    assert not [name for name in sys.modules if name.startswith("gridbus_plugin_bundled")]
