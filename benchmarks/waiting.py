"""``python -m benchmarks.waiting``: why events to many mailboxes cost more than events to one.

Publishes a burst to 1, 10, 100 and 1,000 topics in turn, all of it before any is handled, through gridbus and through
hand-written queues, the latter with the payload alone and with an envelope of its own for each event.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.peers import Gridbus, QueueFanout
from benchmarks.report import Table, show
from benchmarks.rounds import run
from benchmarks.workloads import Publish

_TOPICS = (1, 10, 100, 1000)


class QueueOfEnvelopes(QueueFanout):
    """The hand-written fan-out, with an event for each publish."""

    name = "asyncio.Queue, an envelope each"

    async def open(self) -> None:
        """Fetch the envelope that gridbus uses."""
        await super().open()
        from gridbus.events import Event
        from gridbus.events.event import Origin

        self._event, self._origin = Event, Origin("bus", "app")

    async def burst(self, keys: Iterable[str], payload: object) -> None:
        """Publish an envelope to each key."""
        publish, event, origin, time_ns = self.publish, self._event, self._origin, time.time_ns
        for number, key in enumerate(keys):
            topic: Any = key
            await publish(key, event(topic, payload, number, time_ns(), origin))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    show(table(options.events, options.rounds))
    return 0


def table(events: int, rounds: int) -> Table:
    """Return ratios to the bare loop, per event."""
    peers = [Gridbus, QueueOfEnvelopes, QueueFanout]
    workloads = [Publish(name=f"{count:,}", topics=count, capacity=events) for count in _TOPICS]
    outcome = run(peers, [*workloads, Publish(name="1, default capacity")], events=events, rounds=rounds)
    header = list(dict.fromkeys(row.workload for row in outcome.rows))
    rows = [
        [peer.name, *(f"{row.ratio:.2f}" for name in header if (row := outcome.row(name, peer.name)))] for peer in peers
    ]
    notes = [f"mailboxes hold {events:,}, so that all events wait; default capacity: the publisher waits for room"]
    return Table(f"{events:,} events to topics in turn, per event", ["topics", *header], rows, [*notes, *outcome.notes])


if __name__ == "__main__":
    sys.exit(main())
