"""Events wait, bounded, until they are sent, and each loss is counted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import attrs
import pytest

from official_plugins.analytics import AnalyticsConfig
from official_plugins.analytics.outbox import Outbox
from official_plugins.analytics.sink import Outcome, Verdict
from official_plugins.analytics.tracked import Tracked

LOG = logging.getLogger("test")


@attrs.define
class FakeSink:
    """Answers as it is told, and keeps what it was sent."""

    answers: list[Outcome] = attrs.field(factory=list)
    batches: list[list[str]] = attrs.field(factory=list)
    is_closed: bool = False
    came: anyio.Event = attrs.field(factory=anyio.Event)

    async def send(self, batch: Sequence[Tracked]) -> Outcome:
        self.batches.append([tracked.insert_id for tracked in batch])
        self.came.set()
        await anyio.lowlevel.checkpoint()
        return self.answers.pop(0) if self.answers else Outcome(Verdict.DONE, len(batch))

    async def aclose(self) -> None:
        self.is_closed = True


def tracked(number: int) -> Tracked:
    """An event."""
    return Tracked("row:create", str(number), number, {})


def outbox(sink: FakeSink, **options: object) -> Outbox:
    """An outbox that hurries."""
    values = {"batch_size": 3, "max_waiting": 5, "batch_seconds": 0.001, "retry_seconds": 0.001} | options
    return Outbox(sink, AnalyticsConfig(api_key="k", **values), LOG)  # type: ignore[arg-type]


@asynccontextmanager
async def running(box: Outbox) -> AsyncIterator[None]:
    """Run the sender for as long as the block."""
    async with anyio.create_task_group() as group:
        group.start_soon(box.run)
        yield
        group.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - figures are plain numbers, which nobody can wait for
            await anyio.sleep(0.001)


async def test_a_full_batch_is_sent_at_once_and_the_rest_in_time() -> None:
    """In order."""
    sink = FakeSink()
    box = outbox(sink)
    async with running(box):
        for number in range(5):
            box.add(tracked(number))
        await until(lambda: box.figures.sent == 5)
    assert sink.batches == [["0", "1", "2"], ["3", "4"]]
    assert box.waiting == 0


async def test_a_batch_that_fails_is_sent_again_whole() -> None:
    """With the same ids, so that the provider counts it once."""
    sink = FakeSink([Outcome(Verdict.RETRY, reason="HTTP 503"), Outcome(Verdict.REFUSED, reason="HTTP 401")])
    box = outbox(sink)
    async with running(box):
        box.add(tracked(1))
        await until(lambda: box.figures.failures == 2)
    assert (box.figures.last_error, box.waiting, box.figures.lost) == ("HTTP 401", 1, 0)
    assert await box.finish() == 0
    assert sink.batches == [["1"]] * 3
    assert (box.figures.sent, box.figures.last_error, sink.is_closed) == (1, None, True)


async def test_events_that_the_provider_rejects_are_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    """They are counted, and the reason is logged."""
    sink = FakeSink([Outcome(Verdict.DONE, 1, "HTTP 400: too old")])
    box = outbox(sink)
    async with running(box):
        for number in range(3):
            box.add(tracked(number))
        await until(lambda: box.waiting == 0)
    assert (box.figures.sent, box.figures.rejected) == (1, 2)
    assert "2 of 3 events were rejected: HTTP 400: too old" in caplog.text


async def test_a_batch_that_is_too_large_is_halved() -> None:
    """Down to one event, which is rejected if it is too large by itself."""
    split = Outcome(Verdict.SPLIT, reason="HTTP 413")
    sink = FakeSink([split, split])
    box = outbox(sink)
    for number in range(3):
        box.add(tracked(number))
    assert await box.finish() == 0
    assert sink.batches == [["0", "1", "2"], ["0"], ["1", "2"]]
    assert (box.figures.sent, box.figures.rejected) == (2, 1)


async def test_where_there_is_no_room_the_oldest_is_lost_and_counted() -> None:
    """What is being sent just now is not touched."""
    sink = FakeSink()
    box = outbox(sink, batch_size=2, max_waiting=3)
    async with running(box):
        for number in range(4):
            box.add(tracked(number))
        assert (box.waiting, box.figures.lost) == (3, 1)
        await sink.came.wait()
        for number in range(4, 6):
            box.add(tracked(number))
        await until(lambda: box.waiting == 0)
    assert sink.batches == [["1", "2"], ["5"]]
    assert (box.figures.lost, box.figures.sent, box.figures.tracked) == (3, 3, 6)


async def test_what_cannot_be_sent_at_the_end_is_counted_as_lost() -> None:
    """One attempt is made."""
    sink = FakeSink([Outcome(Verdict.RETRY, reason="offline")] * 9)
    box = outbox(sink)
    for number in range(2):
        box.add(tracked(number))
    assert await box.finish() == 2
    assert (len(sink.batches), box.figures.lost, sink.is_closed) == (1, 2, True)


async def test_without_a_sink_events_are_only_counted() -> None:
    """None is kept."""
    box = Outbox(None, AnalyticsConfig(), LOG)
    box.add(tracked(1))
    assert (box.figures.tracked, box.waiting, await box.finish()) == (1, 0, 0)
