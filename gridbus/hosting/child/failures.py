"""Failures in a plugin's process, as text that the application can pass on."""

from __future__ import annotations

import traceback

from gridbus.errors import HandlerTimeout
from gridbus.hosting.protocol import Failure

MOST_TEXT = 8 * 1024
"""Characters of a traceback or log message that cross the border."""

_MOST_MESSAGE = 2 * 1024


def failure_of(seq: int, error: BaseException) -> Failure:
    """Return an error as it crosses the border."""
    return Failure(
        seq,
        type(error).__qualname__,
        cut(str(error), _MOST_MESSAGE),
        traceback_of(error),
        isinstance(error, HandlerTimeout),
    )


def traceback_of(error: BaseException) -> str:
    """Return the end of a traceback, where the error stands."""
    try:
        text = "".join(traceback.format_exception(error))
    except MemoryError:  # the error that is told here may be one
        return ""
    return text if len(text) <= MOST_TEXT else f"...{text[3 - MOST_TEXT :]}"


def cut(text: str, most: int = MOST_TEXT) -> str:
    """Return the beginning of a text, and say how much of it is missing."""
    return text if len(text) <= most else f"{text[: most - 40]}... ({len(text):,} characters)"
