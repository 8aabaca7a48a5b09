"""Rounds of all peers in turn, so that a slow minute of the machine hits each of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from statistics import median

import attrs

from benchmarks.peers.peer import Peer
from benchmarks.workloads import Sample, Workload

_LONGEST_ROUND_S = 2.5


@attrs.frozen
class Row:
    """The figure of one peer in one workload: medians over the rounds."""

    workload: str
    peer: str
    ns: float
    ratio: float  #: to the bare loop, measured right before and after each round
    share: int = 1  #: a round had this fraction (one n-th) of the events that others had
    low: float = 0.0  #: the smallest ratio of any round
    high: float = 0.0  #: the largest
    stretch: float = 1.0  #: wall time over processor time

    def as_json(self) -> dict[str, str | float]:
        """Return what ``--json`` prints."""
        return {"workload": self.workload, "peer": self.peer, "ns": round(self.ns, 1), "ratio": round(self.ratio, 3)}


@attrs.define
class Outcome:
    """All figures of a run, and what a reader has to know of them."""

    rows: list[Row] = attrs.Factory(list)
    notes: list[str] = attrs.Factory(list)
    failed: list[str] = attrs.Factory(list)

    def row(self, workload: str, peer: str) -> Row | None:
        """Return one figure."""
        return next((row for row in self.rows if (row.workload, row.peer) == (workload, peer)), None)


@attrs.define
class _Job:
    workload: Workload
    peer: type[Peer]
    events: int
    share: int = 1
    samples: defaultdict[str, list[Sample]] = attrs.Factory(lambda: defaultdict(list))

    @property
    def label(self) -> str:
        variant = self.workload.variant
        return f"{self.peer.name}, {variant}" if variant else self.peer.name


class _Loops:
    """One asyncio and one uvloop loop that live for the whole run."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._runners: dict[bool, asyncio.Runner] = {}

    def run(self, job: _Job, events: int, collect: bool) -> list[Sample]:
        """Run one round on the loop of the peer."""
        return self._runner(job.peer.uvloop).run(job.workload.measure(job.peer(), events, collect=collect))

    def _runner(self, on_uvloop: bool) -> asyncio.Runner:
        if on_uvloop not in self._runners:
            factory = asyncio.new_event_loop
            if on_uvloop:
                import uvloop

                factory = uvloop.new_event_loop
            self._runners[on_uvloop] = self._stack.enter_context(asyncio.Runner(debug=False, loop_factory=factory))
        return self._runners[on_uvloop]


def run(
    peers: Iterable[type[Peer]],
    workloads: Sequence[Workload],
    *,
    events: int,
    rounds: int,
    collect: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Measure each workload with each peer that can do it; a peer that fails is noted and left out."""
    outcome = Outcome()
    present = []
    for peer in peers:
        missing = peer.missing()
        if missing is None:
            present.append(peer)
        else:
            outcome.notes.append(f"{peer.name}: skipped, {missing} is not installed")
    with ExitStack() as stack:
        loops = _Loops(stack)
        for name in dict.fromkeys(workload.name for workload in workloads):
            jobs = [
                _Job(workload, peer, max(events // workload.divisor, 1))
                for workload in workloads
                if workload.name == name
                for peer in present
                if workload.feature in peer.features and (not workload.variant or peer.compared)
            ]
            _run_jobs(jobs, loops, rounds, collect, progress, outcome)
    return outcome


def _run_jobs(
    jobs: list[_Job], loops: _Loops, rounds: int, collect: bool, progress: Callable[[str], None], outcome: Outcome
) -> None:
    """Run the jobs of one workload, interleaved, and add their rows."""
    ready = []
    for job in jobs:
        progress(f"{job.workload.name}: {job.label}, warming up")
        if _try(lambda job=job: _fit(job, loops, collect), job, outcome):  # type: ignore[misc]
            ready.append(job)
    for number in range(rounds):
        # each round begins with another peer, so that nobody always runs after the same one
        shift = number % len(ready) if ready else 0
        for job in [*ready[shift:], *ready[:shift]]:
            progress(f"{job.workload.name}: {job.label}, round {number + 1} of {rounds}")
            if not _try(lambda job=job: _measure(job, loops, collect), job, outcome):  # type: ignore[misc]
                ready.remove(job)
    for job in ready:
        for workload, samples in job.samples.items():
            ratios = [sample.ns / sample.bare_ns for sample in samples]
            outcome.rows.append(
                Row(
                    workload,
                    job.label,
                    median(sample.ns for sample in samples),
                    median(ratios),
                    share=job.share,
                    low=min(ratios),
                    high=max(ratios),
                    stretch=median(sample.stretch for sample in samples),
                )
            )


def _fit(job: _Job, loops: _Loops, collect: bool) -> None:
    """Run a short round to warm up; where a full one would take too long, give the peer fewer events."""
    sample = loops.run(job, max(job.events // 50, 1), collect)[0]
    while sample.ns * job.events / job.share > _LONGEST_ROUND_S * 1e9 and job.share < 1000:
        job.share *= 10
    if job.share > 1:
        job.events = max(job.events // job.share, 1)


def _measure(job: _Job, loops: _Loops, collect: bool) -> None:
    for sample in loops.run(job, job.events, collect):
        job.samples[sample.workload].append(sample)


def _try(work: Callable[[], None], job: _Job, outcome: Outcome) -> bool:
    """Do the work; where it fails, say so and return False."""
    try:
        work()
    except Exception as error:  # a peer's fault must not end the run
        outcome.failed.append(job.label)
        reason = str(error).partition("\n")[0]
        outcome.notes.append(f"{job.label}: {job.workload.name} failed: {type(error).__name__}: {reason}")
        return False
    return True
