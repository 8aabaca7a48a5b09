"""Exports: the rows of a grid as a file, asked for on a channel."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import anyio
from anyio import to_thread

from gridbus import (
    GridQuery,
    MailboxFull,
    Plugin,
    PluginContext,
    PluginHealth,
    PluginLimitError,
    PluginMetadata,
    RemoteError,
    ResourceLimits,
    serves,
)
from gridbus.grid import Column
from official_plugins.export.config import ExportConfig
from official_plugins.export.formats import FORMATS, obstacle, open_sheet
from official_plugins.export.messages import (
    CANCEL_EXPORT,
    EXPORT,
    EXPORT_DONE,
    EXPORT_FAILED,
    EXPORT_PROGRESS,
    CancelExport,
    ExportError,
    ExportFailed,
    ExportProgress,
    ExportRequest,
    ExportResult,
)
from official_plugins.export.sheet import Sheet, SheetOptions
from official_plugins.export.target import Target, resolve_target

_AT_ONCE = 4  # exports that run side by side; others wait their turn


class Export(Plugin[ExportConfig]):
    """Writes rows to files: in parts and in threads, so that the application goes on meanwhile."""

    metadata = PluginMetadata(
        id="export",
        name="Export",
        version="0.1.0",
        author="The gridbus authors",
        category="export",
        description="Writes the view of the grid to CSV, TSV, JSON, JSON lines and Excel files",
        tags=("export", "csv", "xlsx"),
        permissions=("grid.read", "fs.write", "threads"),
        channels=(EXPORT.name, CANCEL_EXPORT.name),
        limits=ResourceLimits(handler_timeout=float("inf")),  # many rows take long; who waits may cancel
    )

    async def initialize(self, ctx: PluginContext) -> None:
        """Find out which of the configured formats can be made here."""
        self._running: dict[str, anyio.CancelScope] = {}
        self._made = self._failed = 0
        errors = {wanted: obstacle(wanted) for wanted in self.config.formats or ()}
        self._obstacles = {wanted.value: str(error) for wanted, error in errors.items() if error is not None}

    @serves(EXPORT, concurrency=_AT_ONCE)
    async def export(self, request: ExportRequest) -> ExportResult:
        """Write a file.

        Raises:
            ExportError: the request cannot be met; the message says why.
            MissingExtraError: the format needs a library that is not installed.
            OSError: the file cannot be written.
        """
        if request.id in self._running:
            raise ExportError(f"an export with the id {request.id!r} runs already")
        try:
            result = await self._cancellable(request)
        except Exception as error:
            self._failed += 1
            self._tell_failure(request, type(error).__name__, str(error))
            raise
        except BaseException:
            self._tell_failure(request, "Cancelled", "the export was given up as the plugin was closed")
            raise
        self._made += 1
        await self.ctx.publish(EXPORT_DONE, result)
        return result

    @serves(CANCEL_EXPORT)
    async def cancel(self, message: CancelExport) -> bool:
        """Give up an export that runs."""
        scope = self._running.get(message.id)
        if scope is not None:
            scope.cancel()
        return scope is not None

    async def health_check(self) -> PluginHealth:
        """Tell what was exported, and which of the configured formats cannot be made here."""
        details = {"made": self._made, "failed": self._failed, "running": len(self._running), **self._obstacles}
        if self._obstacles:
            return PluginHealth.warning("; ".join(self._obstacles.values()), **details)
        return PluginHealth.healthy(f"{self._made:,} files written", **details)

    async def _cancellable(self, request: ExportRequest) -> ExportResult:
        with anyio.CancelScope() as scope:
            if request.id:
                self._running[request.id] = scope
            try:
                return await self._run(request)
            finally:
                self._running.pop(request.id, None)
        raise ExportError(f"the export {request.id!r} was cancelled")

    async def _run(self, request: ExportRequest) -> ExportResult:
        allowed = self.config.formats
        if allowed is not None and request.format not in allowed:
            raise ExportError(f"{request.format} is not among the formats of this application: {', '.join(allowed)}")
        began = time.monotonic()
        target = await to_thread.run_sync(lambda: Target(resolve_target(request.path, self.config.directory)))
        try:
            columns, rows = await self._write(request, target)
            size, digest = await to_thread.run_sync(target.commit)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(target.discard)
        return ExportResult(
            path=str(target.path),
            format=request.format,
            mime=FORMATS[request.format].mime,
            rows=rows,
            columns=columns,
            bytes=size,
            sha256=digest,
            seconds=time.monotonic() - began,
            id=request.id,
        )

    async def _write(self, request: ExportRequest, target: Target) -> tuple[tuple[str, ...], int]:
        """Write all rows under the temporary name; return the columns and how many rows they were."""
        grid = self.ctx.grid if request.grid is None else self.ctx.grid.named(request.grid)
        query = GridQuery(scope=request.scope, columns=request.columns, limit=self.config.chunk_rows)
        sheet: Sheet | None = None
        columns: tuple[str, ...] = ()
        rows = 0
        is_complete = False
        try:
            async with grid.stream(query) as pages:
                async for page in pages:
                    if sheet is None:
                        columns = tuple(column.name for column in page.columns)
                        options = _options(request, target.part, page.columns)
                        sheet = await to_thread.run_sync(open_sheet, request.format, options)
                    await to_thread.run_sync(sheet.write, page.rows)
                    rows += len(page.rows)
                    self._tell_progress(ExportProgress(request.id, str(target.path), rows, page.matching))
            if sheet is None:
                raise ExportError("the grid sent nothing")
            await to_thread.run_sync(sheet.finish)
            is_complete = True
        except RemoteError as error:
            raise ExportError(error.message) from error
        finally:
            if sheet is not None and not is_complete:
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(sheet.abandon)
        return columns, rows

    def _tell_progress(self, progress: ExportProgress) -> None:
        with contextlib.suppress(MailboxFull, PluginLimitError):  # the next one tells more
            self.ctx.publish_nowait(EXPORT_PROGRESS, progress)

    def _tell_failure(self, request: ExportRequest, error: str, message: str) -> None:
        fact = ExportFailed(request.id, request.path, request.format, error, message)
        try:
            self.ctx.publish_nowait(EXPORT_FAILED, fact)
        except Exception:  # the error itself is what matters, and it goes to whoever asked
            self.ctx.log.warning("export of %s failed: %s", request.path, message, exc_info=True)


def _options(request: ExportRequest, path: Path, columns: tuple[Column, ...]) -> SheetOptions:
    return SheetOptions(
        path=path,
        columns=columns,
        headers=request.headers,
        delimiter=request.delimiter,
        bom=request.bom,
        escape_formulas=request.escape_formulas,
    )
