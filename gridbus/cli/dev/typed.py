"""What the author types: one key on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import anyio

from gridbus.cli.lines import read_lines

COMMANDS = {"r": "reload", "b": "roll back", "h": "health", "e": "example event", "q": "quit"}
"""What can be typed."""

HELP = "  ".join(f"{key} {what}" for key, what in COMMANDS.items())

_KEYS = 64  # bytes at once


async def read_commands(*, single: bool) -> AsyncIterator[str]:
    """Yield what is typed on the standard input, until its end; nothing where there is none to read from.

    Args:
        single: take each key of a terminal as a command; otherwise a line is one.
    """
    descriptor = _readable()
    if descriptor is None:
        return
    if not (single and os.isatty(descriptor)):
        async for line in read_lines(descriptor, longest=_KEYS):
            if command := line.data.decode(errors="replace").strip().lower():
                yield command
        return
    with single_keys(descriptor):
        while True:
            await anyio.wait_readable(descriptor)
            keys = os.read(descriptor, _KEYS)
            if not keys:
                return
            for key in keys.decode(errors="replace").lower():
                if not key.isspace():
                    yield key


@contextmanager
def single_keys(descriptor: int) -> Iterator[None]:
    """Let a terminal hand over each key at once, without showing it, for as long as the block runs."""
    try:
        import termios
        import tty
    except ImportError:  # not on Windows: there, a line has to be typed
        yield
        return
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)  # Ctrl-C stays a signal
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _readable() -> int | None:
    """Return the descriptor to read from; None where there is none, or reading would stop this process."""
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # there is no standard input, or it is closed
        return None
    return None if _is_in_background(descriptor) else descriptor


def _is_in_background(descriptor: int) -> bool:
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except (AttributeError, OSError):  # it is no terminal, or none that holds this process; there are none on Windows
        return False
