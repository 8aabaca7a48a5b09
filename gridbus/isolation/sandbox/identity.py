"""Who a confined process is: an unprivileged user where that can be, and without capabilities in any case."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

from gridbus.errors import SandboxError
from gridbus.isolation.sandbox.kernel import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAPBSET_DROP,
    PR_SET_SECUREBITS,
    Kernel,
)

NOBODY = 65534
_MOST_CAPABILITIES = 64
_CAPABILITY_VERSION_3 = 0x20080522
#: NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE and KEEP_CAPS off, each locked: uid 0 is a number like any other
_SECUREBITS = 0b1110_1111


def drop_privileges(kernel: Kernel, *, readable: Iterable[str], writable: Iterable[str]) -> str:
    """Give up every privilege; return who the process is now.

    Root becomes the user 65534 where that user can reach what the process needs. Where it cannot (an interpreter below
    /root, a folder to be written that belongs to root) the process stays uid 0, but without any capability.

    Raises:
        SandboxError: the kernel left the process a capability.
    """
    kept = ""
    if os.geteuid() == 0:
        kept = _unreachable(readable, writable)
        _lock_root(kernel)
        if not kept:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    kernel.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    kernel.call("capset", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24))
    left = capabilities(kernel)
    if left:
        raise SandboxError(f"the process still has capabilities ({left:#x}) after it gave up all of them")
    who = f"user {os.getuid()}, no capabilities"
    return f"{who} (user {NOBODY} cannot use {kept})" if kept else who


def capabilities(kernel: Kernel) -> int:
    """Return the capabilities in effect, or to be had, as a bit mask."""
    import ctypes

    data = ctypes.create_string_buffer(24)
    kernel.call("capget", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), data)
    effective, permitted, inheritable, *high = struct.unpack("=6I", data.raw)
    low = effective | permitted | inheritable
    return int(low | (high[0] | high[1] | high[2]) << 32)


def _lock_root(kernel: Kernel) -> None:
    """Take from uid 0 what a program that it starts would get back, as far as this root may."""
    for capability in range(_MOST_CAPABILITIES):
        try:
            kernel.prctl(PR_CAPBSET_DROP, capability)
        except PermissionError:
            return
        except OSError:  # past the last one that this kernel knows
            break
    kernel.prctl(PR_SET_SECUREBITS, _SECUREBITS)


def _unreachable(readable: Iterable[str], writable: Iterable[str]) -> str:
    """Return the first path that the unprivileged user cannot use; empty where it can use all."""
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    except PermissionError:  # root of a container that may not change its user
        return "this machine: changing the user is not permitted"
    try:
        for path in readable:
            if not os.access(path, os.R_OK, effective_ids=True):
                return path
        for path in writable:
            if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
                return path
        return ""
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
