"""What is measured: bursts to one or many handlers, topics and patterns, single events, requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import cycle, islice, repeat
from time import perf_counter_ns
from typing import ClassVar, Protocol

import attrs

from benchmarks.peers.peer import Feature, Peer
from benchmarks.timing import CountError, Gate, Moment, Span, bare_loop, calm

_PATIENCE_S = 300.0  # after this long, a round is given up: events were lost


@attrs.frozen
class Payload:
    """The one payload that all peers carry, made once."""

    id: str
    value: int


PAYLOAD = Payload("7", 42)


@attrs.frozen
class Sample:
    """What one round gave."""

    workload: str
    ns: float
    bare_ns: float  #: of the bare loop, right before and after
    stretch: float = 1.0  #: wall time over processor time; above 1 on a busy machine, or where the peer sleeps


class Workload(Protocol):
    """One thing that can be measured with each peer that has the feature."""

    @property
    def name(self) -> str:
        """The name in tables and JSON."""

    @property
    def variant(self) -> str:
        """What the peer's name gets as a suffix; empty for the workload proper."""

    @property
    def feature(self) -> Feature:
        """What a peer must have."""

    @property
    def divisor(self) -> int:
        """How much fewer events than asked for a round has, as each costs more."""

    async def measure(self, peer: Peer, events: int, *, collect: bool) -> list[Sample]:
        """Run one round in a fresh instance of the peer."""


@attrs.frozen(kw_only=True)
class Publish:
    """Publish a burst, then let all of it be handled; the figure is per delivery.

    Time runs from the first publish until the last handler ran.
    """

    name: str
    handlers: int = 1  #: of each topic
    topics: int = 1  #: published to in turn
    patterns: int = 0  #: instead of exact subscriptions; only the middle one matches
    capacity: int | None = None  #: of mailboxes; the peer's default where None
    variant: str = ""
    divisor: int = 1

    @property
    def feature(self) -> Feature:
        """What a peer must have."""
        return Feature.PATTERN if self.patterns else Feature.PUBLISH

    async def measure(self, peer: Peer, events: int, *, collect: bool) -> list[Sample]:
        """Run one round: ``events`` deliveries, at least one publish to each topic."""
        publishes = max(events // self.handlers // self.topics, 1) * self.topics
        peer.capacity = self.capacity
        async with asyncio.timeout(_PATIENCE_S), peer.opened():
            gate = Gate(self.patterns or self.handlers * self.topics, peer.arguments)
            names = self._subscribe(peer, gate)
            keys = [peer.key(name) for name in names]
            await self._burst(peer, gate, keys, self.topics * 10 if self.topics < 100 else self.topics)
            with calm(collect=collect):
                before = await bare_loop(PAYLOAD)
                took = await self._burst(peer, gate, keys, publishes)
                after = await bare_loop(PAYLOAD)
        return [_sample(self.name, took, publishes * self.handlers, (before + after) / 2)]

    def _subscribe(self, peer: Peer, gate: Gate) -> list[str]:
        """Subscribe all handlers; return the names to publish to."""
        counters = iter(gate.counters)
        if self.patterns:
            for number in range(self.patterns):
                peer.subscribe_pattern(f"noun{number}:*", next(counters).handler)
            return [f"noun{self.patterns // 2}:create"]
        names = [f"topic{number}:event" for number in range(self.topics)]
        for name in names:
            for _ in range(self.handlers):
                peer.subscribe(name, next(counters).handler)
        return names

    async def _burst(self, peer: Peer, gate: Gate, keys: list[object], publishes: int) -> Span:
        per_topic = publishes // self.topics
        if self.patterns:
            gate.expect([publishes if number == self.patterns // 2 else 0 for number in range(self.patterns)])
        else:
            gate.expect([per_topic] * len(gate.counters))
        sequence: Iterable[object] = repeat(keys[0], publishes) if len(keys) == 1 else islice(cycle(keys), publishes)
        began = Moment()
        await peer.burst(sequence, PAYLOAD)
        await gate.opened()
        await gate.check()
        return began.until(gate.ended)


@attrs.frozen(kw_only=True)
class IdleLatency:
    """Publish one event to a subscriber that sleeps, wait until it is handled, and again."""

    name: str = "idle-latency"
    variant: str = ""
    divisor: int = 10
    feature: ClassVar[Feature] = Feature.PUBLISH

    async def measure(self, peer: Peer, events: int, *, collect: bool) -> list[Sample]:
        """Run one round; the publisher's own waiting is part of the figure, for all peers alike."""
        handled = 0
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()

        async def handler(*_: object) -> None:
            nonlocal handled
            handled += 1
            waiter.set_result(None)

        async with asyncio.timeout(_PATIENCE_S), peer.opened():
            peer.subscribe("topic0:event", handler)
            once = (peer.key("topic0:event"),)
            await peer.burst(once, PAYLOAD)
            await waiter
            with calm(collect=collect):
                before = await bare_loop(PAYLOAD)
                began = Moment()
                for _ in repeat(None, events):
                    waiter = loop.create_future()
                    await peer.burst(once, PAYLOAD)
                    await waiter
                took = began.until(Moment())
                after = await bare_loop(PAYLOAD)
        if handled != events + 1:
            raise CountError(f"{handled} events were handled, {events + 1} were published")
        return [_sample(self.name, took, events, (before + after) / 2)]


@attrs.frozen(kw_only=True)
class Ask:
    """Ask, wait for the reply, ask again; the figures are the 50th and 99th percentile of single requests.

    They are wall times: a request is too short for the processor's clock.
    """

    name: str = "ask"
    variant: str = ""
    divisor: int = 10
    feature: ClassVar[Feature] = Feature.ASK

    async def measure(self, peer: Peer, events: int, *, collect: bool) -> list[Sample]:
        """Run one round of ``events`` requests."""
        served = 0

        async def answer(message: str) -> str:
            nonlocal served
            served += 1
            return message

        message, times = "ping", []
        async with asyncio.timeout(_PATIENCE_S), peer.opened():
            peer.serve(answer)
            ask = peer.asker(message)
            for _ in range(20):
                await ask()
            with calm(collect=collect):
                before = await bare_loop(PAYLOAD)
                for _ in repeat(None, events):
                    began = perf_counter_ns()
                    reply = await ask()
                    times.append(perf_counter_ns() - began)
                    if reply != message:
                        raise CountError(f"{peer.name} replied {reply!r}")
                after = await bare_loop(PAYLOAD)
        if served != events + 20:
            raise CountError(f"{served} requests were served, {events + 20} were made")
        times.sort()
        bare = (before + after) / 2
        return [
            Sample(self.name, times[events // 2], bare),
            Sample(f"{self.name}-p99", times[min(events * 99 // 100, events - 1)], bare),
        ]


def _sample(workload: str, took: Span, units: int, bare_ns: float) -> Sample:
    return Sample(workload, took.cpu_ns / units, bare_ns, took.wall_ns / max(took.cpu_ns, 1))


WORKLOADS: tuple[Workload, ...] = (
    Publish(name="publish-1"),
    Publish(name="publish-10", handlers=10),
    Publish(name="publish-100", handlers=100),
    Publish(name="topics-1000", topics=1000),
    Publish(name="topics-1000", variant="one topic"),
    Publish(name="pattern-100", patterns=100),
    Publish(name="pattern-100", variant="exact topic"),
    Ask(),
    IdleLatency(),
)
