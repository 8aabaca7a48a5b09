"""Tries each layer of the sandbox in a process of its own, and says what held.

Runs as a program in a fresh interpreter, with one thread: ``probe`` starts it. Each trial runs in a fork, for what it
applies cannot be taken back.
"""

from __future__ import annotations

import errno
import importlib
import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

import attrs
import msgspec

from gridbus.errors import SandboxError
from gridbus.isolation.sandbox.confine import confine, prepare
from gridbus.isolation.sandbox.identity import capabilities, drop_privileges
from gridbus.isolation.sandbox.kernel import PR_SET_NO_NEW_PRIVS, Kernel, this_kernel
from gridbus.isolation.sandbox.landlock import landlock_version, restrict_files
from gridbus.isolation.sandbox.lifeline import end_with_parent
from gridbus.isolation.sandbox.limits import address_space, apply_limits
from gridbus.isolation.sandbox.places import interpreter_paths, readable_paths
from gridbus.isolation.sandbox.report import Layer
from gridbus.isolation.sandbox.seccomp import apply_filter, build_filter
from gridbus.isolation.sandbox.spec import SandboxSpec

_CLONE_NEWUSER = 0x10000000
_OUTSIDE = "/"  # what no plugin may list
_CONFIRMED = "ok: "
_OUTLIVED = 0.5  # seconds after which a process has outlived its parent: a signal takes less than a millisecond


@attrs.frozen
class _Trial:
    name: str
    run: Callable[[Kernel], str]  #: says what was found; raises where the layer does not hold
    required: bool
    remedy: str
    ends_by: int = 0  #: the signal by which the trial has to end


def run_trials() -> list[Layer]:
    """Try all layers, one after the other."""
    kernel = this_kernel()
    prepare()  # as before plugins are forked: how long it takes is told
    return [_layer(kernel, trial) for trial in _TRIALS]


def _layer(kernel: Kernel, trial: _Trial) -> Layer:
    said, status = _in_a_fork(lambda: trial.run(kernel))
    code = os.waitstatus_to_exitcode(status)
    if trial.ends_by and said.startswith(_CONFIRMED) and code == -trial.ends_by:
        holds = True
    else:
        holds = said.startswith(_CONFIRMED) and code == 0 and not trial.ends_by
    detail = said.removeprefix(_CONFIRMED) or f"the trial ended with {code}"
    if trial.ends_by and not holds and said.startswith(_CONFIRMED):
        detail = f"ptrace did not end the process ({code})"
    return Layer(trial.name, holds, trial.required, detail, "" if holds else trial.remedy)


