"""``python -m benchmarks.reload``: from a save to new code that serves, and what it costs those who publish meanwhile.

Saves are real ones: a module of a plugin in a folder is truncated and written, the watcher sees it, and nobody else
asks for a reload. They come 0.3 s apart, as a file that changes again within 0.25 s is waited for: that is measured on
its own, as *save 0.15 s after another*. Times are the wall's. A 99th percentile over 100 is the worst of them, so other
work on the machine shows in it; where that matters, the same is measured without a reload, and stands beside it.

- *save to new code serving*: from the end of the write to the first answer of the new code to a request that is made
  every half a millisecond; and to the arrival of ``plugin:reloaded``. The same for a plugin that imports 20 modules
  more. Each save has to lead to one reload: what comes beyond that is a figure of its own.
- *pause in event delivery*: events are published every 0.2 ms. Of those within 10 ms of a swap (of the first event
  that the new code handles), the longest time from its publishing to the start of its handler. *From when events were
  due* counts as well that a loop which is busy publishes late. ``plugin:reloaded`` tells how long mailboxes were held.
  *During a whole reload* is from the save until the old generation has ended; the longest wait *of any event* is that
  of the run, in which Python also collects garbage, as it does after reloads.
- *events*: the handler writes down each event that it hears, and hands the list over to the next generation; at the end
  it is compared with what was published.
- *idle CPU*: processor time of the process, watcher's threads included, less that of the same process before it
  watches.
- *a new interpreter* imports gridbus and the plugin and serves, which is what ``uvicorn --reload`` does after a save;
  the time to see the save and to stop the old process is not in it. ``importlib.reload`` is called by who saves, so it
  sees nothing, and keeps nothing. jurigged is measured where it is installed.
- *left after reloads*: differences between two looks at one process, the first of them after 100 reloads inline and 500
  in a process: until then each of the threads that read and compile takes memory of its own. Objects of old generations
  are modules, classes, functions and instances that the collector still finds. Where the plugin has a process of its
  own, the process looked at is the application's. RSS is read when the collector has run and free memory was given
  back; peak RSS is the most that there ever was.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence

from benchmarks.isolated import Figure, call
from benchmarks.report import figure_table, show

_AGAIN = 0.15
_HOSTS = (("inline", 20.0, 40.0, 2.0), ("process", 40.0, 80.0, 5.0))  # goals: p50 and p99 of a save, p99 of the pause


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reload", description="reloading plugins on save")
    parser.add_argument("--json", action="store_true", help="print a list of {figure, value, unit, goal}")
    parser.add_argument("--quick", action="store_true", help="5 saves instead of 100, and little of the rest")
    options = parser.parse_args(arguments)
    figures = measure(quick=options.quick)
    if options.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=1))
    else:
        show(figure_table("Hot reload", figures))
    return 0


def measure(*, quick: bool = False) -> list[Figure]:
    """Return all figures; each measurement has an interpreter of its own."""
    figures = []
    for kind, usual, most, pause in _HOSTS:
        figures += save_figures(2 if quick else 100, kind, usual, most)
        figures += flow_figures(2 if quick else 100, kind, pause)
    figures += idle_figures(0.3 if quick else 5.0)
    figures += peer_figures(1 if quick else 10)
    rest = 0.2 if quick else 11.0
    figures += growth_figures(30 if quick else 1_000, "inline", 20 if quick else 100, rest)
    return figures + growth_figures(3 if quick else 500, "process", 3 if quick else 500, rest)


def save_figures(count: int, kind: str, usual: float, most: float) -> list[Figure]:
    """Return how long it takes from a save to new code that serves."""
    times = call("benchmarks.reload_saves", "save_times", count, kind)
    large = call("benchmarks.reload_saves", "save_times", count if count > 5 else 1, kind, 20)
    again = call("benchmarks.reload_saves", "save_times", (count + 4) // 5, kind, 0, _AGAIN)
    return [
        Figure(f"save to new code serving, {kind}, p50", times["answered"][0], "ms", usual),
        Figure(f"save to new code serving, {kind}, p99", times["answered"][1], "ms", most),
        Figure(f"save to plugin:reloaded, {kind}, p50", times["told"][0], "ms"),
        Figure(f"save to plugin:reloaded, {kind}, p99", times["told"][1], "ms"),
        Figure(f"save to new code serving, 21 modules, {kind}, p50", large["answered"][0], "ms"),
        Figure(f"save to new code serving, 21 modules, {kind}, p99", large["answered"][1], "ms"),
        Figure(f"save {_AGAIN:g} s after another to new code serving, {kind}, p50", again["answered"][0], "ms"),
        Figure(f"reloads beyond one per save, {kind}", times["unwanted"] + large["unwanted"], "reloads", 0),
    ]


def flow_figures(count: int, kind: str, pause: float) -> list[Figure]:
    """Return how long events wait at a swap, and what becomes of them."""
    found = call("benchmarks.reload_flow", "flow", count, kind)
    counts = found["counts"]
    reloads = f"{count} reloads at 5,000/s, {kind}"
    return [
        Figure(f"pause in event delivery at the swap, {kind}, p50", found["swap"][0], "ms"),
        Figure(f"pause in event delivery at the swap, {kind}, p99", found["swap"][1], "ms", pause),
        Figure(f"longest wait of an event in 20 ms without a reload, {kind}, p99", found["calm"][1], "ms"),
        Figure(
            f"pause in event delivery at the swap, from when events were due, {kind}, p99",
            found["swap from due"][1],
            "ms",
        ),
        Figure(
            f"longest wait in 20 ms without a reload, from when events were due, {kind}, p99",
            found["calm from due"][1],
            "ms",
        ),
        Figure(f"longest wait during a whole reload, from when events were due, {kind}, p99", found["whole"][1], "ms"),
        Figure(f"longest wait of any event, from when it was due, {kind}", found["worst"], "ms"),
        Figure(f"mailboxes held, as plugin:reloaded says, {kind}, p99", found["told"][1], "ms"),
        Figure(f"swaps seen in the order of events, {reloads}", found["swaps"], "swaps", count, at_least=True),
        Figure(f"events published during {reloads}", counts["published"], "events"),
        Figure(f"events handled during {reloads}", counts["handled"], "events"),
        Figure(f"events lost during {reloads}", counts["lost"], "events", 0),
        Figure(f"events handled twice during {reloads}", counts["twice"], "events", 0),
        Figure(f"events out of order during {reloads}", counts["out_of_order"], "events", 0),
    ]


def idle_figures(seconds: float) -> list[Figure]:
    """Return what it costs to watch."""
    return [
        Figure(
            f"idle CPU of the watcher, {plugins} plugin{'s'[: plugins - 1]} watched, over {seconds:g} s",
            call("benchmarks.reload_idle", "idle_cpu", seconds, plugins),
            "%",
            1.5,
        )
        for plugins in (1, 20)
    ]


def peer_figures(count: int) -> list[Figure]:
    """Return how long other ways to new code take."""
    module = call("benchmarks.reload_peers", "importlib_times", count * 10)
    patched = None
    if importlib.util.find_spec("jurigged") is not None:
        patched = call("benchmarks.reload_peers", "jurigged_times", count * 10)
    restart = call("benchmarks.reload_peers", "restart", count)
    figures = [
        Figure("importlib.reload of the same module, at once, no way back, p50", module[0], "ms"),
        Figure("importlib.reload of the same module, at once, no way back, p99", module[1], "ms"),
        Figure("a new interpreter, from its start to serving, p50", restart["ms"], "ms"),
        Figure("a new interpreter, to a reload inline (median of 3 runs)", restart["ratio"], "x"),
    ]
    if patched is not None:
        figures += [
            Figure("save to new code in place, jurigged, no way back, p50", patched[0], "ms"),
            Figure("save to new code in place, jurigged, no way back, p99", patched[1], "ms"),
        ]
    return figures


def growth_figures(count: int, kind: str, warm: int, rest: float) -> list[Figure]:
    """Return what is left of earlier generations."""
    grown = call("benchmarks.reload_growth", "growth", count, kind, warm, rest)
    reloads = f"left after {count:,} reloads, {kind}"
    if kind == "process":
        own = Figure(f"child processes more {reloads}", grown["children"], "processes", 0)
    else:
        own = Figure(f"objects of old generations {reloads}", grown["old objects"], "objects", 0)
    return [
        own,
        Figure(f"generations told to leak, of {warm + count:,} reloads, {kind}", grown["told"], "generations", 0),
        Figure(f"objects more {reloads}", grown["objects"], "objects"),
        Figure(f"modules more {reloads}", grown["modules"], "modules", 0),
        Figure(f"tasks more {reloads}", grown["tasks"], "tasks", 0),
        Figure(f"descriptors more {reloads}", grown["descriptors"], "descriptors", 0),
        Figure(f"RSS more {reloads}", grown["resident"] / 1e6, "MB", 2.0),
        Figure(f"peak RSS more {reloads}", grown["peak"] / 1e6, "MB", 2.0),
    ]


if __name__ == "__main__":
    sys.exit(main())
