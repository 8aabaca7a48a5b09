"""What went wrong with a plugin, with the place in its code and the lines around it."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import shorten

import attrs

from gridbus.errors import PluginError
from gridbus.events.system import HandlerFailed, PluginFailed, PluginReloadFailed, TaskFailed
from gridbus.manifest import MANIFEST_NAME

_AROUND = 3  #: lines of source before and behind the one that is meant
_MOST_BYTES = 1 << 20  #: of a file whose lines are shown
_MOST_TOLD = 400  #: characters of a message in a line
_FRAME = re.compile(r'File "([^"\n]+)", line (\d+)')
_IN_MESSAGE = re.compile(r"\(([^()\n]+):(\d+)\)")
_OF_SYNTAX = re.compile(r" \([^()]*, line \d+\)")  # what str(SyntaxError) ends with: the place, once more


@attrs.frozen
class Trouble:
    """One thing that went wrong."""

    what: str  #: as in ``reload failed``
    error: str  #: type name
    message: str
    file: str | None = None  #: relative to the plugin's folder, where it is in there
    line: int | None = None
    source: tuple[str, ...] = ()  #: the line that is meant, and those around it
    first: int = 0  #: the number of the first of them

    @property
    def place(self) -> str:
        """File and line, as far as they are known."""
        return "" if self.file is None else self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        """Return it in one line."""
        parts = [self.what, self.place, self.error, shorten(self.message, _MOST_TOLD, placeholder=" ...")]
        return ": ".join(part for part in parts if part)

    def excerpt(self) -> tuple[str, ...]:
        """Return the lines of source with their numbers, the one that is meant with a marker."""
        numbers = range(self.first, self.first + len(self.source))
        width = len(str(self.first + len(self.source) - 1))
        return tuple(
            f"{'>' if number == self.line else ' '} {number:>{width}} {text}".rstrip()
            for number, text in zip(numbers, self.source, strict=True)
        )


def of_error(error: PluginError, folder: Path, what: str) -> Trouble:
    """Return what an error of the manager says: what led to it, where that is known."""
    cause = error.__cause__ or error
    named, line = error.details.get("file"), error.details.get("line")
    if named is None and isinstance(cause, SyntaxError):
        named, line = cause.filename, cause.lineno
    message = cause.msg if isinstance(cause, SyntaxError) else str(cause)
    place = (named, line) if named is not None else _place_in(str(error), folder)
    manifest = folder / MANIFEST_NAME
    if place[0] is None and message.startswith(f"{manifest}:"):
        place, message = (str(manifest), None), message.removeprefix(f"{manifest}:").strip()
    return _trouble(what, type(cause).__name__, message, place, folder)


def of_reload(fact: PluginReloadFailed, folder: Path) -> Trouble:
    """Return why a plugin could not be reloaded."""
    error, message = fact.error, fact.message
    if error in ("SyntaxError", "IndentationError", "TabError"):
        message = _OF_SYNTAX.sub("", message)
    place = (fact.file, fact.line) if fact.file is not None else _place_in(fact.traceback or fact.message, folder)
    what = "reload failed" if fact.stage in ("read", "load") else f"reload failed at {fact.stage}"
    return _trouble(what, error, message, place, folder)


def of_stage(fact: PluginFailed, folder: Path) -> Trouble:
    """Return what failed in the life of a plugin."""
    place = _place_in(fact.traceback or fact.message, folder)
    return _trouble(f"{fact.stage} failed", fact.error, fact.message, place, folder)


def of_handler(fact: HandlerFailed, folder: Path) -> Trouble:
    """Return which handler failed, and on what."""
    what = f"handler {fact.subscription} failed on {fact.event.topic}"
    return _trouble(what, fact.error, fact.message, _place_in(fact.traceback, folder), folder)


def of_task(fact: TaskFailed, folder: Path) -> Trouble:
    """Return which task failed."""
    return _trouble(f"task {fact.task} failed", fact.error, fact.message, _place_in(fact.traceback, folder), folder)


def _place_in(text: str, folder: Path) -> tuple[str | None, int | None]:
    """Return the last place of a traceback, or of a message, that is in the plugin's folder."""
    for name, line in reversed([*_IN_MESSAGE.findall(text), *_FRAME.findall(text)]):
        if _is_within(name, folder):
            return name, int(line)
    return None, None


def _trouble(what: str, error: str, message: str, place: tuple[str | None, int | None], folder: Path) -> Trouble:
    named, line = place
    if named is None:
        return Trouble(what, error, message)
    path = folder / named
    shown = path.relative_to(folder).as_posix() if _is_within(named, folder) else named
    # ``described`` puts the place behind the message: here it stands before it.
    message = message.replace(f" ({path}:{line})", "").replace(f" ({named}:{line})", "")
    first, source = _around(path, line)
    return Trouble(what, error, message, shown, line, source, first)


def _is_within(name: str, folder: Path) -> bool:
    path = folder / name
    return not name.startswith("<") and path.is_relative_to(folder) and ".." not in path.parts


def _around(path: Path, line: int | None) -> tuple[int, tuple[str, ...]]:
    """Return the lines around one, and the number of the first of them; none where they cannot be read now."""
    if line is None:
        return 0, ()
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST_BYTES).splitlines()
    except OSError:
        return 0, ()  # it is gone by now; the place stands in the message
    first = max(1, line - _AROUND)
    return first, tuple(lines[first - 1 : line + _AROUND])
