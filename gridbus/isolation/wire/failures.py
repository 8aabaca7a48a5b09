"""Errors on their way to the other process."""

from __future__ import annotations

import traceback
from typing import Any

import msgspec

from gridbus import errors
from gridbus.errors import RemoteError

_MOST_TEXT = 8 * 1024  # characters of a traceback or message
_BUILTIN = (
    TimeoutError, ValueError, TypeError, KeyError, LookupError, PermissionError, RuntimeError, OSError,
    ConnectionError, ConnectionRefusedError, FileNotFoundError, MemoryError,
)  # fmt: skip


class WireFailure(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """An error as text, and as much of it as is plain data."""

    error: str  #: type name
    message: str
    traceback: str = ""
    arguments: Any = None
    details: Any = None


def wire_failure(error: BaseException) -> WireFailure:
    """Return an error as it crosses the border."""
    text = "".join(traceback.format_exception(error))
    message = str(error)[:_MOST_TEXT]
    failure = WireFailure(type(error).__qualname__, message, text[-_MOST_TEXT:])
    if isinstance(error, RemoteError):  # what it tells of is what counts, not the way it took
        failure.traceback = error.traceback_text[-_MOST_TEXT:]
    known = _known(failure.error)
    if known is not None and type(error) is known:
        failure.arguments, failure.details = _plain(list(error.args)), _plain(_plain_only(vars(error)))
    return failure


def rebuild(failure: WireFailure) -> Exception:
    """Return the error that a failure tells of: of the same class where that is one of gridbus or a builtin."""
    known = _known(failure.error)
    if known is None:
        return RemoteError("", "", failure.error, failure.message, failure.traceback)
    error: Exception = known.__new__(known)  # its own __init__ may want other arguments
    arguments = failure.arguments if isinstance(failure.arguments, list) else [failure.message]
    error.args = tuple(arguments)
    if isinstance(failure.details, dict):
        for name, value in failure.details.items():
            if isinstance(name, str) and not name.startswith("_"):
                try:
                    setattr(error, name, value)
                except (AttributeError, TypeError):
                    continue
    return error


def _known(name: str) -> type[Exception] | None:
    """Return an error class by its name, out of a fixed set."""
    found = vars(errors).get(name)
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, ExceptionGroup):
        return found
    return next((kind for kind in _BUILTIN if kind.__name__ == name), None)


def _plain_only(values: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, value in values.items():
        plain = _plain(value)
        if plain is not None or value is None:
            kept[name] = plain
    return kept


def _plain(value: Any) -> Any:
    """Return a value as plain data; None where it is more than that."""
    try:
        return msgspec.to_builtins(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
