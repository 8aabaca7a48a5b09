"""What the bus publishes about itself: failures and slow subscribers."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import Any

from gridbus.bus.ask import Request, remote_error
from gridbus.bus.delivery import Worker
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.relay import RemoteFailure
from gridbus.clock import Clock
from gridbus.errors import BusClosed
from gridbus.events.event import Event, Trace
from gridbus.events.system import (
    BUS_HANDLER_FAILED,
    BUS_SLOW_SUBSCRIBER,
    BUS_TASK_FAILED,
    HandlerFailed,
    SlowSubscriber,
    TaskFailed,
)
from gridbus.events.topic import Topic

logger = logging.getLogger("gridbus.bus")

_MOST_WAITING = 1000


class Reporter:
    """Publishes reports between two dispatches, so that no mailbox gets a report before the event that led to it."""

    def __init__(self, publish: Callable[[Topic[Any], Any, Trace | None], None], clock: Clock) -> None:
        self._publish, self._clock = publish, clock
        self._waiting: list[tuple[Topic[Any], Any, Trace | None]] = []
        self.lost = 0  #: reports that were only logged, since too many came at once

    def handler_failed(self, event: Any, worker: Worker, error: BaseException) -> None:
        """Report a handler that failed on an event or request; where the event is such a report itself, only log."""
        mailbox = worker.mailbox
        if isinstance(event, list):
            event = event[-1]
        if isinstance(event, Request):
            if event.future is not None:
                event.fail(remote_error(event, mailbox.owner, error))
                return
            event = event.as_event(self._clock.time_ns())
        self.failed(event, mailbox.name, mailbox.owner, error)

    def predicate_failed(self, event: Event[Any], mailbox: Mailbox, error: BaseException) -> None:
        """Report a predicate that raised; its subscription does not get the event."""
        mailbox.dropped += 1
        self.failed(event, f"{mailbox.name} (where)", mailbox.owner, error)

    def failed(self, event: Event[Any], name: str, owner: str, error: BaseException) -> None:
        """Report a failure on an event."""
        text = "".join(traceback.format_exception(error))
        self._failed(event, name, owner, type(error).__qualname__, str(error), text)

    def failed_elsewhere(self, event: Event[Any], name: str, owner: str, failure: RemoteFailure) -> None:
        """Report the failure of a handler that runs in another process."""
        self._failed(event, name, owner, failure.error, failure.message, failure.traceback)

    def _failed(self, event: Event[Any], name: str, owner: str, error: str, message: str, text: str) -> None:
        logger.error("%s of %r failed on %s %s\n%s", name, owner, event.topic, event.id, text)
        if event.topic != BUS_HANDLER_FAILED:
            fact = HandlerFailed(event, name, owner, error, message, text)
            self._later(BUS_HANDLER_FAILED, fact, event.trace_effects())

    def task_failed_elsewhere(self, name: str, owner: str, failure: RemoteFailure, trace: Trace | None) -> None:
        """Report a background task of another process that ended with an error."""
        logger.error("task %s of %r failed\n%s", name, owner, failure.traceback)
        fact = TaskFailed(name, owner, failure.error, failure.message, failure.traceback)
        self._later(BUS_TASK_FAILED, fact, trace)

    def task_failed(self, name: str, owner: str, error: BaseException, trace: Trace | None) -> None:
        """Report a background task that ended with an error."""
        text = "".join(traceback.format_exception(error))
        logger.error("task %s of %r failed\n%s", name, owner, text)
        self._later(BUS_TASK_FAILED, TaskFailed(name, owner, type(error).__qualname__, str(error), text), trace)

    def slow(self, mailbox: Mailbox) -> None:
        """Report that a mailbox lost its first event of an episode."""
        logger.warning(
            "%s of %r is slow: its mailbox of %d is full, %s loses events (%d so far)",
            mailbox.name, mailbox.owner, mailbox.capacity, mailbox.overflow.name, mailbox.dropped,
        )  # fmt: skip
        fact = SlowSubscriber(
            mailbox.name, mailbox.owner, mailbox.topic, mailbox.capacity, mailbox.overflow.value, mailbox.dropped
        )
        self._later(BUS_SLOW_SUBSCRIBER, fact, None)

    def flush(self) -> None:
        """Publish what waits."""
        waiting, self._waiting = self._waiting, []
        for topic, fact, trace in waiting:
            try:
                self._publish(topic, fact, trace)
            except BusClosed:  # it was logged when it happened
                self.lost += 1

    def _later(self, topic: Topic[Any], fact: Any, trace: Trace | None) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            self.lost += 1
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append((topic, fact, trace))
