"""Ends work on Ctrl-C and SIGTERM, and lets what follows it be done in peace."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import attrs

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@attrs.define
class Interruption:
    """Which signal came, if one did."""

    signal: signal.Signals | None = None

    @property
    def exit_status(self) -> int | None:
        """What shells expect: 130 after Ctrl-C, 143 after SIGTERM; None where no signal came."""
        return None if self.signal is None else 128 + self.signal.value

    @property
    def name(self) -> str | None:
        """The signal's name."""
        return None if self.signal is None else self.signal.name


@contextmanager
def interruptible(work: anyio.CancelScope) -> Iterator[Interruption]:
    """Cancel ``work`` at the first signal; a second one ends the process at once, as if nobody had listened."""
    found = Interruption()
    loop = asyncio.get_running_loop()

    def came(number: signal.Signals) -> None:
        if found.signal is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        found.signal = number
        work.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, came, number)
    try:
        yield found
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
