"""What makes a module of a file of which the code is known already."""

from __future__ import annotations

import importlib.abc
import importlib.util
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType
from typing import Any


class CodeLoader(importlib.abc.InspectLoader):
    """Runs code that is in memory as the module of a file; what is not code comes from the disk.

    ``exec_module`` is that of the base class, so that tracebacks show the author's lines only, as of any import.
    """

    def __init__(
        self, path: str, *, package: bool, code: Callable[[], CodeType], source: Callable[[], str], owner: object
    ) -> None:
        self.path, self.owner = path, owner
        self._package, self._code, self._source = package, code, source

    def is_package(self, fullname: str) -> bool:
        """Tell whether the module has submodules."""
        return self._package

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code."""
        return self._code()

    def get_source(self, fullname: str) -> str:
        """Return the text from which that code came."""
        return self._source()

    def get_filename(self, fullname: str) -> str:
        """Return the path of the author's file."""
        return self.path

    def get_data(self, path: str) -> bytes:
        """Read a file, for ``pkgutil.get_data``."""
        return Path(path).read_bytes()

    def get_resource_reader(self, fullname: str) -> Any:
        """Return what ``importlib.resources`` reads the module's folder with."""
        from importlib.resources.readers import FileReader  # late, as importlib itself does: few plugins need it

        return FileReader(self)  # type: ignore[arg-type]  # it asks for the path only


def file_spec(fullname: str, loader: CodeLoader, *, folder: str | None) -> ModuleSpec:
    """Return the spec of a module with a file; ``folder`` is that of a package."""
    places = None if folder is None else [folder]
    spec = importlib.util.spec_from_file_location(
        fullname, loader.path, loader=loader, submodule_search_locations=places
    )
    assert spec is not None  # it never is where the loader is given
    return spec


def namespace_spec(fullname: str, folder: str, *, owner: object) -> ModuleSpec:
    """Return the spec of a folder without ``__init__``: a package that runs nothing."""
    loader = CodeLoader(f"{folder}/__init__.py", package=True, code=_no_code, source=str, owner=owner)
    spec = ModuleSpec(fullname, loader, is_package=True)
    spec.submodule_search_locations = [folder]
    return spec


def _no_code() -> CodeType:
    code: CodeType = compile("", "<no file>", "exec", dont_inherit=True)
    return code
