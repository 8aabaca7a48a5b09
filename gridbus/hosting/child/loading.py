"""A plugin's code, imported and configured in its own process."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from gridbus.bundles import PackedImporter
from gridbus.errors import PluginError, PluginLoadError
from gridbus.hosting.protocol import Code, Declared, Hello
from gridbus.isolation.wire import type_path
from gridbus.manifest import PluginMetadata
from gridbus.plugins import Plugin
from gridbus.plugins.declare import Declaration, declarations
from gridbus.plugins.failure import strip
from gridbus.plugins.importing import import_entry, import_failure, private_package
from gridbus.plugins.loader import Loader
from gridbus.plugins.record import Record

MAIN = "__gridbus_main__"
"""The name under which the application's own script is imported, so that it does not run as one."""


async def load(hello: Hello, codes: Mapping[str, bytes]) -> Record:
    """Import and configure a plugin; nothing of it runs but its modules and its constructor.

    Args:
        hello: which.
        codes: of a plugin that comes as a folder, its compiled code.

    Raises:
        PluginLoadError: its code cannot be imported; the message names file and line.
        PluginValidationError: its metadata or configuration cannot be used.
        PluginDependencyError: it needs another version of gridbus.
    """
    importer = None
    if hello.code.folder is not None:
        importer = PackedImporter(private_package(hello.plugin_id), Path(hello.code.folder), codes)
    found = _imported(hello, importer)
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        what = found.__name__ if isinstance(found, type) else type(found).__name__
        raise PluginLoadError(
            f"{hello.code.entry} is no plugin: {what} does not inherit gridbus.Plugin", hello.plugin_id or None
        )
    if hello.metadata is not None:  # of a manifest, which speaks for the class
        found.metadata = msgspec.convert(hello.metadata, PluginMetadata)
    record = await Loader(timeout=inf).load(found, hello.config)  # of a class it imports nothing
    if importer is not None:
        record.unload = importer.unload
    return record


def declared_by(plugin: Plugin[Any]) -> tuple[Declared, ...]:
    """Return what a plugin's decorators declare, as data."""
    return tuple(map(_declared, declarations(type(plugin))))


def _declared(declaration: Declaration) -> Declared:
    subject, permission = declaration.subject, declaration.permission
    if declaration.kind == "serves":
        name = subject.name
    elif isinstance(subject, str):
        name = str(subject)
    else:
        name = type_path(subject) or subject.__qualname__
    return Declared(declaration.kind, name, None if permission is None else str(permission))


def _imported(hello: Hello, importer: PackedImporter | None) -> Any:
    code = hello.code
    plugin_id = hello.plugin_id or None
    folder = None if code.folder is None else Path(code.folder)
    sys.path[:0] = code.paths
    try:
        if code.main is not None:
            _import_main(code.main)
        if importer is not None:
            return importer.import_entry(code.entry)
        return import_entry(_with_main(code))
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, PluginError):
            raise
        what = f"{plugin_id!r} in {folder}" if folder is not None else repr(code.entry)
        raise import_failure(error, plugin_id=plugin_id, what=what, folder=folder) from strip(error)


def _with_main(code: Code) -> str:
    module, _, name = code.entry.partition(":")
    return f"{MAIN}:{name}" if module == "__main__" else code.entry


def _import_main(path: str) -> None:
    """Import the application's script under another name than ``__main__``, so that its last lines do not start it."""
    spec = importlib.util.spec_from_file_location(MAIN, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MAIN] = sys.modules["__main__"] = module  # what is called __main__:Class there is found here
    sys.path.insert(0, str(Path(path).parent))
    spec.loader.exec_module(module)
