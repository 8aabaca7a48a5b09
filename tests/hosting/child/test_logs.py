"""What is logged in a plugin's process is written in the application."""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from gridbus.hosting.child.logs import LogNotes, log_to


class Telling:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.is_paused = False
        self.told: list[Any] = []
        self.log: logging.Logger | None = None

    def note(self, method: str, arguments: Any, /) -> None:
        assert method == "log"
        self.told.append(arguments)
        if self.log is not None:
            self.log.error("a line about a line")


@pytest.fixture
async def peer() -> Telling:
    """The application."""
    return Telling()


@pytest.fixture
def log(peer: Telling) -> Iterator[logging.Logger]:
    """A logger that sends."""
    logger = logging.getLogger("probe.logs")
    handler = LogNotes(peer, asyncio.get_event_loop_policy().get_event_loop())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)


async def test_a_record_crosses_as_text_with_its_place(peer: Telling, log: logging.Logger) -> None:
    """Arguments are put into the message here, and the traceback after it."""
    log.info("hello %s", "world")
    try:
        raise LookupError("not here")
    except LookupError:
        log.exception("it failed")
    first, second = peer.told
    assert (first.logger, first.level, first.message) == ("probe.logs", logging.INFO, "hello world")
    assert first.where.rpartition(":")[0] == __file__
    assert second.message.startswith("it failed\nTraceback")
    assert second.message.endswith("LookupError: not here")


async def test_a_long_message_is_cut(peer: Telling, log: logging.Logger) -> None:
    """It says how long it was."""
    log.info("x" * 100_000)
    [line] = peer.told
    assert len(line.message) <= 8 * 1024
    assert line.message.endswith("(100,000 characters)")


async def test_what_the_sending_logs_is_not_sent(peer: Telling, log: logging.Logger) -> None:
    """It would go on for ever."""
    peer.log = log
    log.info("once")
    assert [line.message for line in peer.told] == ["once"]


async def test_lines_do_not_pile_up_while_nobody_reads(peer: Telling, log: logging.Logger) -> None:
    """How many are missing is told as soon as somebody does."""
    peer.is_paused = True
    for number in range(1000):
        log.info("%d", number)
    peer.is_paused = False
    log.info("again")
    assert [line.message for line in peer.told] == [
        "1,000 lines are missing here: the plugin logged more than was read",
        "again",
    ]


async def test_a_thread_logs_through_the_loop(peer: Telling, log: logging.Logger) -> None:
    """The conversation belongs to one thread."""
    thread = threading.Thread(target=lambda: log.info("from a thread"))
    thread.start()
    thread.join()
    assert peer.told == []
    await asyncio.sleep(0)
    assert [line.message for line in peer.told] == ["from a thread"]


async def test_all_that_is_logged_goes_to_the_application(peer: Telling) -> None:
    """Warnings of Python too; the level is the application's."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        with warnings.catch_warnings():
            log_to(peer, asyncio.get_running_loop(), logging.WARNING)
            logging.getLogger("some.library").info("not this")
            logging.getLogger("some.library").warning("this")
            warnings.warn("old ways", DeprecationWarning, stacklevel=1)
            logging.captureWarnings(False)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    assert [line.logger for line in peer.told] == ["some.library", "py.warnings"]
    assert "old ways" in peer.told[1].message
