"""``python -m benchmarks.bus``: gridbus beside its peers, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from benchmarks.peers import PEERS, Peer
from benchmarks.report import bus_tables, show
from benchmarks.rounds import Outcome, run
from benchmarks.workloads import WORKLOADS, Workload


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 where gridbus itself failed."""
    options = parse(arguments)
    outcome = run_options(options)
    if options.json:
        print(json.dumps([row.as_json() for row in outcome.rows], indent=1))
        for note in outcome.notes:
            print(note, file=sys.stderr)
    else:
        show(*bus_tables(outcome))
    return 1 if any(label.startswith("gridbus") for label in outcome.failed) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of a command line."""
    return _parser().parse_args(arguments)


def run_options(options: argparse.Namespace) -> Outcome:
    """Run the peers and workloads that were chosen."""
    events, rounds = (2_000, 2) if options.quick else (100_000, 7)
    return run(
        choose_peers(options.peers),
        choose_workloads(options.workloads),
        events=options.events or events,
        rounds=options.rounds or rounds,
        collect=not options.no_gc,
        progress=_progress if sys.stderr.isatty() else lambda _: None,
    )


def choose_peers(names: str | None) -> list[type[Peer]]:
    """Return the peers of a comma-separated list, all where there is none.

    Raises:
        SystemExit: a name is not known.
    """
    known = {peer.name: peer for peer in PEERS}
    return [known[name] for name in _chosen(names, list(known), "peer")]


def choose_workloads(names: str | None) -> list[Workload]:
    """Return the workloads of a comma-separated list, with their variants, all where there is none.

    Raises:
        SystemExit: a name is not known.
    """
    wanted = _chosen(names, list(dict.fromkeys(workload.name for workload in WORKLOADS)), "workload")
    return [workload for workload in WORKLOADS if workload.name in wanted]


def _chosen(names: str | None, known: list[str], what: str) -> list[str]:
    if names is None:
        return known
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise SystemExit(f"no {what} is called {', '.join(unknown) or 'nothing'}; there are: {', '.join(known)}")
    return wanted


def _progress(line: str) -> None:
    print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bus", description="gridbus beside its peers")
    parser.add_argument("--json", action="store_true", help="print a list of {workload, peer, ns, ratio}")
    parser.add_argument("--peers", metavar="A,B", help="only these")
    parser.add_argument("--workloads", metavar="X,Y", help="only these")
    parser.add_argument("--events", type=_positive, metavar="N", help="deliveries per round (default 100,000)")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="rounds, of which the median counts (default 7)")
    parser.add_argument("--quick", action="store_true", help="2,000 deliveries and 2 rounds: does it run at all")
    parser.add_argument("--no-gc", action="store_true", help="measure without the garbage collector, for all")
    return parser


def _positive(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