def _in_a_fork(trial: Callable[[], str]) -> tuple[str, int]:
    """Run a trial in a fork; return what it said, and how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.dup2(writing, 1)  # where the trial of the filter says what it found before it is killed
            text = trial()
            os.write(1, text.encode())
            status = 0
        except SandboxError as error:
            os.write(1, str(error).encode())
        except BaseException as error:
            os.write(1, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as said:
        text = said.read().decode(errors="replace")
    return text, os.waitpid(pid, 0)[1]


def _refused(what: str, attempt: Callable[[], object], *codes: int) -> None:
    try:
        attempt()
    except MemoryError:
        if errno.ENOMEM in codes:
            return
        raise
    except OSError as error:
        if error.errno in codes:
            return
        raise SandboxError(f"{what} failed for another reason: {error}") from error
    raise SandboxError(f"{what} was possible")


def _try_filter(kernel: Kernel) -> str:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # being killed by a filter leaves a core otherwise
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)
    program = build_filter(kernel, os.getpid(), threads=False, has_truncate=False)
    apply_filter(kernel, program)
    _refused("socket()", lambda: socket.socket().close(), errno.EPERM)
    _refused("fork()", os.fork, errno.EPERM)
    os.write(1, f"{_CONFIRMED}no sockets, no processes; ptrace ends the process".encode())
    kernel.call("ptrace", 0, 0, 0, 0)
    return ""


def _try_landlock(kernel: Kernel) -> str:
    version = landlock_version(kernel)
    if not version:
        raise SandboxError("the kernel has none, or it is switched off")
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)
    os.listdir(_OUTSIDE)
    applied = restrict_files(kernel, version, readable=readable_paths(), given=())
    _refused(f"listing {_OUTSIDE}", lambda: os.listdir(_OUTSIDE), errno.EACCES)
    _refused("/etc/passwd", lambda: os.open("/etc/passwd", os.O_RDONLY), errno.EACCES, errno.ENOENT)
    return f"{_CONFIRMED}{applied}"


def _try_limits(kernel: Kernel) -> str:
    spec = SandboxSpec(memory_bytes=32 * 2**20, open_files=4)
    descriptors = len(os.listdir("/proc/self/fd"))
    apply_limits(kernel, spec, descriptors=descriptors, in_use=address_space(kernel.machine))
    _refused("taking 64 MB more than allowed", lambda: bytearray(96 * 2**20), errno.ENOMEM)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
    _refused("opening more than allowed", lambda: [os.dup(opened[0]) for _ in range(8)], errno.EMFILE)
    return f"{_CONFIRMED}memory, files and CPU time"


def _try_identity(kernel: Kernel) -> str:
    who = drop_privileges(kernel, readable=interpreter_paths(), writable=())
    if capabilities(kernel):
        raise SandboxError("the process still has capabilities")
    return f"{_CONFIRMED}{who}"


def _try_lifeline(kernel: Kernel) -> str:
    """Ends a process whose child must not outlive it: the child holds an end of a pipe, whose closing is waited for."""
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        told, ready = os.pipe()
        if os.fork() == 0:
            signal.alarm(math.ceil(2 * _OUTLIVED))  # where nothing else ends it
            os.close(1)  # by which the report would wait for it
            end_with_parent(kernel, os.getppid())
            os.write(ready, b"x")
            signal.pause()
        os.read(told, 1)
        os._exit(0)
    os.close(writing)
    os.waitpid(middle, 0)
    if not select.select([reading], [], [], _OUTLIVED)[0]:
        raise SandboxError("a process outlived the one that started it")
    return f"{_CONFIRMED}plugins end with the application"


def _try_whole(kernel: Kernel) -> str:
    began = time.perf_counter()
    confine(SandboxSpec(), keep=())
    took = (time.perf_counter() - began) * 1000
    _refused("socket()", lambda: socket.socket().close(), errno.EPERM)
    _refused(f"listing {_OUTSIDE}", lambda: os.listdir(_OUTSIDE), errno.EACCES)
    _refused("a signal to the parent", lambda: os.kill(os.getppid(), 0), errno.EPERM)
    importlib.import_module("wave")  # any module that is not there yet
    return f"{_CONFIRMED}applied in {took:.1f} ms, and the interpreter works under it"


def _try_namespace(kernel: Kernel) -> str:
    began = time.perf_counter()
    kernel.call("unshare", _CLONE_NEWUSER)
    return f"{_CONFIRMED}can be had ({(time.perf_counter() - began) * 1000:.1f} ms), and are not needed"


def _try_pidfd(kernel: Kernel) -> str:
    os.close(os.pidfd_open(os.getpid()))
    return f"{_CONFIRMED}a process is never mistaken for another with its number"


def _try_cgroups(kernel: Kernel) -> str:
    del kernel
    if not os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        raise SandboxError("no cgroups v2; limits are kept by rlimits, and by the application itself")
    with open("/proc/self/cgroup", encoding="utf-8") as lines:
        own = next((line.strip().removeprefix("0::") for line in lines if line.startswith("0::")), "/")
    can = os.access(f"/sys/fs/cgroup{own}", os.W_OK)
    return f"{_CONFIRMED}v2, {'own group can be written' if can else 'own group cannot be written'}; not needed"


_LINUX = "Linux 5.13 or newer"
_TRIALS = (
    _Trial(
        "seccomp",
        _try_filter,
        True,
        "a kernel with CONFIG_SECCOMP_FILTER; in a container, a profile that allows seccomp",
        ends_by=signal.SIGSYS,
    ),
    _Trial(
        "landlock",
        _try_landlock,
        True,
        f"{_LINUX} with CONFIG_SECURITY_LANDLOCK and landlock in the kernel's lsm= list; in a container, a seccomp "
        "profile that allows landlock_*",
    ),
    _Trial("rlimits", _try_limits, True, "raise the hard limits of this user (ulimit -H)"),
    _Trial("privileges", _try_identity, True, "run the application as an ordinary user"),
    _Trial("parent", _try_lifeline, True, _LINUX),
    _Trial("whole sandbox", _try_whole, True, "see the layers above; a path that the interpreter needs may be missing"),
    _Trial("pidfd", _try_pidfd, False, _LINUX),
    _Trial("user namespaces", _try_namespace, False, ""),
    _Trial("cgroups", _try_cgroups, False, ""),
)

if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(run_trials()))
