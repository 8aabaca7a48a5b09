"""Limits that the kernel keeps on one process: memory, files, CPU time."""

from __future__ import annotations

import math
import os
import sys
import threading

from gridbus.isolation.sandbox.kernel import Kernel
from gridbus.isolation.sandbox.machine import Machine
from gridbus.isolation.sandbox.spec import SandboxSpec

THREAD_STACK = 256 * 1024
"""Bytes of stack for each thread that the process starts."""


def apply_limits(kernel: Kernel | None, spec: SandboxSpec, *, descriptors: int, in_use: int) -> str:
    """Set the limits of a spec, on top of what the process has; return what was applied.

    Args:
        kernel: None where it is not Linux.
        spec: the limits to set.
        descriptors: how many are open.
        in_use: bytes of address space in use, see :func:`address_space`; 0 where it is not known.
    """
    if sys.platform == "win32":
        return ""
    import resource  # not there on Windows

    applied = []

    def limit(number: int, soft: int, *, keep_hard: bool = False) -> None:
        _, most = resource.getrlimit(number)
        ours = soft if most == resource.RLIM_INFINITY else min(soft, most)
        resource.setrlimit(number, (ours, most if keep_hard else ours))

    if in_use:
        limit(resource.RLIMIT_AS, in_use + spec.memory_bytes)
        applied.append(f"memory +{spec.memory_bytes:,} bytes")
    limit(resource.RLIMIT_NOFILE, descriptors + spec.open_files)
    limit(resource.RLIMIT_FSIZE, spec.file_bytes)
    limit(resource.RLIMIT_CORE, 0)
    if hasattr(resource, "RLIMIT_MEMLOCK"):
        limit(resource.RLIMIT_MEMLOCK, 0)
    if hasattr(resource, "RLIMIT_MSGQUEUE"):
        limit(resource.RLIMIT_MSGQUEUE, 0)
    if kernel is not None:  # elsewhere nobody moves it on
        used = resource.getrusage(resource.RUSAGE_SELF)
        # the hard limit stays: without privileges it could not be moved on later
        seconds = math.ceil(used.ru_utime + used.ru_stime + spec.cpu_seconds)
        limit(resource.RLIMIT_CPU, seconds, keep_hard=True)
        applied.append(f"CPU until {seconds} s")
    # threads count as address space, by their stacks and heaps
    threading.stack_size(THREAD_STACK)
    if kernel is not None:
        kernel.use_one_heap()
    applied += [f"files +{spec.open_files}", f"{spec.file_bytes:,} bytes a file"]
    return ", ".join(applied)


def address_space(machine: Machine) -> int:
    """Return the bytes of address space that the process has; 0 where the limit on it does not hold (macOS)."""
    if machine.system != "Linux":
        return 0
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGESIZE")


def be_nice(nice: int) -> str:
    """Lower the priority to ``nice``, never raise it; return what was applied."""
    if sys.platform == "win32":
        return ""

    least = max(nice, os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, 0, least)
    return str(least)
