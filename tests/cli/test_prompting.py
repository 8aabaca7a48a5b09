"""Who sits at the terminal is asked what plugins are granted, once."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable

import anyio
import pytest

from gridbus import Permission, PluginMetadata
from gridbus.cli.prompting import Prompter, can_ask, terminal_line
from gridbus.plugins import PermissionRequest

MAILER = PluginMetadata(id="mailer", name="Mailer", version="1.0")
WANTED = tuple(map(Permission.parse, ("storage", "net:mail.example.org:25")))


def typing(*lines: str) -> Callable[[], Awaitable[str]]:
    """Return what types these lines."""
    left = iter(lines)

    async def read() -> str:
        return f"{next(left)}\n"

    return read


async def test_the_plugin_and_what_it_wants_are_shown_in_plain_words() -> None:
    """Before anything is granted."""
    shown: list[str] = []
    assert await Prompter(shown.append, typing("y"))(PermissionRequest(MAILER, WANTED)) == WANTED
    assert shown == [
        "Mailer (mailer 1.0) would like to",
        "  - keep data between runs          storage",
        "  - connect to mail.example.org:25  net:mail.example.org:25",
        "Grant all of it? y/N, e for each",
    ]


@pytest.mark.parametrize(
    ("lines", "granted"),
    [
        (("YES",), WANTED),
        (("n",), ()),
        (("",), ()),
        (("maybe", "no"), ()),
        (("e", "y", "n"), WANTED[:1]),
        (("each", "", "y"), WANTED[1:]),
    ],
)
async def test_it_is_granted_as_it_is_answered(lines: tuple[str, ...], granted: tuple[Permission, ...]) -> None:
    """All, nothing, or each by itself; what is no answer is asked again."""
    assert await Prompter(lambda line: None, typing(*lines))(PermissionRequest(MAILER, WANTED)) == granted


async def test_nothing_is_asked_twice() -> None:
    """An answer holds for the rest of the run; what is new is asked."""
    shown: list[str] = []
    ask = Prompter(shown.append, typing("y", "n"))
    assert await ask(PermissionRequest(MAILER, WANTED[:1])) == WANTED[:1]
    assert await ask(PermissionRequest(MAILER, WANTED, is_declared=False)) == WANTED[:1]
    assert await ask(PermissionRequest(MAILER, WANTED)) == WANTED[:1]
    assert [line for line in shown if not line.startswith("  ")] == [
        "Mailer (mailer 1.0) would like to",
        "Grant it? y/N",
        "Mailer (mailer 1.0) now asks to",
        "Grant it? y/N",
    ]


async def test_without_a_terminal_nothing_is_granted() -> None:
    """And that is told in a line."""
    shown: list[str] = []
    assert await Prompter(shown.append, None)(PermissionRequest(MAILER, WANTED)) == ()
    assert shown == ["plugin mailer is not granted storage, net:mail.example.org:25: --ask needs a terminal to ask on"]


async def test_waiting_for_an_answer_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread waits for the terminal, so none keeps the program from ending."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys, "stderr", terminal)
        assert can_ask()
        with anyio.move_on_after(0.01) as scope:
            await terminal_line()
        assert scope.cancelled_caught
        os.write(ours, b"y\n")
        assert await terminal_line() == "y\n"
    os.close(ours)
