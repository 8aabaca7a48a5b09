"""Errors of plugins: how they are told, and kept without keeping the plugin alive."""

from __future__ import annotations

import os
import re
import traceback

from gridbus.errors import PluginError, RemoteError

_IN_TRACEBACK = re.compile(r'File "([^"]+)", line (\d+)')


def described(error: BaseException) -> str:
    """Return type, message and place of an error, as in ``ValueError: no such file (greeter.py:12)``."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    place = place_of(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text} ({place})" if place and place not in text else text


def place_of(error: BaseException) -> str | None:
    """Return ``file:line`` of ``location_of``."""
    found = location_of(error)
    return None if found is None else f"{found[0]}:{found[1]}"


def location_of(error: BaseException) -> tuple[str, int | None] | None:
    """Return file and line of what led to an error last: of the plugin, where it called what raised it in gridbus.

    For a text that is no Python, that is the line within it; None where nothing is known.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    if isinstance(error, PluginError) and "file" in error.details:  # it tells of another, which was there
        return error.details["file"], error.details.get("line")
    own = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)]
    elsewhere = error.traceback_text if isinstance(error, RemoteError) else "\n".join(getattr(error, "__notes__", ()))
    told = [(filename, int(line)) for filename, line in _IN_TRACEBACK.findall(elsewhere)]
    foreign = _foreign(told) or _foreign(own)
    return foreign[-1] if foreign else None


def _foreign(places: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the places that are neither in gridbus nor in the standard library."""
    ours = os.path.dirname(os.path.dirname(__file__)) + os.sep
    return [place for place in places if not place[0].startswith((ours, "<frozen")) and not _is_of_python(place[0])]


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
