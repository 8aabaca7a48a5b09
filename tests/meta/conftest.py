"""The project's own sources, read once, for the tests that hold the house in order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

PROJECT = Path(__file__).parents[2]


@attrs.frozen
class Source:
    """One Python file."""

    path: str  #: relative to the project
    module: str  #: dotted name; a package's ``__init__`` bears the name of the package
    is_package: bool
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package that relative imports of this file start from."""
        return self.module if self.is_package else self.module.rpartition(".")[0]


def read_sources(*folders: str) -> Iterator[Source]:
    """Parse each Python file below ``folders``."""
    for folder in folders:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            relative = path.relative_to(PROJECT)
            parts = relative.with_suffix("").parts
            is_package = parts[-1] == "__init__"
            text = path.read_text(encoding="utf-8")
            yield Source(
                relative.as_posix(),
                ".".join(parts[:-1] if is_package else parts),
                is_package,
                text,
                ast.parse(text, filename=str(relative)),
            )


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder of pyproject.toml."""
    return PROJECT


@pytest.fixture(scope="session")
def sources() -> tuple[Source, ...]:
    """The files that are shipped."""
    return tuple(read_sources("gridbus", "official_plugins"))


@pytest.fixture(scope="session")
def suite() -> tuple[Source, ...]:
    """The tests, without those about the house itself."""
    return tuple(source for source in read_sources("tests") if not source.path.startswith("tests/meta/"))


@pytest.fixture(scope="session")
def all_sources() -> tuple[Source, ...]:
    """Everything in Python."""
    return tuple(read_sources("gridbus", "official_plugins", "tests", "benchmarks", "examples", "docs"))
