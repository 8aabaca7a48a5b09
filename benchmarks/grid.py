"""``python -m benchmarks.grid``: a million rows in four ways, and what an update costs that three hear."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from statistics import median
from typing import Any

import attrs

from benchmarks.contenders import CONTENDERS
from benchmarks.goals import Goal
from benchmarks.isolated import Figure, call
from benchmarks.report import Table, figure_table, goal_table, show

_STEPS = ("load", "sort", "filter")
_SLACK = 2.0  # how much more than a list of dicts a grid may take
_MOST_UPDATE = 30.0


@attrs.frozen
class Outcome:
    """What a run gave: seconds and bytes by contender, and what an update takes."""

    rows: int
    contenders: dict[str, dict[str, float]]
    updates: dict[str, dict[str, float]]
    notes: list[str]

    def as_json(self) -> list[dict[str, Any]]:
        """Return a list of figures."""
        return [figure.as_json() for figure in self.figures()]

    def figures(self) -> list[Figure]:
        """Return all figures; goals are those of gridbus."""
        found = []
        for name, values in self.contenders.items():
            for key, value in values.items():
                unit = "s" if key in _STEPS else "MB"
                found.append(Figure(f"{self.rows:,} rows, {key}, {name}", value, unit, self._limit(name, key)))
        for who, values in self.updates.items():
            goal = _MOST_UPDATE if who == "plugins" else None
            found.append(Figure(f"one update heard by three {who}", values["ratio"], "x a bare await", goal))
        return found

    def _limit(self, name: str, key: str) -> float | None:
        plain = self.contenders.get("list of dicts")
        return _SLACK * plain[key] if name == "gridbus" and plain else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grid", description="the grid beside plain containers")
    parser.add_argument("--json", action="store_true", help="print a list of {figure, value, unit, goal}")
    parser.add_argument("--rows", type=int, help="rows to load (default 1,000,000)")
    parser.add_argument("--rounds", type=int, help="rounds, of which the fastest counts (default 3)")
    parser.add_argument("--quick", action="store_true", help="20,000 rows, one round")
    options = parser.parse_args(arguments)
    outcome = measure(
        options.rows or (20_000 if options.quick else 1_000_000), options.rounds or (1 if options.quick else 3)
    )
    if options.json:
        print(json.dumps(outcome.as_json(), indent=1))
    else:
        show(*tables(outcome))
    return 0


def measure(rows: int, rounds: int) -> Outcome:
    """Run each contender in a process of its own, in turn, and compare their answers.

    Raises:
        AssertionError: two contenders do not agree on the first rows after sorting, or on how many pass the filter.
    """
    notes = []
    samples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _ in range(rounds):
        for name, function in CONTENDERS.items():
            if name == "polars" and find_spec("polars") is None:
                notes = ["polars: skipped, it is not installed"]
                continue
            samples[name].append(call("benchmarks.contenders", function.__name__, rows))
    answers = {name: tuple(found[0]["answer"]) for name, found in samples.items()}
    if len(set(answers.values())) > 1:
        raise AssertionError(f"the contenders do not agree: {answers}")
    contenders = {
        name: {
            **{step: min(sample[step] for sample in found) for step in _STEPS},
            "peak memory of the load": median(sample["load_bytes"] for sample in found) / 2**20,
            "peak memory of all": median(sample["peak_bytes"] for sample in found) / 2**20,
        }
        for name, found in samples.items()
    }
    updates = {}
    for who in ("subscriptions", "plugins"):
        try:
            updates[who] = call(
                "benchmarks.updates", "update_ratio", max(rows // 50, 2_000), max(rounds, 3), who == "plugins"
            )
        except RuntimeError as error:
            notes.append(f"one update heard by three {who}: {str(error).splitlines()[-1]}")
    return Outcome(rows, contenders, updates, notes)


def tables(outcome: Outcome) -> list[Table]:
    """Return the comparison, the updates and the goals."""
    header = ["", *(f"{step}, s" for step in _STEPS), "load, peak MB", "all, peak MB"]
    rows = [
        [name, *(f"{value:,.2f}" if key in _STEPS else f"{value:,.0f}" for key, value in values.items())]
        for name, values in outcome.contenders.items()
    ]
    notes = [
        "each cell's type and each id is checked by all; sorting yields all rows in order, filtering all that pass",
        "times: the fastest of all rounds, making the rows not counted",
        "memory: peak of the process over that before the load",
        *outcome.notes,
    ]
    updates = [figure for figure in outcome.figures() if figure.figure.startswith("one update")]
    return [
        Table(f"{outcome.rows:,} rows of 10 columns", header, rows, notes),
        figure_table("One `await grid.update(id, {column: value})` and all who hear it", updates),
        goal_table(goals(outcome)),
    ]


def goals(outcome: Outcome) -> list[Goal]:
    """Return the goals of the grid."""
    mine, plain = outcome.contenders["gridbus"], outcome.contenders["list of dicts"]
    found = [Goal(f"grid: {key}", _SLACK, mine[key] / max(plain[key], 1e-9), "x a list of dicts") for key in mine]
    heard = outcome.updates.get("plugins")
    return [
        *found,
        Goal(
            "one grid.update heard by three plugins", _MOST_UPDATE, heard["ratio"] if heard else None, "x a bare await"
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())
