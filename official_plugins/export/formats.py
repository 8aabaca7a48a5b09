"""Which formats there are, and what each needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import partial

import attrs

from gridbus import MissingExtraError
from official_plugins.export.delimited import DelimitedSheet
from official_plugins.export.json_files import JsonSheet
from official_plugins.export.messages import ExportError, ExportFormat
from official_plugins.export.sheet import Sheet, SheetOptions
from official_plugins.export.xlsx import XlsxSheet


@attrs.frozen
class Format:
    """One format."""

    mime: str
    make: Callable[[SheetOptions], Sheet] | None  #: None: not in this version
    library: str | None = None  #: what has to be installed, by the name of its distribution
    module: str | None = None  #: and by that of its module


def _make_tsv(options: SheetOptions) -> Sheet:
    return DelimitedSheet(attrs.evolve(options, delimiter="\t"))


FORMATS: Mapping[ExportFormat, Format] = {
    ExportFormat.CSV: Format("text/csv; charset=utf-8", DelimitedSheet),
    ExportFormat.TSV: Format("text/tab-separated-values; charset=utf-8", _make_tsv),
    ExportFormat.JSON: Format("application/json", partial(JsonSheet, lines=False)),
    ExportFormat.JSONL: Format("application/jsonl", partial(JsonSheet, lines=True)),
    ExportFormat.XLSX: Format(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", XlsxSheet, "XlsxWriter", "xlsxwriter"
    ),
    ExportFormat.PDF: Format("application/pdf", None),
}


def obstacle(wanted: ExportFormat) -> Exception | None:
    """Return why a format cannot be made here, as the error to raise; None where it can."""
    found = FORMATS[wanted]
    if found.make is None:
        ready = ", ".join(name for name, other in FORMATS.items() if other.make is not None)
        return ExportError(f"{wanted} cannot be made in this version; there are {ready}")
    if found.module is not None and importlib.util.find_spec(found.module) is None:
        return MissingExtraError(f"exporting to {wanted}", str(found.library), "export")
    return None


def open_sheet(wanted: ExportFormat, options: SheetOptions) -> Sheet:
    """Begin a file.

    Raises:
        ExportError, MissingExtraError: the format cannot be made.
        OSError: the file cannot be opened.
    """
    error = obstacle(wanted)
    make = FORMATS[wanted].make
    if error is not None or make is None:
        raise error or ExportError(f"{wanted} cannot be made")
    return make(options)
