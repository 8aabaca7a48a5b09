"""What is said on the export channels, and the topics on which exports report."""

from __future__ import annotations

import enum
import os
from typing import Any

import attrs

from gridbus import Channel, GridbusError, RowScope, Topic


class ExportError(GridbusError):
    """An export was not made; the message says why, and what to do."""


class ExportFormat(enum.StrEnum):
    """The kinds of files."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    XLSX = "xlsx"
    PDF = "pdf"


def _choice(choices: type[enum.StrEnum], what: str, value: object) -> Any:
    try:
        return choices(str(value))
    except ValueError:
        raise ExportError(f"there is no {what} {value!r}: choose from {', '.join(choices)}") from None


def _format(value: ExportFormat | str) -> ExportFormat:
    found: ExportFormat = _choice(ExportFormat, "format", value)
    return found


def _scope(value: RowScope | str) -> RowScope:
    found: RowScope = _choice(RowScope, "scope", value)
    return found


def _path(value: os.PathLike[str] | str) -> str:
    return os.fspath(value)


@attrs.frozen(kw_only=True)
class ExportRequest:
    """Asks for a file.

    Raises:
        ExportError: format or scope are none that exist.
    """

    format: ExportFormat = attrs.field(converter=_format)
    path: str = attrs.field(converter=_path)  #: where the file goes; a file of that name is replaced
    scope: RowScope = attrs.field(default=RowScope.VISIBLE, converter=_scope)  #: visible, page, selected or all
    columns: tuple[str, ...] | None = None  #: names, in their order; the columns that are not hidden where None
    headers: bool = True  #: begin with the columns' titles (csv, tsv, xlsx)
    delimiter: str = ","  #: between the cells of a csv
    bom: bool = False  #: begin a csv or tsv with a byte order mark, as some spreadsheets want for UTF-8
    escape_formulas: bool = True  #: make texts that a spreadsheet would run as formulas harmless (csv, tsv)
    id: str = ""  #: a name for this export, to cancel it by, and in its events
    grid: str | None = None  #: name of the grid, where there are several


@attrs.frozen(kw_only=True)
class ExportResult:
    """A file that was written."""

    path: str  #: absolute
    format: ExportFormat
    mime: str
    rows: int
    columns: tuple[str, ...]  #: names
    bytes: int
    sha256: str
    seconds: float
    id: str = ""


@attrs.frozen
class CancelExport:
    """Asks to give up an export."""

    id: str


@attrs.frozen
class ExportProgress:
    """How far an export is."""

    id: str
    path: str
    rows: int  #: written so far
    total: int


@attrs.frozen
class ExportFailed:
    """An export was not made; what was written of it is gone, and a file of that name is as it was."""

    id: str
    path: str
    format: ExportFormat
    error: str  #: type name
    message: str


EXPORT: Channel[ExportRequest, ExportResult] = Channel("export:run", ExportRequest, ExportResult)
"""Asked for a file; the reply comes when it is written, so ask with ``timeout=None`` where there are many rows."""

CANCEL_EXPORT: Channel[CancelExport, bool] = Channel("export:cancel", CancelExport, bool)
"""Asked to give up an export that runs; replies whether there was one of that id."""

EXPORT_PROGRESS: Topic[ExportProgress] = Topic("export:progress", ExportProgress)
EXPORT_DONE: Topic[ExportResult] = Topic("export:done", ExportResult)
EXPORT_FAILED: Topic[ExportFailed] = Topic("export:failed", ExportFailed)
