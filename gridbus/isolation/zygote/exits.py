"""How a process ended, and what it used in its life."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import resource


@attrs.frozen
class Rusage:
    """What a process used from its start to its end."""

    user: float  #: seconds
    system: float  #: seconds
    max_rss_bytes: int  #: at its peak; pages that are shared with the zygote are counted

    @classmethod
    def of(cls, usage: resource.struct_rusage) -> Rusage:
        """Read what ``wait4`` returned."""
        unit = 1 if sys.platform == "darwin" else 1024
        return cls(usage.ru_utime, usage.ru_stime, usage.ru_maxrss * unit)


@attrs.frozen
class Exit:
    """How a process ended: one of ``code`` and ``signal`` is set, or none where nobody could see."""

    code: int | None = None
    signal: int | None = None
    rusage: Rusage | None = None  #: None where the zygote died before it could tell
    note: str = ""  #: what else is known

    @classmethod
    def of(cls, status: int, rusage: Rusage | None = None, note: str = "") -> Exit:
        """Read the status of ``wait``."""
        code = os.waitstatus_to_exitcode(status)
        return cls(code, None, rusage, note) if code >= 0 else cls(None, -code, rusage, note)

    def __str__(self) -> str:
        if self.signal is not None:
            try:
                text = f"killed by {signal.Signals(self.signal).name}"
            except ValueError:  # a real-time signal
                text = f"killed by signal {self.signal}"
        else:
            text = "ended" if self.code is None else f"exit code {self.code}"
        return f"{text} ({self.note})" if self.note else text
