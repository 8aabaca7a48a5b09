"""Why a plugin's process ended."""

from __future__ import annotations

import signal

import attrs

from gridbus.isolation.zygote import Exit

OUT_OF_MEMORY = 71
"""The exit code of a process that had no memory left for its own work."""

_TRUST_LOST = frozenset({"violation", "protocol"})


@attrs.frozen
class Verdict:
    """The reason of an end, and what people are told of it."""

    reason: str  #: as ``PluginCrashed.reason``
    message: str

    @property
    def is_final(self) -> bool:
        """Tell whether the plugin broke a rule, so that it is not started again."""
        return self.reason in _TRUST_LOST


def judge(end: Exit, killed_for: Verdict | None, last_words: str = "") -> Verdict:
    """Tell why a process ended.

    Args:
        end: exit code or signal.
        killed_for: why we ended it, where we did.
        last_words: the end of what it wrote to its standard error.
    """
    if killed_for is not None:
        return killed_for
    tail = last_words.strip().rpartition("\n")[2].strip()
    words = f"; it last wrote: {tail}" if tail else ""
    if end.signal is not None:
        name = _signal_name(end.signal)
        if end.signal == signal.SIGSYS:
            return Verdict("violation", f"it made a system call that no plugin may make ({name}){words}")
        if end.signal == signal.SIGXCPU:
            return Verdict("cpu", f"it used up its processor time ({name}){words}")
        if end.signal == signal.SIGKILL and end.note:  # the kernel took it along with the one that had started it
            return Verdict("zygote", end.note)
        if end.signal == signal.SIGKILL:
            return Verdict("killed", f"somebody killed it, the kernel for want of memory perhaps ({name}){words}")
        return Verdict("crash", f"it crashed ({name}){words}")
    if end.code is None:
        return Verdict("zygote", end.note or "the process that had started it is gone")
    if end.code == OUT_OF_MEMORY:
        return Verdict("memory", f"it had no memory left{words}")
    return Verdict("exit", f"it exited with code {end.code}{words}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
