"""What this machine is, as far as a sandbox cares: the one place that asks for the platform."""

from __future__ import annotations

import platform
import sys
from functools import cache

import attrs

from gridbus.isolation.sandbox.syscalls import AARCH64, X86_64

CRASH_ISOLATION_ONLY = "crash isolation only, no security boundary: plugin code can do whatever the application can"

_ARCHITECTURES = {"x86_64": (X86_64, 0xC000003E), "aarch64": (AARCH64, 0xC00000B7)}
_SHOWN = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}


@attrs.frozen
class Machine:
    """Kernel and processor."""

    system: str  #: Linux, macOS, Windows
    kernel: str
    processor: str
    column: int | None  #: of the table of system calls; None where there is none for this processor
    audit_arch: int  #: the processor's mark in seccomp's data

    @property
    def obstacle(self) -> str:
        """Why nothing here can be confined; empty where it may be possible."""
        if self.system != "Linux":
            return f"{self.system} has no sandbox that gridbus can use: {CRASH_ISOLATION_ONLY}"
        if self.column is None:
            known = " and ".join(_ARCHITECTURES)
            return f"no table of system calls for {self.processor}, only for {known}: {CRASH_ISOLATION_ONLY}"
        return ""


@cache
def this_machine() -> Machine:
    """Return what the interpreter runs on; a 32-bit interpreter on a 64-bit kernel is not known."""
    processor = platform.machine() if sys.maxsize > 2**32 else f"32-bit {platform.machine()}"
    column, audit_arch = _ARCHITECTURES.get(processor, (None, 0))
    system = _SHOWN.get(sys.platform, sys.platform)
    return Machine(system, platform.release(), processor, column if system == "Linux" else None, audit_arch)
