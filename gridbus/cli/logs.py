"""What the commands show of the log: a line per warning, and no tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _OneLine(logging.Formatter):
    """The first line of a record: what failed is told, and published with its traceback, elsewhere."""

    def format(self, record: logging.LogRecord) -> str:
        """Return logger and message."""
        return f"{record.name}: {record.getMessage()}".partition("\n")[0]


@contextmanager
def logging_to_stderr(*, is_silent: bool = False) -> Iterator[None]:
    """Show warnings of gridbus on the standard error while this lasts, or nothing of its log if ``is_silent``."""
    logger = logging.getLogger("gridbus")
    handler: logging.Handler = logging.NullHandler() if is_silent else logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_OneLine())
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
