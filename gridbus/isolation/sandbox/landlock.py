"""Which files a confined process may reach: Landlock, from its first version on."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable, Sequence

from gridbus.errors import SandboxError
from gridbus.isolation.sandbox.kernel import Kernel

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = (1 << bit for bit in range(6))
_MAKE_DIR, _MAKE_REG, _REFER, _TRUNCATE, _IOCTL_DEV = (1 << bit for bit in (7, 8, 13, 14, 15))

READ = _READ_FILE | _READ_DIR
#: no links, sockets, pipes and devices: the application may follow, or hang on, what it finds in such a folder
WRITE = READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

_LAST_BIT = {1: 12, 2: 13, 3: 14, 4: 14}  # of the rights to files that each version knows; 15 from version 5 on
_BIND_AND_CONNECT_TCP, _ABSTRACT_SOCKETS_AND_SIGNALS = 3, 3
NETWORK_SINCE, SCOPES_SINCE, TRUNCATE_SINCE = 4, 6, 3
_VERSION_FLAG, _RULE_PATH_BENEATH = 1, 1


def landlock_version(kernel: Kernel) -> int:
    """Return the version of Landlock here; 0 where the kernel has none, or it is switched off."""
    try:
        return kernel.call("landlock_create_ruleset", 0, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict_files(
    kernel: Kernel, version: int, *, readable: Iterable[str], given: Sequence[tuple[str, int]], null: str = os.devnull
) -> str:
    """Leave the process the files below some paths, and no others; return what was applied.

    Args:
        kernel: the one that holds the rules.
        version: what :func:`landlock_version` returned.
        readable: what the interpreter needs; a path that is not there is left out.
        given: paths that must be there, each with its rights (``READ`` or ``WRITE``).
        null: the one device that may be written.

    Raises:
        SandboxError: a given path is not there, or the kernel refused the rules.
    """
    handled = (1 << (_LAST_BIT.get(version, 15) + 1)) - 1
    network = _BIND_AND_CONNECT_TCP if version >= NETWORK_SINCE else 0
    scopes = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= SCOPES_SINCE else 0
    attributes = struct.pack("=QQQ", handled, network, scopes)
    try:
        ruleset = kernel.call("landlock_create_ruleset", attributes, len(attributes), 0)
    except OSError as error:
        raise SandboxError(f"Landlock (version {version}) took no rules: {error}") from error
    try:
        count = 0
        for path in readable:
            count += _allow(kernel, ruleset, path, READ & handled, must_exist=False)
        count += _allow(kernel, ruleset, null, (READ | _WRITE_FILE) & handled, must_exist=False)
        for path, rights in given:
            count += _allow(kernel, ruleset, path, rights & handled, must_exist=True)
        kernel.call("landlock_restrict_self", ruleset, 0)
    except OSError as error:
        raise SandboxError(f"Landlock (version {version}) refused a rule: {error}") from error
    finally:
        os.close(ruleset)
    more = [name for name, held in (("TCP", network), ("abstract sockets and signals", scopes)) if held]
    return f"version {version}: {count} paths{''.join(f', {name}' for name in more)}"


def _allow(kernel: Kernel, ruleset: int, path: str, rights: int, *, must_exist: bool) -> int:
    """Add a rule for a path and all below it; return how many were added."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if not must_exist:
            return 0
        what = "written" if rights & _WRITE_FILE else "read"
        raise SandboxError(
            f"{path}: {error.strerror}; this path may be {what} by the plugin: create it, or take it out of the grants"
        ) from error
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_A_FILE
        rule = struct.pack("=Qi", rights, descriptor)
        kernel.call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
    return 1
