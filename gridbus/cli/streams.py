"""The standard streams: consoles, and an end that makes no noise."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def output_console() -> Console:
    """Return a console on the standard output."""
    from rich.console import Console

    return Console(highlight=False)


def progress_console() -> Console:
    """Return a console on the standard error; it counts as a terminal only where the standard output is one too."""
    from rich.console import Console

    is_terminal = sys.stderr.isatty() and sys.stdout.isatty()
    return Console(stderr=True, highlight=False, force_terminal=None if is_terminal else False)


@contextmanager
def closing_quietly() -> Iterator[None]:
    """Exit with 1 and without a word where nobody reads the standard output any more; typer and rich do the same."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the standard output once more at its exit, which would fail and say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
