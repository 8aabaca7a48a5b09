"""Errors of plugins: how they are told, and kept without keeping the plugin alive."""

from __future__ import annotations

import os
import traceback


def described(error: BaseException) -> str:
    """Return type, message and place of an error, as in ``ValueError: no such file (greeter.py:12)``."""
    place = place_of(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text} ({place})" if place else text


def place_of(error: BaseException) -> str | None:
    """Return ``file:line`` of what led to an error last: of the plugin, where it called what raised it in gridbus.

    For a text that is no Python, that is the line within it; None where nothing is known.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    ours = os.path.dirname(os.path.dirname(__file__)) + os.sep
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    foreign = [frame for frame in frames if not frame.filename.startswith(ours) and not _is_of_python(frame.filename)]
    return next((f"{frame.filename}:{frame.lineno}" for frame in reversed(foreign)), None)


def _is_of_python(filename: str) -> bool:
    """Tell whether a file is of the standard library: what a plugin called is less use to know than where it did."""
    library = os.path.dirname(os.__file__) + os.sep
    return filename.startswith(library) and "site-packages" not in filename[len(library) :]


def strip(error: BaseException) -> BaseException:
    """Take the tracebacks off an error and all that it came from, and return it.

    Their frames hold what the plugin's functions held, the plugin itself first of all.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        waiting += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions
    return error
