"""Shows a summary: a table on a terminal, plain text elsewhere, JSON where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gridbus.cli.summary import PluginFigures, Summary

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 20  # problems that are shown; the others are counted

_HEADINGS = ("plugin", "host", "health", "handled", "failed", "dropped", "p50", "p99")
_STYLES = {"healthy": "green", "warning": "yellow", "error": "bold red", "unknown": "dim"}


def summary_json(summary: Summary) -> str:
    """Return the summary as one JSON document."""
    return json.dumps(summary.as_json(), ensure_ascii=False, indent=2)


def summary_text(summary: Summary) -> str:
    """Return the summary as plain text, aligned, without colours or frames."""
    lines = [f"{name:<12}{value}" for name, value in _facts(summary)]
    lines += ["", *_aligned([("event", "count"), *((t, f"{n:,}") for t, n in summary.events.items())], numbers={1})]
    if summary.plugins:
        rows = [_HEADINGS, *(_row(name, figures) for name, figures in summary.plugins.items())]
        lines += ["", *_aligned(rows, numbers=set(range(3, 8)))]
    return "\n".join(lines)


def print_summary(summary: Summary, console: Console) -> None:
    """Print the summary as tables."""
    from rich.table import Table

    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(summary):
        facts.add_row(name, value, style=None)
    console.print(facts)
    events = Table(title="Events", title_justify="left")
    events.add_column("topic")
    events.add_column("count", justify="right")
    for topic, count in summary.events.items():
        events.add_row(topic, f"{count:,}")
    console.print(events)
    if summary.plugins:
        plugins = Table(title="Plugins", title_justify="left")
        for index, heading in enumerate(_HEADINGS):
            plugins.add_column(heading, justify="right" if index > 2 else "left")
        for name, figures in summary.plugins.items():
            plugin, host, health, *numbers = _row(name, figures)
            style = _STYLES.get(health, "")
            plugins.add_row(plugin, host, f"[{style}]{health}[/]" if style else health, *numbers)
        console.print(plugins)


def problem_lines(summary: Summary) -> Iterator[str]:
    """Yield what went wrong with plugins; what did with FILE and OPS was told as it came."""
    for name, figures in summary.plugins.items():
        if figures.health != "healthy" and figures.message:
            yield f"plugin {name}: {figures.health}: {figures.message}"
        if figures.failed or figures.dropped:
            yield f"plugin {name}: calls that failed: {figures.failed:,}, events dropped: {figures.dropped:,}"
    yield from summary.plugin_problems


def load_problem_lines(problems: tuple[str, ...], count: int, skipped: int) -> Iterator[str]:
    """Yield the first problems of loading, and how many more there were."""
    shown = problems[:_SHOWN]
    yield from shown
    if count > len(shown):
        yield f"... and {count - len(shown):,} more"
    if skipped:
        yield f"{skipped:,} {'row was' if skipped == 1 else 'rows were'} not loaded"


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "rows", f"{summary.rows:,}"
    yield "visible", f"{summary.visible:,}"
    if summary.operations or summary.errors:
        yield "operations", f"{summary.operations:,} applied, {len(summary.errors):,} refused"
    if summary.skipped:
        yield "not loaded", f"{summary.skipped:,} rows of the file"
    yield "seconds", f"{summary.seconds:.2f}"
    if summary.interrupted:
        yield "ended by", summary.interrupted


def _row(name: str, figures: PluginFigures) -> tuple[str, ...]:
    return (
        name,
        figures.host,
        figures.health,
        f"{figures.handled:,}",
        f"{figures.failed:,}",
        f"{figures.dropped:,}",
        _duration(figures.p50_us),
        _duration(figures.p99_us),
    )


def _duration(micros: float | None) -> str:
    if micros is None:
        return "-"
    if micros < 1_000:
        return f"{micros:.1f} us"
    return f"{micros / 1_000:.1f} ms" if micros < 1_000_000 else f"{micros / 1_000_000:.1f} s"


def _aligned(rows: list[tuple[str, ...]], *, numbers: set[int]) -> Iterator[str]:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if index in numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
