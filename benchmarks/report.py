"""Tables: in colour on a terminal, as Markdown everywhere else."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from statistics import median

import attrs

from benchmarks.goals import Goal, bus_goals
from benchmarks.isolated import Figure
from benchmarks.peers import PEERS
from benchmarks.rounds import Outcome, Row

_IN_MICROSECONDS = ("ask", "ask-p99")


@attrs.frozen
class Table:
    """A title, a header and rows of text; ``notes`` stand below."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def bus_tables(outcome: Outcome) -> list[Table]:
    """Return the comparison, the requests and the goals."""
    workloads = list(dict.fromkeys(row.workload for row in outcome.rows))
    labels = list(dict.fromkeys(row.peer for row in outcome.rows))
    names = [peer.name for peer in PEERS]
    labels.sort(key=lambda label: names.index(label.partition(",")[0]))
    tables = []
    bursts = [workload for workload in workloads if workload not in _IN_MICROSECONDS]
    if bursts:
        rows = [
            [label, *(_cell(outcome.row(workload, label)) for workload in bursts)]
            for label in labels
            if any(outcome.row(workload, label) for workload in bursts)
        ]
        notes = [f"{peer.name}: {peer.note}" for peer in PEERS if peer.note and peer.name in labels]
        shares = sorted({row.share for row in outcome.rows if row.share > 1})
        notes += [f"/{share}: a round had 1/{share} of the events, as a full one takes too long" for share in shares]
        title = "Ratio to a bare `await handler(event)`, per delivery; smaller is better"
        notes += _stretches([row for row in outcome.rows if row.workload in bursts])
        tables.append(Table(title, ["peer", *bursts], rows, [*notes, *outcome.notes]))
    asks = [workload for workload in workloads if workload in _IN_MICROSECONDS]
    if asks:
        rows = [
            [label, *(f"{row.ns / 1000:,.1f}" for workload in asks if (row := outcome.row(workload, label)))]
            for label in labels
            if outcome.row(asks[0], label)
        ]
        header = ["peer", *("p99" if "p99" in ask else "p50" for ask in asks)]
        tables.append(Table("Request and reply, us", header, rows))
    goals = [goal for goal in bus_goals(outcome) if goal.value is not None]
    if goals:
        tables.append(goal_table(goals))
    return tables


def goal_table(goals: Iterable[Goal]) -> Table:
    """Return goals and whether they were reached."""
    return Table("Goals", ["goal", "limit", "measured", "reached"], [goal.cells() for goal in goals])


def machine() -> str:
    """Return Python, cores and system in a line."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {os.cpu_count()} cores, shared {platform.system()} machine ({platform.machine()})"


def show(*tables: Table) -> None:
    """Print tables, with rich where standard output is a terminal and rich is there."""
    if sys.stdout.isatty() and importlib.util.find_spec("rich"):
        from rich.console import Console
        from rich.table import Table as RichTable

        console = Console()
        for table in tables:
            rich_table = RichTable(title=table.title, title_justify="left")
            for number, name in enumerate(table.header):
                rich_table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
            for row in table.rows:
                rich_table.add_row(*row, style="bold" if row[0].startswith("gridbus") else None)
            console.print(rich_table)
            for note in table.notes:
                console.print(f"  {note}", style="dim", markup=False, highlight=False)
        return
    print("\n\n".join(as_markdown(table) for table in tables))


def as_markdown(table: Table) -> str:
    """Return a table as Markdown whose columns also line up as plain text."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in (table.header, *table.rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_line(row, widths) for row in (cells[0], rule, *cells[1:])]
    text = f"### {table.title}\n\n" + "\n".join(lines)
    return text + "\n\n" + "\n".join(f"- {note}" for note in table.notes) if table.notes else text


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0].ljust(widths[0])
    rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "| " + " | ".join([first, *rest]) + " |"


def _stretches(rows: list[Row]) -> list[str]:
    """Say how busy the machine was, and who took much longer by the wall's clock than others at the same time."""
    usual = median(row.stretch for row in rows)
    notes = [f"processor time; by the wall's clock everything took {usual:.2f} times as long"]
    for workload in dict.fromkeys(row.workload for row in rows):
        beside = [row for row in rows if row.workload == workload]
        most = 1.5 * median(row.stretch for row in beside)
        notes += [
            f"{row.peer}: {workload} took {row.stretch:.2f} times its processor time, more than others: does it sleep?"
            for row in beside
            if row.stretch > most
        ]
    return notes


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    text = f"{row.ratio:,.2f}" if row.ratio < 10 else f"{row.ratio:,.1f}" if row.ratio < 100 else f"{row.ratio:,.0f}"
    return f"{text} /{row.share}" if row.share > 1 else text


def figure_table(title: str, figures: Iterable[Figure]) -> Table:
    """Return figures, their goals and whether they were reached."""
    rows = []
    for figure in figures:
        goal = "" if figure.goal is None else f"{'>=' if figure.at_least else '<='} {figure.goal:,g} {figure.unit}"
        verdict = {None: "", True: "yes", False: "NO"}[figure.reached]
        rows.append([figure.figure, f"{figure.value:,.2f} {figure.unit}", goal, verdict])
    return Table(title, ["figure", "measured", "goal", "reached"], rows)
