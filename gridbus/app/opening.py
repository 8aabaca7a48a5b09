"""A grid with plugins in one line."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gridbus.app.app import App
from gridbus.config import GridConfig
from gridbus.contracts import StorageBackend
from gridbus.events.grid import Column
from gridbus.grid import Grid
from gridbus.plugins import PluginSource


@asynccontextmanager
async def open_grid(
    path: str | os.PathLike[str] | None = None,
    *,
    rows: Iterable[Mapping[str, Any]] = (),
    columns: Iterable[Column | str] = (),
    id_column: str | None = None,
    plugins: Iterable[PluginSource] = (),
    storage: StorageBackend | None = None,
    name: str = "grid",
    strict: bool = True,
) -> AsyncIterator[Grid]:
    """Open a grid that has a bus and plugins of its own, for as long as the block runs.

    Leaving the block lets plugins handle what was published, and closes everything.

    Args:
        path: a file to load: CSV, TSV, a JSON array or JSON lines.
        rows: cells by column name, to load where there is no file.
        columns: what rows are made of, a name alone being text; found in the rows by default.
        id_column: the column whose text is the id of each row; by default rows are numbered '1', '2', ...
        plugins: instances, classes, ``(class, config)``, ids of installed ones, ``module:Class``, folders; they
            run before rows are loaded.
        storage: where plugins keep their values; in memory by default.
        name: the grid's name.
        strict: raise where a plugin does not start; otherwise the grid opens without it, and ``plugin:failed`` tells.

    Raises:
        GridbusError: the file, the rows or a plugin cannot be used; the message names it.
        ExceptionGroup: several plugins did not start.
    """
    config = GridConfig(
        name=name,
        file=None if path is None else Path(path),
        id_column=id_column,
        columns=tuple(Column(column) if isinstance(column, str) else column for column in columns),
    )
    app = App(name=name, grid=config, rows=rows, plugins=plugins, storage=storage, strict=strict)
    async with app:
        yield app.grid
