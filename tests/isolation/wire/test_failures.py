"""Errors on their way to the other process."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gridbus import errors
from gridbus.errors import (
    ChangeRefused,
    ConfigError,
    GridbusError,
    HandlerError,
    MailboxFull,
    PluginPermissionError,
    QuotaExceeded,
    RemoteError,
    RowNotFound,
    Vetoed,
)
from gridbus.isolation.wire import WireFailure, rebuild, wire_failure

ERRORS = [
    MailboxFull("me", 3, "wait"),
    Vetoed("a:b", "no", "guard"),
    RemoteError("c:d", "server", "ZeroDivisionError", "oh", "trace"),
    QuotaExceeded("me", 5, 4),
    ChangeRefused("ValueError", "no"),
    RowNotFound("7"),
    ConfigError("app", ["a @ $", "b @ $.c"]),
    PluginPermissionError("may not", "me", permission="net:*"),
    HandlerError("s", "o", "1", ValueError("x")),
    TimeoutError("late"),
    KeyError("key"),
    FileNotFoundError(2, "none", "/nowhere"),
    PermissionError("no"),
    ValueError("a", 1, None),
]


def over(error: BaseException) -> Exception:
    """Return an error after a trip."""
    return rebuild(msgspec.msgpack.decode(msgspec.msgpack.encode(wire_failure(error)), type=WireFailure))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_known_errors_come_back_as_their_class_with_what_they_hold(error: Exception) -> None:
    """Whatever their constructor wants; where they were raised is noted."""
    found = over(error)
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert {name: value for name, value in vars(found).items() if name != "__notes__"} == {
        name: list(value) if isinstance(value, tuple) else value for name, value in vars(error).items()
    }
    assert isinstance(found, RemoteError) or "In the other process" in found.__notes__[0]


def test_each_error_of_gridbus_can_be_rebuilt() -> None:
    """From its name and message alone, without its constructor."""
    names = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, GridbusError)]
    assert len(names) > 40
    for name in names:
        found = rebuild(WireFailure(name, "what it says"))
        assert type(found).__name__ in (name, "RemoteError")
        assert "what it says" in str(found)


@pytest.mark.parametrize("name", ["ZeroDivisionError", "SystemExit", "os.system", "Exception", "Mapping", "", "Any"])
def test_other_errors_become_remote_ones(name: str) -> None:
    """No class is found by what the other end says but those of a fixed set."""
    found = rebuild(WireFailure(name, "oh", "trace"))
    assert isinstance(found, RemoteError)
    assert (found.type_name, found.message, found.traceback_text) == (name, "oh", "trace")


def test_a_failure_does_not_replace_what_the_class_is() -> None:
    """Methods and private names of an error are not the other end's to set."""
    details: Any = {"add_note": 1, "args": 2, "__class__": 3, "_x": 4, "with_traceback": 5, "depth": 6, 7: 8}
    found = rebuild(WireFailure("MailboxFull", "full", "", ["full"], details))
    assert vars(found) == {"depth": 6}
    assert found.args == ("full",)
    assert rebuild(WireFailure("MailboxFull", "full", "", {"a": 1}, [1])).args == ("full",)


def test_errors_of_a_class_that_cannot_be_told_cross_all_the_same() -> None:
    """Their own failure is what is told."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    found = over(Mute())
    assert isinstance(found, RemoteError)
    assert found.message == "(its message cannot be told: RuntimeError)"
    assert str(over(ValueError("\ud800"))) == "\\ud800"
    assert over(ValueError(object())).args[0].startswith("<object")
