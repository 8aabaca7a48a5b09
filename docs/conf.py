"""Sphinx: the guide as it is written, and a page for each public package, made from its docstrings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = PROJECT["name"]
release = PROJECT["version"]
copyright = PROJECT["authors"][0]["name"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"gridbus {release}"

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
myst_heading_anchors = 3


def setup(app: Sphinx) -> None:
    """Write the pages of the reference and read our docstrings."""
    write_api_pages()
    app.connect("autodoc-process-docstring", read_sections)


def write_api_pages() -> None:
    """Write a page for each package that declares public names; the folder is not kept in git."""
    folder = HERE / "api"
    folder.mkdir(exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()
    for name in ("gridbus", "official_plugins"):
        for path in sorted((HERE.parent / name).rglob("__init__.py")):
            if "__all__" in path.read_text(encoding="utf-8"):
                package = ".".join(path.parent.relative_to(HERE.parent).parts)
                # what these two offer again is described, and indexed, where it lives
                index = "   :no-index:\n" if package in ("gridbus", "official_plugins") else ""
                page = f"{package}\n{'=' * len(package)}\n\n.. automodule:: {package}\n{index}"
                (folder / f"{package}.rst").write_text(page, encoding="utf-8")


def read_sections(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Turn Google sections into Sphinx's own.

    The napoleon extension does this too, and reads a field's ``#: bytes: keys and values`` as type and text.
    """
    if what not in ("attribute", "data", "property"):
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, found, options).lines()
