"""Asks on the terminal what plugins are granted."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable

import anyio

from gridbus.manifest import Permission
from gridbus.plugins import PermissionRequest

_YES, _NO, _EACH = {"y", "yes"}, {"n", "no", ""}, {"e", "each"}
_LINE = 4096  # bytes of an answer


def can_ask() -> bool:
    """Tell whether somebody sits there who could answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def terminal_line() -> str:
    """Return the next line that is typed, an empty one at the end; waiting for it can be cancelled at any time."""
    descriptor = sys.stdin.fileno()
    await anyio.wait_readable(descriptor)
    return os.read(descriptor, _LINE).decode(errors="replace")


class Prompter:
    """A policy that asks whoever sits at the terminal, once for each plugin and permission."""

    def __init__(self, show: Callable[[str], object], read: Callable[[], Awaitable[str]] | None) -> None:
        """Prepare.

        Args:
            show: shows a line.
            read: returns the next line that is typed; where it is None there is no terminal, and nothing is granted.
        """
        self._show, self._read = show, read
        self._answers: dict[tuple[str, Permission], bool] = {}
        self._turn = anyio.Lock()

    async def __call__(self, request: PermissionRequest) -> tuple[Permission, ...]:
        """Return what is granted of a request."""
        plugin = request.plugin
        async with self._turn:  # one question at a time
            open_questions = [wanted for wanted in request.permissions if (plugin.id, wanted) not in self._answers]
            if open_questions:
                answers = await self._ask(request, open_questions)
                self._answers.update({(plugin.id, wanted): answer for wanted, answer in answers.items()})
        return tuple(wanted for wanted in request.permissions if self._answers[plugin.id, wanted])

    async def _ask(self, request: PermissionRequest, wanted: list[Permission]) -> dict[Permission, bool]:
        plugin = request.plugin
        if self._read is None:
            listed = ", ".join(map(str, wanted))
            self._show(f"plugin {plugin.id} is not granted {listed}: --ask needs a terminal to ask on")
            return dict.fromkeys(wanted, False)
        when = "would like to" if request.is_declared else "now asks to"
        self._show(f"{plugin.name} ({plugin.id} {plugin.version}) {when}")
        width = max(len(permission.describe()) for permission in wanted)
        for permission in wanted:
            self._show(f"  - {permission.describe():<{width}}  {permission}")
        if len(wanted) == 1:
            return {wanted[0]: await self._answer("Grant it? y/N", {}) == "y"}
        answer = await self._answer("Grant all of it? y/N, e for each", {"e": _EACH})
        if answer != "e":
            return dict.fromkeys(wanted, answer == "y")
        return {each: await self._answer(f"Grant {each}? y/N", {}) == "y" for each in wanted}

    async def _answer(self, question: str, more: dict[str, set[str]]) -> str:
        assert self._read is not None  # otherwise nothing is asked
        choices = {"y": _YES, "n": _NO, **more}
        while True:
            self._show(question)
            line = await self._read()
            for answer, words in choices.items():
                if line.strip().lower() in words:
                    return answer
            self._show(f"{line.strip()!r} is no answer")
