"""Writes rows of the grid to files."""

from official_plugins.export.config import ExportConfig
from official_plugins.export.delimited import escape_formula
from official_plugins.export.messages import (
    CANCEL_EXPORT,
    EXPORT,
    EXPORT_DONE,
    EXPORT_FAILED,
    EXPORT_PROGRESS,
    CancelExport,
    ExportError,
    ExportFailed,
    ExportFormat,
    ExportProgress,
    ExportRequest,
    ExportResult,
)
from official_plugins.export.plugin import Export

__all__ = [
    "CANCEL_EXPORT",
    "EXPORT",
    "EXPORT_DONE",
    "EXPORT_FAILED",
    "EXPORT_PROGRESS",
    "CancelExport",
    "Export",
    "ExportConfig",
    "ExportError",
    "ExportFailed",
    "ExportFormat",
    "ExportProgress",
    "ExportRequest",
    "ExportResult",
    "escape_formula",
]
