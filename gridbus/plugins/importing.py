"""Importing the code of plugins: in a thread, within a time, with errors that name the line."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from gridbus.errors import PluginLoadError
from gridbus.plugins.failure import described, location_of, strip


def private_package(plugin_id: str, number: int = 1) -> str:
    """Return the name under which a folder's modules are imported: no other code can depend on them by accident.

    The code of each reload has a name of its own, so that it lives beside what it takes over from.
    """
    name = f"gridbus_plugin_{plugin_id.replace('-', '_')}"
    return name if number == 1 else f"{name}__{number}"


def import_entry(entry: str) -> Any:
    """Import ``module:attribute``."""
    module, _, attribute = entry.partition(":")
    found: Any = importlib.import_module(module)
    for name in attribute.split("."):
        found = getattr(found, name)
    return found


async def import_in_thread(
    load: Callable[[], Any],
    *,
    plugin_id: str | None,
    what: str,
    timeout: float,
    folder: Path | None,
    undo: Callable[[], None],
) -> Any:
    """Return what ``load`` imports.

    An import that takes too long, or whose caller is cancelled, is left to its thread, and undone when it ends.

    Args:
        load: imports.
        plugin_id: of the plugin, where that is known.
        what: names the plugin in errors.
        timeout: seconds.
        folder: where the plugin's modules are, for hints.
        undo: takes away what was imported.

    Raises:
        PluginLoadError: it raised, called exit or took too long; the message names file and line.
    """
    abandoned = False

    def run() -> tuple[Any, BaseException | None]:
        try:
            return load(), None
        except BaseException as error:
            return None, error
        finally:
            if abandoned:
                undo()

    try:
        with anyio.fail_after(timeout):
            found, error = await anyio.to_thread.run_sync(run, abandon_on_cancel=True)
    except BaseException as gone:
        abandoned = True
        undo()
        if isinstance(gone, TimeoutError):
            reason = f"its import took longer than {timeout:g} s, and goes on in a thread that nothing can stop"
            raise PluginLoadError(f"plugin {what} cannot be imported: {reason}", plugin_id) from None
        raise
    if error is not None:
        undo()
        raise import_failure(error, plugin_id=plugin_id, what=what, folder=folder) from strip(error)
    return found


def import_failure(error: BaseException, *, plugin_id: str | None, what: str, folder: Path | None) -> PluginLoadError:
    """Return the error for code that cannot be imported; the message names file and line."""
    reason = f"{described(error)}{_hint(error, folder)}"
    place = location_of(error)
    details: dict[str, Any] = {} if place is None else {"file": place[0], "line": place[1]}
    return PluginLoadError(
        f"plugin {what} cannot be imported: {reason}",
        plugin_id,
        error=type(error).__qualname__,
        reason=error.msg if isinstance(error, SyntaxError) else str(error),
        traceback="".join(traceback.format_exception(error)),
        **details,
    )


def nothing() -> None:
    """Undo the import of a module that is not the plugin's own: others may use it, so it stays."""


def _hint(error: BaseException, folder: Path | None) -> str:
    if not isinstance(error, ModuleNotFoundError) or folder is None or not error.name:
        return ""
    name = error.name.partition(".")[0]
    if (folder / f"{name}.py").exists() or (folder / name).is_dir():
        return f"; a plugin's folder is a package: write 'from . import {name}', or 'from .{name} import ...'"
    return ""
