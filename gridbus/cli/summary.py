"""What a run ends with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from gridbus.cli.operations import LineError
from gridbus.manifest import PluginHealth, ResourceUsage


@attrs.frozen
class PluginFigures:
    """How a plugin is and what it did."""

    health: str
    host: str = "inline"  #: where it runs
    handled: int = 0  #: events and requests
    failed: int = 0
    dropped: int = 0
    p50_us: float | None = None  #: half of the calls of its handlers took less
    p99_us: float | None = None
    message: str = ""  #: what its health check said

    @classmethod
    def of(cls, health: PluginHealth, usage: ResourceUsage, host: str) -> PluginFigures:
        """Take the figures that a summary shows."""
        return cls(
            health=health.status.value,
            host=host,
            handled=usage.events_handled,
            failed=usage.events_failed,
            dropped=usage.events_dropped,
            p50_us=usage.p50_us,
            p99_us=usage.p99_us,
            message=health.message,
        )


@attrs.frozen(kw_only=True)
class Summary:
    """The figures of one run."""

    rows: int
    visible: int
    events: Mapping[str, int]  #: by topic
    plugins: Mapping[str, PluginFigures]
    errors: tuple[LineError, ...]
    seconds: float
    operations: int = 0  #: applied
    skipped: int = 0  #: rows of the file that could not be loaded
    load_problems: tuple[str, ...] = ()  #: the first of them, each naming its place
    load_problem_count: int = 0
    plugin_problems: tuple[str, ...] = ()  #: plugins that did not start, or did not end well
    interrupted: str | None = None  #: the signal that ended it early

    @property
    def is_clean(self) -> bool:
        """Tell whether each operation, each row and each plugin was all right."""
        failed = any(figures.failed or figures.dropped for figures in self.plugins.values())
        return not (self.errors or self.skipped or self.plugin_problems or failed)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "rows": self.rows,
            "visible": self.visible,
            "events": dict(self.events),
            "plugins": {name: _plugin_json(figures) for name, figures in self.plugins.items()},
            "errors": [{"line": e.line, "column": e.column, "message": e.message} for e in self.errors],
            "seconds": round(self.seconds, 3),
            "operations": self.operations,
            "load_problems": {
                "count": self.load_problem_count,
                "skipped_rows": self.skipped,
                "first": list(self.load_problems),
            },
            "plugin_problems": list(self.plugin_problems),
            "interrupted": self.interrupted,
        }


def sorted_events(counts: Counter[str]) -> dict[str, int]:
    """Return the counts, the largest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _plugin_json(figures: PluginFigures) -> dict[str, Any]:
    return {
        "health": figures.health,
        "handled": figures.handled,
        "failed": figures.failed,
        "dropped": figures.dropped,
        "p50_us": _rounded(figures.p50_us),
        "p99_us": _rounded(figures.p99_us),
        "host": figures.host,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
