"""Errors on their way to the other process."""

from __future__ import annotations

import traceback
from typing import Any

import msgspec

from gridbus import errors
from gridbus.errors import RemoteError

_MOST_TEXT = 8 * 1024  # characters of a traceback or message
_SHORT_TEXT = 2 * 1024  # the same where an error did not fit into a frame
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
    failure = WireFailure(_clean(type(error).__qualname__), _message(error), _traceback(error))
    if isinstance(error, RemoteError):  # what it tells of is what counts, not the way it took
        failure.traceback = _clean(error.traceback_text)
    if type(error) is _known(failure.error):
        named = [error.filename] if isinstance(error, OSError) and error.filename is not None else []
        failure.arguments, failure.details = _plain([*error.args, *named]), _plain_only(vars(error))
    return failure


def shortened(failure: WireFailure) -> WireFailure:
    """Return a failure that fits into each frame: the end of its traceback, and texts only."""
    return WireFailure(failure.error[:_SHORT_TEXT], failure.message[:_SHORT_TEXT], failure.traceback[-_SHORT_TEXT:])


def rebuild(failure: WireFailure) -> Exception:
    """Return the error that a failure tells of: of the same class where that is one of gridbus or a builtin.

    Others become ``RemoteError``. No class is found by a path that the other end names.
    """
    known = _known(failure.error)
    if known is None:
        return RemoteError("", "", failure.error, failure.message, failure.traceback)
    arguments = failure.arguments if isinstance(failure.arguments, list) else [failure.message]
    if known in _BUILTIN:
        error = _builtin(known, arguments, failure.message)
    else:
        error = known.__new__(known)  # its own __init__ may want other arguments
        error.args = tuple(arguments)
    if isinstance(failure.details, dict) and known not in _BUILTIN:
        for name, value in failure.details.items():
            if isinstance(name, str) and not name.startswith("_") and not hasattr(known, name):
                setattr(error, name, value)
    if failure.traceback and not isinstance(error, RemoteError):
        error.add_note(f"In the other process:\n{failure.traceback}")
    return error


def _known(name: str) -> type[Exception] | None:
    """Return an error class by its name, out of a fixed set."""
    found = vars(errors).get(name)
    if isinstance(found, type) and issubclass(found, errors.GridbusError) and not issubclass(found, ExceptionGroup):
        return found
    return next((kind for kind in _BUILTIN if kind.__name__ == name), None)


def _builtin(kind: type[Exception], arguments: list[Any], message: str) -> Exception:
    try:
        return kind(*arguments)
    except TypeError:
        return kind(message)


def _message(error: BaseException) -> str:
    try:
        return _clean(str(error)[:_MOST_TEXT])
    except Exception as second:  # of a plugin's own error class
        return f"(its message cannot be told: {type(second).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return _clean("".join(traceback.format_exception(error))[-_MOST_TEXT:])
    except Exception as second:
        return f"(its traceback cannot be told: {type(second).__name__})"


def _clean(text: str) -> str:
    """Return a text that can be encoded."""
    return text[-_MOST_TEXT:].encode(errors="backslashreplace").decode()


def _plain_only(values: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, value in values.items():
        plain = _plain(value)
        if not name.startswith("_") and (plain is not None or value is None):
            kept[name] = plain
    return kept


def _plain(value: Any) -> Any:
    """Return a value as plain data; None where it is more than that."""
    try:
        return msgspec.msgpack.decode(msgspec.msgpack.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None
