"""What goes wrong in the handlers and tasks of a plugin's process, told to the application."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from gridbus.bus.ask import Request, remote_error
from gridbus.bus.delivery import Worker
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.report import Reporter
from gridbus.clock import Clock
from gridbus.events import Event, Topic, Trace
from gridbus.hosting.child.failures import failure_of, traceback_of
from gridbus.hosting.child.inlet import Inlet
from gridbus.hosting.protocol import Refusal, TaskFailure
from gridbus.hosting.traces import wire_trace

logger = logging.getLogger("gridbus.hosting")


class Telling(Protocol):
    """The application, as far as it is told something."""

    def note(self, method: str, arguments: Any, /) -> None:
        """Tell it."""


class ChildReporter(Reporter):
    """Hands failures to where the application hears of them, which publishes and logs them.

    ``trouble`` is called with a line about each, for the plugin's own idea of its health.
    """

    def __init__(self, peer: Telling, inlets: Callable[[Mailbox], Inlet | None], clock: Clock) -> None:
        super().__init__(_nowhere, clock)
        self._peer, self._inlet = peer, inlets
        self.trouble: Callable[[str], object] = _ignore

    def handler_failed(self, event: Any, worker: Worker, error: BaseException) -> None:
        """Tell that a handler failed on an event or request."""
        mailbox = worker.mailbox
        self._look_at(error)
        if isinstance(event, Request):
            event.fail(remote_error(event, mailbox.owner, error))
            return
        self._tell(event[-1] if isinstance(event, list) else event, mailbox, error)

    def predicate_failed(self, event: Event[Any], mailbox: Mailbox, error: BaseException) -> None:
        """Tell that a predicate raised."""
        mailbox.dropped += 1
        self._look_at(error)
        self._tell(event, mailbox, error)

    def task_failed(self, name: str, owner: str, error: BaseException, trace: Trace | None) -> None:
        """Tell that a background task failed."""
        self._look_at(error)
        self.trouble(f"task {name}: {type(error).__qualname__}: {error}")
        self._peer.note("task_failed", TaskFailure(name, failure_of(0, error), wire_trace(trace)))

    def slow(self, mailbox: Mailbox) -> None:
        """Do nothing: it is in the application that events wait, and may be lost."""

    def _tell(self, event: Any, mailbox: Mailbox, error: BaseException) -> None:
        self.trouble(f"{mailbox.name}: {type(error).__qualname__}: {error}")
        inlet = self._inlet(mailbox)
        if inlet is not None:
            inlet.fail(event.seq, error)
        else:  # the subscription was closed meanwhile, and nobody waits for word of its events
            logger.error("%s failed on %s %s\n%s", mailbox.name, event.topic, event.id, traceback_of(error))

    def _look_at(self, error: BaseException) -> None:
        """Tell that memory ran out, which the application counts as a limit that was reached."""
        if isinstance(error, MemoryError):
            self._peer.note("refused", Refusal("memory_bytes", str(error) or "an allocation was refused"))


def _nowhere(topic: Topic[Any], fact: Any, trace: Trace | None) -> None:
    """Publish nothing: there is nobody here to hear it."""


def _ignore(what: str) -> None:
    """Stand for somebody who wants to know."""
