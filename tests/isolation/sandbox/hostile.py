"""A program that confines a process, and tries there what it must not be able to do; no test by itself.

Its only argument is JSON: ``path`` (to import from), ``spec`` (fields of a SandboxSpec), ``folder`` (with a folder
``mine`` that may be written, and a file ``theirs``) and ``attempts``. It prints JSON: how confining went, and how each
attempt ended: ``possible``, the name of an errno, or of an exception.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

ARGUMENTS: dict[str, Any] = json.loads(sys.argv[1])
FOLDER = ARGUMENTS["folder"]
MINE, THEIRS = f"{FOLDER}/mine", f"{FOLDER}/theirs"
IS_X86 = platform.machine() == "x86_64"
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long


def call(number: int, *arguments: int | bytes) -> int:
    """Make a system call."""
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    answer = int(LIBC.syscall(ctypes.c_long(number), *wide))
    if answer < 0:
        raise OSError(ctypes.get_errno(), "")
    return answer


def by_name(name: str, *arguments: int | bytes) -> Callable[[], object]:
    """Make a system call of the table, when asked to."""

    def attempt() -> object:
        from gridbus.isolation.sandbox.machine import this_machine
        from gridbus.isolation.sandbox.syscalls import numbers

        column = this_machine().column
        assert column is not None
        return call(numbers(column)[name], *arguments)

    return attempt


def x86_or_arm(x86: int, arm: int, *arguments: int | bytes) -> Callable[[], object]:
    """Make a system call that the table does not have."""
    return lambda: call(x86 if IS_X86 else arm, *arguments)


def open_to(flags: int, path: str) -> Callable[[], object]:
    """Open a file and close it."""
    return lambda: os.close(os.open(path, flags, 0o600))


def fork() -> None:
    """Fork."""
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def spawn() -> None:
    """Run a program."""
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def thread() -> None:
    """Start a thread."""
    started = threading.Thread(target=lambda: None)
    started.start()
    started.join()


def through_a_link() -> None:
    """Read what a link in the own folder leads to."""
    with open(f"{MINE}/link"):
        pass


def own_parent_of_signals() -> None:
    """Have the kernel send signals of a pipe to the parent."""
    reading, _ = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, os.getppid())


def own_parent_of_socket_signals() -> None:
    """The same by ioctl, of a socket."""
    ours, theirs = socket.socketpair()
    fcntl.ioctl(ours, 0x8901, struct.pack("i", os.getppid()))
    theirs.close()


def send_to_any_socket() -> None:
    """Reach a socket by its path from half a pair."""
    ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.sendmsg([b"x"], [], 0, f"{FOLDER}/socket")


def write_and_execute() -> None:
    """Get memory that is both."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def make_writable_code() -> None:
    """Make code writable afterwards."""
    memory = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    by_name("mprotect", address, 4096, 7)()


def filter_packets() -> None:
    """Put a program on a socket."""
    ours, _ = socket.socketpair()
    program = struct.pack("=HBBI", 6, 0, 0, 0xFFFF)
    code = ctypes.create_string_buffer(program, 8)
    ours.setsockopt(socket.SOL_SOCKET, 26, struct.pack("=H6xQ", 1, ctypes.addressof(code)))


