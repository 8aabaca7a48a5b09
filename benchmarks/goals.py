"""What gridbus set out to reach, and whether it did."""

from __future__ import annotations

import attrs

from benchmarks.rounds import Outcome


@attrs.frozen
class Goal:
    """One promise and what was measured; no value where it was not measured."""

    what: str
    limit: float
    value: float | None
    unit: str
    strict: bool = False  #: the limit itself is too much
    at_least: bool = False  #: the limit is one to reach

    @property
    def reached(self) -> bool | None:
        """Tell whether the value is within the limit; None where there is none."""
        if self.value is None:
            return None
        if self.at_least:
            return self.value >= self.limit
        return self.value < self.limit if self.strict else self.value <= self.limit

    def cells(self) -> tuple[str, str, str, str]:
        """Return what, limit, value and verdict as text."""
        sign = ">=" if self.at_least else "<" if self.strict else "<="
        value = "not measured" if self.value is None else f"{self.value:,.2f} {self.unit}"
        verdict = {True: "yes", False: "NO", None: "-"}[self.reached]
        return self.what, f"{sign} {self.limit:g} {self.unit}", value, verdict


def bus_goals(outcome: Outcome) -> list[Goal]:
    """Return the goals that a run of the bus workloads decides."""
    goals = [
        Goal(what, limit, _ratio(outcome, workload, "gridbus"), "x a bare await")
        for what, workload, limit in (
            ("1 subscriber", "publish-1", 5.5),
            ("10 subscribers, per delivery", "publish-10", 2.2),
            ("100 subscribers, per delivery", "publish-100", 1.8),
        )
    ]
    for what, workload, other, limit in (
        ("1,000 topics, per event", "topics-1000", "one topic", 1.15),
        ("100 patterns of which one matches", "pattern-100", "exact topic", 1.3),
    ):
        mine, simple = _ratio(outcome, workload, "gridbus"), _ratio(outcome, workload, f"gridbus, {other}")
        goals.append(Goal(what, limit, mine / simple if mine and simple else None, f"x {other}"))
    ask = outcome.row("ask", "gridbus")
    goals.append(Goal("ask and reply within the process, p50", 8.0, ask.ns / 1000 if ask else None, "us"))
    return goals


def _ratio(outcome: Outcome, workload: str, peer: str) -> float | None:
    row = outcome.row(workload, peer)
    return row.ratio if row else None
