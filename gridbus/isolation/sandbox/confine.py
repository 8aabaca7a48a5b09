"""Puts the process that calls it into its bounds, for good."""

from __future__ import annotations

import os
from collections.abc import Collection

from gridbus.errors import SandboxError
from gridbus.isolation.sandbox.descriptors import close_others
from gridbus.isolation.sandbox.identity import drop_privileges
from gridbus.isolation.sandbox.kernel import PR_SET_NO_NEW_PRIVS, Kernel, this_kernel
from gridbus.isolation.sandbox.landlock import READ, TRUNCATE_SINCE, WRITE, landlock_version, restrict_files
from gridbus.isolation.sandbox.lifeline import end_with_parent, lead_session
from gridbus.isolation.sandbox.limits import address_space, apply_limits, be_nice
from gridbus.isolation.sandbox.machine import Machine, this_machine
from gridbus.isolation.sandbox.places import interpreter_paths, readable_paths
from gridbus.isolation.sandbox.seccomp import apply_filter, build_filter
from gridbus.isolation.sandbox.spec import SandboxSpec

LAYERS: tuple[str, ...] = (
    "descriptors",
    "session",
    "parent",
    "nice",
    "identity",
    "privileges",
    "landlock",
    "limits",
    "seccomp",
)
"""What confines a process, in the order in which it is applied."""

_OPT_DOWN = "plugins that are trusted can run without (enforce=False), with limits and without a border"


def confine(spec: SandboxSpec, keep: Collection[int], *, parent: int | None = None) -> dict[str, str]:
    """Confine this process, and whatever it runs from now on; return what was applied, by layer.

    To be called in a new process with one thread, before any code is imported that is not trusted. Where it raises, the
    process is confined in part, and must end.

    Args:
        spec: the bounds.
        keep: descriptors that stay open, with those of the spec and 0, 1 and 2.
        parent: the process that must still be there, known from before this one was forked; its parent by default.

    Returns:
        For each of ``LAYERS`` what holds; an empty text where nothing does.

    Raises:
        SandboxError: a layer is missing here or was refused, or a path of the spec is not there.
    """
    parent = os.getppid() if parent is None else parent
    machine = this_machine()
    applied = dict.fromkeys(LAYERS, "")
    kernel = _kernel_for(spec, machine)
    descriptors = close_others([*keep, *spec.keep_fds])
    applied["descriptors"] = f"{descriptors} kept"
    applied["session"] = lead_session()
    if kernel is not None:
        applied["parent"] = end_with_parent(kernel, parent)
    applied["nice"] = be_nice(spec.nice)
    if kernel is None or not spec.enforce:
        applied["limits"] = apply_limits(kernel, spec, descriptors=descriptors, in_use=address_space(machine))
        return applied
    try:
        _confine_for_good(kernel, spec, parent, descriptors, applied)
    except OSError as error:
        held = ", ".join(layer for layer, what in applied.items() if what)
        raise SandboxError(f"the process could not be confined further than {held}: {error}; {_OPT_DOWN}") from error
    return applied


def _confine_for_good(
    kernel: Kernel, spec: SandboxSpec, parent: int, descriptors: int, applied: dict[str, str]
) -> None:
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise SandboxError(f"a process with {threads} threads cannot be confined, its other threads would stay free")
    version = landlock_version(kernel)
    if not version:
        raise SandboxError(f"the kernel has no Landlock, or it is switched off; {_OPT_DOWN}; see gridbus doctor")
    needed = [*interpreter_paths(), *filter(os.path.exists, spec.read)]
    applied["identity"] = drop_privileges(kernel, readable=needed, writable=filter(os.path.exists, spec.write))
    end_with_parent(kernel, parent)
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)
    applied["privileges"] = "no new ones"
    in_use = address_space(kernel.machine)  # below /proc, which is out of reach once Landlock holds
    given = [*((path, READ) for path in spec.read), *((path, WRITE) for path in spec.write)]
    applied["landlock"] = restrict_files(kernel, version, readable=readable_paths(), given=given)
    program = build_filter(kernel, os.getpid(), threads=spec.threads, has_truncate=version >= TRUNCATE_SINCE)
    applied["limits"] = apply_limits(kernel, spec, descriptors=descriptors, in_use=in_use)
    try:
        apply_filter(kernel, program)
    except OSError as error:
        raise SandboxError(f"the kernel took no filter of system calls: {error}; {_OPT_DOWN}") from error
    applied["seccomp"] = f"{len(program) // 8} instructions, threads {'allowed' if spec.threads else 'refused'}"


def prepare() -> None:
    """Work out what all processes share that will be forked, so that ``confine`` need not."""
    if this_machine().obstacle:
        return
    kernel = this_kernel()
    readable_paths()
    has_truncate = landlock_version(kernel) >= TRUNCATE_SINCE
    for threads in (False, True):
        build_filter(kernel, os.getpid(), threads=threads, has_truncate=has_truncate)


def _kernel_for(spec: SandboxSpec, machine: Machine) -> Kernel | None:
    """Return the kernel to confine on; None where the operator does without one, and there is none."""
    if machine.obstacle and not spec.enforce:
        return None
    return this_kernel()