def as_32_bit() -> None:
    """Make a call as programs of 32 bits do; the code comes from a file, as memory would be refused."""
    with open(f"{MINE}/code", "wb") as file:
        file.write(bytes.fromhex("53b814000000cd805bc3").ljust(4096, b"\x90"))  # getpid by int 0x80
    with open(f"{MINE}/code", "rb") as file:
        code = mmap.mmap(file.fileno(), 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    # the memory cannot be written, so that ctypes gives no address of it: the last mapping of the file is it
    libc_mmap = LIBC.mmap
    libc_mmap.restype = ctypes.c_void_p
    libc_mmap.argtypes = [ctypes.c_void_p, *[ctypes.c_long] * 5]
    code.close()
    descriptor = os.open(f"{MINE}/code", os.O_RDONLY)
    address = libc_mmap(None, 4096, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, descriptor, 0)
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()


ATTEMPTS: dict[str, Callable[[], object]] = {
    # files
    "read /etc/passwd": open_to(os.O_RDONLY, "/etc/passwd"),
    "list /": lambda: os.listdir("/"),
    "list /proc": lambda: os.listdir("/proc"),
    "read theirs": open_to(os.O_RDONLY, THEIRS),
    "write theirs": open_to(os.O_WRONLY, THEIRS),
    "truncate theirs": lambda: os.truncate(THEIRS, 1),
    "truncate theirs by reading": open_to(os.O_RDONLY | os.O_TRUNC, THEIRS),
    "truncate theirs by neither": open_to(3 | os.O_TRUNC, THEIRS),
    "make a file outside": open_to(os.O_WRONLY | os.O_CREAT, f"{FOLDER}/new"),
    "remove theirs": lambda: os.unlink(f"{FOLDER}/spare"),
    "read through a link": through_a_link,
    "make a link": lambda: os.symlink("/etc/passwd", f"{MINE}/new-link"),
    "make a hard link": lambda: os.link(THEIRS, f"{MINE}/hard-link"),
    "make a pipe": lambda: os.mkfifo(f"{MINE}/pipe"),
    "move theirs in": lambda: os.rename(f"{FOLDER}/spare", f"{MINE}/spare"),
    "memory of the parent": open_to(os.O_RDONLY, f"/proc/{os.getpid()}/mem"),  # read before the fork
    "change rights": lambda: os.chmod(THEIRS, 0o644),
    "change rights of mine": lambda: os.chmod(MINE, 0o700),
    "change times": lambda: os.utime(THEIRS),
    "change the owner": lambda: os.chown(THEIRS, -1, -1),
    "lease": lambda: fcntl.fcntl(os.open(f"{MINE}/file", os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK),
    # the network
    "tcp": lambda: socket.socket().close(),
    "udp": lambda: socket.socket(type=socket.SOCK_DGRAM).close(),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "unix": lambda: socket.socket(socket.AF_UNIX).close(),
    "vsock pair": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
    "send to a path": send_to_any_socket,
    "filter packets": filter_packets,
    # processes
    "fork": fork,
    "run a program": spawn,
    "thread": thread,
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "signal all": lambda: os.kill(-1, 0),
    "queue for the parent": lambda: by_name("rt_sigqueueinfo", os.getppid(), 0, struct.pack("iii116x", 0, 0, -1))(),
    "pidfd of the parent": lambda: os.close(os.pidfd_open(os.getppid())),
    "own signals": own_parent_of_signals,
    "own socket signals": own_parent_of_socket_signals,
    "read the parent's limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE),
    "set the parent's limits": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0)),
    "set own limits": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "outlive the parent": by_name("prctl", 1, 0, 0, 0, 0),
    "be nicer": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
    "choose processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "catch SIGXCPU": lambda: signal.signal(signal.SIGXCPU, signal.SIG_IGN),
    "lead a group": lambda: os.setpgid(0, os.getpgid(0)),
    # memory and the rest
    "memory file": lambda: os.close(os.memfd_create("x")),
    "write and execute": write_and_execute,
    "make writable code": make_writable_code,
    "shared memory": x86_or_arm(29, 194, 0, 4096, 0o1600),
    "message queue": x86_or_arm(68, 186, 0, 0o1600),
    "personality": x86_or_arm(135, 92, 0xFFFFFFFF),
    "watch files": x86_or_arm(294, 26, 0),
    "io_uring": by_name("io_uring_setup", 4, bytes(120)),
    "a call of tomorrow": lambda: call(4000),
    # violations
    "ptrace": by_name("ptrace", 0, 0, 0, 0),
    "memory of a process": by_name("process_vm_readv", os.getpid(), 0, 0, 0, 0, 0),
    "own namespaces": by_name("unshare", 0),
    "bpf": by_name("bpf", 0, 0, 0),
    "keys": by_name("keyctl", 0, -3, 0),
    "open by handle": by_name("open_by_handle_at", 0, 0, 0),
    "mount": by_name("mount", 0, 0, 0, 0, 0),
    "x32": lambda: call(0x40000000 + 39),
    "32 bit": as_32_bit,
}


def outcome(attempt: Callable[[], object]) -> str:
    """Return how an attempt ended."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except Exception as error:
        return type(error).__name__
    return "possible"


def confine_and_try() -> dict[str, Any]:
    """Do it, and return what is to be printed."""
    from gridbus.errors import SandboxError
    from gridbus.isolation.sandbox import SandboxSpec, confine

    try:
        applied = confine(SandboxSpec(**ARGUMENTS["spec"]), keep=())
    except SandboxError as error:
        return {"error": str(error)}
    return {"applied": applied, "outcomes": {name: outcome(ATTEMPTS[name]) for name in ARGUMENTS["attempts"]}}


if __name__ == "__main__":
    sys.path[:] = ARGUMENTS["path"]
    child = os.fork()  # so that the parent is of the same user, and no test's process
    if child == 0:
        try:
            print(json.dumps(confine_and_try()), flush=True)
        except BaseException as unforeseen:
            print(json.dumps({"error": repr(unforeseen)}), flush=True)
        os._exit(0)
    print(json.dumps({"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}))
