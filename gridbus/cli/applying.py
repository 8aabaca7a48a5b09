"""Applies operations to a grid, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import anyio

from gridbus.cli.lines import Line
from gridbus.cli.operations import (
    Create,
    Delete,
    Deselect,
    ExportView,
    FilterRows,
    LineError,
    OperationLine,
    RowId,
    Select,
    ShowPage,
    Sort,
    Update,
    read_operation,
)
from gridbus.errors import GridbusError, NoServer, QueryError, RemoteError, RowNotFound
from gridbus.grid import Grid
from official_plugins.export import CANCEL_EXPORT, EXPORT, CancelExport, ExportError, ExportRequest


class Operator:
    """Applies the lines of an OPS file and remembers what went wrong; one bad line does not keep the next from it."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self.applied = 0
        self.errors: list[LineError] = []

    async def take(self, line: Line) -> LineError | None:
        """Apply a line; return what is wrong with it, if something is. A blank line is nothing."""
        if not line.is_too_long and not line.data.strip():
            return None
        try:
            operation = read_operation(line)
            await self._apply(operation)
        except LineError as error:
            self.errors.append(error)
            return error
        self.applied += 1
        return None

    async def _apply(self, line: OperationLine) -> None:
        grid = self._grid
        try:
            match line.operation:
                case Create(values):
                    await grid.create(values)
                case Update(row_id, changes):
                    await grid.update(str(row_id), changes)
                case Delete(row_id):
                    await grid.delete(str(row_id))
                case Select(ids):
                    await grid.select(_texts(ids))
                case Deselect(ids):
                    await grid.deselect(None if ids is None else _texts(ids))
                case Sort(by):
                    await grid.sort(*by)
                case FilterRows(where):
                    await grid.filter(where)
                case ShowPage(number, size):
                    await grid.page(number, size)
                case ExportView():
                    await self._export(line, line.operation)
        except GridbusError as error:
            raise _located(line, error) from error

    async def _export(self, line: OperationLine, wanted: ExportView) -> None:
        try:
            request = ExportRequest(
                format=wanted.format,
                path=wanted.path,
                scope=wanted.scope,
                columns=wanted.columns,
                headers=wanted.headers,
                delimiter=wanted.delimiter,
                bom=wanted.bom,
                id=f"line {line.number}",
            )
        except ExportError as error:
            raise line.error(str(error), f"$.{'format' if 'format' in str(error) else 'scope'}") from None
        try:
            await self._grid.ask(EXPORT, request, timeout=None)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), contextlib.suppress(GridbusError):
                await self._grid.ask(CANCEL_EXPORT, CancelExport(request.id))  # it would go on without us
            raise
        except NoServer:
            raise line.error("nothing exports here: the plugin 'export' is not among --plugins", "$.op") from None
        except RemoteError as error:
            raise line.error(error.message, _blamed_for_export(wanted, error.message)) from error


def _located(line: OperationLine, error: GridbusError) -> LineError:
    """Return an error of the grid with the place in the line that it is about, as far as that can be told."""
    message, at, path = str(error).rpartition(" @ ")
    match line.operation:
        case _ if not (isinstance(error, QueryError) and at):
            message, path = str(error), _blamed(line.operation, error)
        case FilterRows():
            path = f"$.where{path.removeprefix('$')}"
        case Sort():
            path = f"$.by{path.removeprefix('$')}"
    return line.error(message, path)


def _blamed(operation: object, error: GridbusError) -> str:
    """Return the path of the key that an error is about; the grid's messages name rows and columns in quotes."""
    match operation:
        case Create(values):
            return _cell("values", values, str(error))
        case Update(_, changes) if not isinstance(error, RowNotFound):
            return _cell("changes", changes, str(error))
        case Update() | Delete() if isinstance(error, RowNotFound):
            return "$.id"
        case Select(ids) if isinstance(error, RowNotFound) and error.row_id in (texts := _texts(ids)):
            return f"$.ids[{texts.index(error.row_id)}]"
    return "$"


def _blamed_for_export(wanted: ExportView, message: str) -> str:
    if repr(wanted.path) in message:
        return "$.path"
    if message.startswith(f"{wanted.format} "):
        return "$.format"
    return "$.columns" if any(f"named {name!r}" in message for name in wanted.columns or ()) else "$"


def _cell(key: str, values: Mapping[str, Any], message: str) -> str:
    for name in values:
        if f"column {name!r}" in message or f"named {name!r}" in message:
            return f'$.{key}["{name}"]'
    return f"$.{key}"


def _texts(ids: Iterable[RowId]) -> list[str]:
    return [str(row_id) for row_id in ids]
