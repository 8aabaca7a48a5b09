"""How exports are configured."""

from __future__ import annotations

from pathlib import Path

import attrs

from gridbus import ConfigError
from official_plugins.export.messages import ExportFormat


@attrs.frozen(kw_only=True)
class ExportConfig:
    """Which files may be made, and where."""

    formats: tuple[ExportFormat, ...] | None = None  #: what may be asked for; whatever can be made here where None
    directory: Path | None = None
    """Where files go: paths are relative to it and may not lead out of it. None: anywhere, relative to the working
    folder of the application."""

    chunk_rows: int = 5_000  #: rows that are written at once, between two looks at whether to go on

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work."""
        problems = []
        if self.formats is not None and not self.formats:
            problems.append(f"name at least one of {', '.join(ExportFormat)} @ formats")
        if not 1 <= self.chunk_rows <= 10_000:
            problems.append(f"between 1 and 10,000 is needed, not {self.chunk_rows} @ chunk_rows")
        if problems:
            raise ConfigError("export", problems)
