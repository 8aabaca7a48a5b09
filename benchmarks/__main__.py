"""``python -m benchmarks``: run everything and write the tables into RESULTS.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from benchmarks import bus, grid, isolation, memory, plugins, reload
from benchmarks.goals import Goal, bus_goals
from benchmarks.isolated import ROOT, Figure
from benchmarks.report import Table, as_markdown, bus_tables, figure_table, goal_table, machine
from benchmarks.rounds import run
from benchmarks.workloads import WORKLOADS

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
_BEGIN, _END = "<!-- begin of results -->", "<!-- end of results -->"
_WITHOUT_COLLECTOR = ("publish-1", "publish-10", "publish-100")

Part = tuple[list[Table], list[Goal]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all; print the tables and write them between the markers of RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="run all benchmarks, write RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="little of everything, and RESULTS.md stays as it is")
    options = parser.parse_args(arguments)
    parts: dict[str, Callable[[bool], Part]] = {
        "bus": _bus,
        "memory": _memory,
        "plugins": _plugins,
        "isolation": _isolation,
        "reload": _reload,
        "grid": _grid,
    }
    tables: list[Table] = []
    goals: list[Goal] = []
    failed = False
    for name, measure in parts.items():
        print(f"measuring: {name}", file=sys.stderr)
        try:
            more_tables, more_goals = measure(options.quick)
        except (RuntimeError, ImportError) as error:
            failed = True
            print(f"{name} failed: {error}", file=sys.stderr)
            continue
        tables += more_tables
        goals += more_goals
    when = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}."
    text = "\n\n".join([when, *map(as_markdown, [goal_table(goals), *tables])])
    print(text)
    if not options.quick:
        write_between_markers(text)
    return int(failed)


def write_between_markers(text: str) -> None:
    """Replace what stands between the markers of RESULTS.md."""
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    RESULTS.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


def _bus(quick: bool) -> Part:
    options = bus.parse(["--quick"] if quick else [])
    outcome = bus.run_options(options)
    calm = run(
        bus.choose_peers(None),
        [workload for workload in WORKLOADS if workload.name in _WITHOUT_COLLECTOR],
        events=2_000 if quick else 100_000,
        rounds=2 if quick else 5,
        collect=False,
    )
    title = "The same without the garbage collector"
    tables = [table for table in bus_tables(outcome) if table.title != "Goals"]
    first = bus_tables(calm)[0]
    return [*tables, Table(title, first.header, first.rows)], bus_goals(outcome)


def _memory(quick: bool) -> Part:
    figures = memory.measure(quick=quick)
    return [figure_table("Memory and import", figures)], _goals_of(figures)


def _isolation(quick: bool) -> Part:
    figures = isolation.measure(quick=quick)
    return [figure_table("Plugins in processes of their own", figures)], _goals_of(figures)


def _reload(quick: bool) -> Part:
    figures = reload.measure(quick=quick)
    return [figure_table("Hot reload", figures)], _goals_of(figures)


def _plugins(quick: bool) -> Part:
    figures = plugins.measure(20 if quick else 200)
    return [figure_table("Plugins", figures)], _goals_of(figures)


def _grid(quick: bool) -> Part:
    outcome = grid.measure(20_000 if quick else 1_000_000, 1 if quick else 3)
    return [table for table in grid.tables(outcome) if table.title != "Goals"], grid.goals(outcome)


def _goals_of(figures: list[Figure]) -> list[Goal]:
    return [
        Goal(each.figure, each.goal, each.value, each.unit, at_least=each.at_least)
        for each in figures
        if each.goal is not None
    ]


if __name__ == "__main__":
    sys.exit(main())
