"""The benchmarks run, count what they measure, and print what they promise."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from types import ModuleType

import pytest

from benchmarks import bus, reload
from benchmarks.peers import Peer, SmallestBus
from benchmarks.reload_flow import Counts, flow, judge, longest
from benchmarks.reload_growth import leftovers
from benchmarks.report import as_markdown, bus_tables
from benchmarks.rounds import run
from benchmarks.workloads import WORKLOADS


@pytest.fixture(autouse=True)
def _short_bare_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the times here."""
    monkeypatch.setattr("benchmarks.timing.BARE_EVENTS", 100)


def test_json_has_a_figure_of_gridbus_for_each_workload(capsys: pytest.CaptureFixture[str]) -> None:
    """The bus benchmark prints workload, peer, ns and ratio for all that gridbus can do."""
    status = bus.main(["--json", "--peers", "gridbus", "--events", "200", "--rounds", "1"])
    printed = capsys.readouterr()
    rows = json.loads(printed.out)
    assert (status, printed.err) == (0, "")
    assert all(list(row) == ["workload", "peer", "ns", "ratio"] for row in rows)
    assert all(row["ns"] > 0 and row["ratio"] > 0 for row in rows)
    found = {(row["workload"], row["peer"]) for row in rows}
    proper = {(workload.name, "gridbus") for workload in WORKLOADS}
    assert found == proper | {
        ("topics-1000", "gridbus, one topic"),
        ("pattern-100", "gridbus, exact topic"),
        ("ask-p99", "gridbus"),
    }


def test_hand_written_peers_deliver_all_events() -> None:
    """The peers that need no package run through what they can do, and none of their handlers misses an event."""
    names = ["smallest bus", "asyncio.Queue", "anyio stream"]
    peers = bus.choose_peers(",".join(names))
    outcome = run(peers, bus.choose_workloads("publish-10,ask,idle-latency"), events=200, rounds=1)
    assert outcome.notes == []
    by_workload = {name: [row.peer for row in outcome.rows if row.workload == name] for name in ("publish-10", "ask")}
    assert by_workload == {"publish-10": names, "ask": names[1:]}


class _Loses(SmallestBus):
    """A bus that loses each event but the first."""

    name = "gridbus"

    async def burst(self, keys: Iterable[str], payload: object) -> None:
        for key in list(keys)[:1]:
            await self.publish(key, payload)


class _Repeats(SmallestBus):
    """A bus that delivers the last event twice."""

    name = "gridbus"

    async def burst(self, keys: Iterable[str], payload: object) -> None:
        keys = list(keys)
        for key in [*keys, keys[-1]]:
            await self.publish(key, payload)


@pytest.mark.parametrize(("peer", "reason"), [(_Loses, "TimeoutError"), (_Repeats, "CountError")])
def test_wrong_counts_are_an_error_and_no_figure(
    peer: type[Peer], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that loses or repeats events gets a note in the place of figures."""
    monkeypatch.setattr("benchmarks.workloads._PATIENCE_S", 0.05)
    outcome = run([peer], bus.choose_workloads("publish-10"), events=100, rounds=1)
    assert outcome.rows == []
    assert [note.partition(" failed: ")[2].partition(":")[0] for note in outcome.notes] == [reason]


def test_missing_peers_are_skipped_with_a_note() -> None:
    """A peer whose package is not installed takes no part."""

    class Missing(SmallestBus):
        name = "missing"
        requires = ("no_such_package_at_all",)

    outcome = run([Missing, SmallestBus], bus.choose_workloads("publish-1"), events=100, rounds=1)
    assert outcome.notes == ["missing: skipped, no_such_package_at_all is not installed"]
    assert [row.peer for row in outcome.rows] == ["smallest bus"]


def test_unknown_names_are_refused() -> None:
    """A peer or workload that does not exist is named, with those that do."""
    with pytest.raises(SystemExit, match=r"no peer is called gridbuss; there are: gridbus, "):
        bus.choose_peers("gridbuss")
    with pytest.raises(SystemExit, match=r"no workload is called publish-7; there are: publish-1, "):
        bus.choose_workloads("publish-7")


def test_tables_are_markdown_when_piped() -> None:
    """The table has a row for each peer and lines of one width."""
    outcome = run(bus.choose_peers("smallest bus"), bus.choose_workloads("publish-1"), events=100, rounds=1)
    lines = as_markdown(bus_tables(outcome)[0]).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in table] == ["peer", "------------", "smallest bus"]
    assert len({len(line) for line in table}) == 1


def test_reload_counts_what_is_lost_twice_or_out_of_order() -> None:
    """Each of the three is told from the others, and the longest wait is looked for in each window."""
    assert judge(5, [0, 1, 2, 3, 4]) == Counts(published=5, handled=5, lost=0, twice=0, out_of_order=0)
    assert judge(5, [0, 2, 1, 4, 4]) == Counts(published=5, handled=5, lost=1, twice=1, out_of_order=1)
    assert longest([1_000_000, 3_000_000, 2_000_000, 9_000_000], [(0, 2), (1, 3), (2, 3)]) == [3.0, 3.0]


def test_leftovers_of_other_generations_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class, an instance and the module of a generation count until they are gone; what serves does not."""
    module = ModuleType("gridbus_plugin_smoke__2.plugin")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("class Edited:\n    def hear(self): ...\nkept = Edited()", vars(module))
    found = leftovers(3)
    assert {id(thing) for thing in (module, module.Edited, module.kept, module.Edited.hear)} <= set(map(id, found))
    assert leftovers(2) == []


def test_reload_handles_each_event_once() -> None:
    """Two saves under load: each is a swap, and the events that waited are all there."""
    found = flow(2, "inline")
    assert found["swaps"] == 2
    counts = Counts(**found["counts"])
    assert counts.published > 100
    assert counts == Counts(counts.published, counts.published, lost=0, twice=0, out_of_order=0)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(not os.environ.get("CI"), reason="takes half a minute: set CI=1 to measure reloads a little")
def test_reload_json_has_each_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark of reloads prints figure, value, unit and goal; what has to hold on any machine holds."""
    status = reload.main(["--json", "--quick"])
    printed = capsys.readouterr()
    rows = json.loads(printed.out)
    assert (status, printed.err) == (0, "")
    assert all(list(row) == ["figure", "value", "unit", "goal"] for row in rows)
    assert len({row["figure"] for row in rows}) == len(rows)
    for start in ("save to new code serving", "pause in event delivery", "idle CPU", "a new interpreter"):
        assert any(row["figure"].startswith(start) for row in rows)
    never = (
        "events lost",
        "events handled twice",
        "events out of order",
        "reloads beyond",
        "objects of old generations",
    )
    wrong = [row for row in rows if row["figure"].startswith(never) and row["value"]]
    assert wrong == []
