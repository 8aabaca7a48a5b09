"""Ties a process to the one that started it: it ends with its parent."""

from __future__ import annotations

import os
import signal

from gridbus.errors import SandboxError
from gridbus.isolation.sandbox.kernel import PR_SET_PDEATHSIG, Kernel


def end_with_parent(kernel: Kernel, parent: int) -> str:
    """Have the kernel kill this process when its parent ends; a change of the user undoes it.

    The parent is the thread that started this process: one that ends while its program goes on counts as well.

    Raises:
        SandboxError: the parent had ended before, so that no signal would come any more.
    """
    kernel.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SandboxError(f"process {parent} ended before process {os.getpid()}, which it started, was confined")
    return "SIGKILL"


def lead_session() -> str:
    """Leave the terminal and the process group of the parent; return what was applied."""
    if not hasattr(os, "setsid"):
        return ""
    if os.getsid(0) != os.getpid():
        os.setsid()
    return "own session"
