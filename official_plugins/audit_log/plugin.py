"""The audit log: who did what, and when, in a file of JSON lines."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
from anyio import to_thread

from gridbus import Event, Plugin, PluginContext, PluginError, PluginHealth, PluginMetadata
from official_plugins.audit_log.config import AuditLogConfig
from official_plugins.audit_log.entry import encode_entry
from official_plugins.audit_log.file import LineFile
from official_plugins.audit_log.masking import Masker
from official_plugins.audit_log.writer import EntryWriter
from official_plugins.topics import TopicFilter


class AuditLog(Plugin[AuditLogConfig]):
    """Writes one line for each event that it is to hear, in the order in which they happened."""

    metadata = PluginMetadata(
        id="audit-log",
        name="Audit log",
        version="0.1.0",
        author="The gridbus authors",
        category="audit",
        description="Writes events to a file of JSON lines, without the personal data",
        tags=("audit", "log", "privacy"),
        permissions=("subscribe:*", "fs.write", "threads"),
    )

    async def initialize(self, ctx: PluginContext) -> None:
        """Open the file and begin to listen.

        Raises:
            PluginError: the file cannot be opened.
        """
        config = self.config
        file = LineFile(config.destination.absolute(), fsync=config.fsync)
        try:
            await to_thread.run_sync(file.open)
        except OSError as error:
            reason = f"{file.path} cannot be opened: {error.strerror or error}; choose another destination"
            raise PluginError(reason, self.metadata.id) from error
        masker = Masker(config.pii.mask, config.pii.replacement)
        self._writer = EntryWriter(
            file,
            partial(encode_entry, masker=masker),
            ctx.log,
            max_waiting=config.max_waiting,
            retry_seconds=config.retry_seconds,
        )
        # The clean-up runs after the last event was handled, and destroy() may run before.
        ctx.add_cleanup(self._finish)
        ctx.start_soon(self._writer.run, name="writer")
        wanted = TopicFilter(config.events)
        ctx.on(wanted.subject, self.record, where=wanted)

    async def record(self, event: Event[Any]) -> None:
        """Take an event; it is written within a moment."""
        await self._writer.add(event)

    async def health_check(self) -> PluginHealth:
        """Tell how much was written, and whether anything could not be."""
        figures = self._writer.figures
        waiting = self._writer.waiting
        details = {"destination": str(self.config.destination), "waiting": waiting, **attrs.asdict(figures)}
        if figures.last_error is not None:
            return PluginHealth.error(f"{figures.last_error}; {waiting:,} entries wait", **details)
        if figures.lost:
            return PluginHealth.warning(
                f"{figures.lost:,} entries were lost as the file could not be written", **details
            )
        return PluginHealth.healthy(f"{figures.written:,} entries written", **details)

    async def snapshot_state(self) -> list[bytes] | None:
        """Write what was handled before another generation writes; return the lines that cannot be written."""
        await self._writer.settle()
        return self._writer.lines() or None

    def restore_state(self, state: list[bytes], from_version: str) -> None:
        """Take the lines that an earlier generation could not write."""
        self._writer.take(state)

    async def _finish(self) -> None:
        missing = await self._writer.finish()
        if missing:
            figures = self._writer.figures
            raise PluginError(f"{figures.last_error}: the log lacks its last {missing:,} entries", self.metadata.id)
