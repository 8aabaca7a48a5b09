"""What a hostile plugin might try. Each is bounded, and harms nothing but what it was started for."""

from __future__ import annotations

import array
import ctypes
import mmap
import os
import resource
import signal
import socket
import struct
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

STUBBORN: list[bool] = []
MEGABYTE = 2**20


def libc() -> Any:
    """The C library, with errors kept."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """Raise what a call of the C library says."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


# --- memory and processor ------------------------------------------------------------------------------------------


def private_memory(megabytes: int) -> str:
    """Take memory and touch each page."""
    kept = [bytearray(MEGABYTE) for _ in range(megabytes)]
    return f"{len(kept)} MB"


def shared_memory(megabytes: int) -> str:
    """Take shared memory and touch each page."""
    with mmap.mmap(-1, megabytes * MEGABYTE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS) as area:
        for place in range(0, len(area), 4096):
            area[place] = 1
    return f"{megabytes} MB"


def busy(seconds: float) -> str:
    """Burn processor time."""
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass
    return "burnt"


def blocked(seconds: float) -> str:
    """Block the event loop without using the processor."""
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(seconds)
        try:
            one.recv(1)
        except TimeoutError:
            return "blocked"
    return "blocked"


def stop_itself() -> str:
    """Stop, so as never to answer again."""
    os.kill(os.getpid(), signal.SIGSTOP)
    return "continued"


def fork() -> str:
    """Make a process."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return "forked"


def threads(count: int) -> str:
    """Start threads that stay."""
    over = threading.Event()
    started = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=over.wait, daemon=True)
            thread.start()
            started.append(thread)
        over.wait(2.5)  # long enough to be noticed
    finally:
        over.set()
    return f"{len(started)} threads"


# --- files -----------------------------------------------------------------------------------------------------------


def many_files(folder: str, count: int) -> str:
    """Make many small files, and stay a little."""
    for number in range(count):
        Path(folder, f"small-{number}").write_bytes(b"x")
    blocked(0.8)
    return f"{count} files"


def open_files(folder: str, count: int) -> str:
    """Keep many files open."""
    with ExitStack() as kept:
        for number in range(count):
            kept.enter_context(Path(folder, f"open-{number}").open("wb"))
    return f"{count} open"


def big_file(folder: str, megabytes: int) -> str:
    """Write one large file, sparse so that it is quick."""
    with Path(folder, "big").open("wb") as file:
        file.seek(megabytes * MEGABYTE - 1)
        file.write(b"x")
    return f"{megabytes} MB"


def several_files(folder: str, count: int, megabytes: int) -> str:
    """Write several files, each below the limit of one, and stay a little."""
    block = bytes(MEGABYTE)
    for number in range(count):
        with Path(folder, f"part-{number}").open("wb") as file:
            for _ in range(megabytes):
                file.write(block)
    blocked(0.8)
    return f"{count} files"


def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()[:20]


def read_by_link(folder: str, path: str) -> str:
    """Read a file by a link in a folder that may be written."""
    link = Path(folder, "link")
    link.symlink_to(path)
    return link.read_text()[:20]


def write_file(path: str) -> str:
    """Write a file."""
    Path(path).write_text("was here")
    return "written"


def change_mode(path: str) -> str:
    """Change the mode of a file."""
    Path(path).chmod(0o600)
    return "changed"


# --- other processes -------------------------------------------------------------------------------------------------


def parent_memory() -> str:
    """Open the memory of the process that started this one."""
    with open(f"/proc/{os.getppid()}/mem", "rb"):
        return "opened"


def kill(pid: int) -> str:
    """Ask whether a process could be sent a signal; none is sent."""
    os.kill(pid, 0)
    return "could"


def ptrace(pid: int) -> str:
    """Attach to a process without stopping it."""
    seize, detach = 0x4206, 17
    library = libc()
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    library.ptrace.restype = ctypes.c_long
    checked(library.ptrace(seize, pid, None, None))
    library.ptrace(detach, pid, None, None)
    return "attached"


def process_vm(pid: int) -> str:
    """Read memory of the process that this one was forked from, at an address that both have."""
    secret = ctypes.create_string_buffer(8)
    vector = struct.Struct("QQ")
    local = ctypes.create_string_buffer(vector.pack(ctypes.addressof(secret), 8))
    remote = ctypes.create_string_buffer(vector.pack(id(None), 8))
    call = libc().syscall
    call.restype = ctypes.c_long
    one, none = ctypes.c_long(1), ctypes.c_long(0)
    read = checked(call(ctypes.c_long(310), ctypes.c_long(pid), local, one, remote, one, none))
    return f"{read} bytes"


def limits_of(pid: int) -> str:
    """Read and set back a limit of another process."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, resource.prlimit(pid, resource.RLIMIT_NOFILE))
    return "set"


# --- network ---------------------------------------------------------------------------------------------------------


def tcp(port: int) -> str:
    """Connect."""
    with socket.create_connection(("127.0.0.1", port), 2):
        return "connected"


def fast_open(port: int) -> str:
    """Send in the first packet, which asks no connect."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", port))
    return "sent"


def udp(port: int) -> str:
    """Send a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", port))
    return "sent"


def netlink() -> str:
    """Open a netlink socket."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0):
        return "opened"


def unix_path(path: str) -> str:
    """Connect to a socket of the file system."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
    return "connected"


# --- programs and code -----------------------------------------------------------------------------------------------


def shell() -> str:
    """Become another program in a process of its own, without a fork of Python's."""
    pid = os.posix_spawn("/bin/sh", ["/bin/sh", "-c", "exit 7"], {})
    return f"code {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}"


def exec_memory() -> str:
    """Become a program that no file system holds."""
    descriptor = os.memfd_create("program")
    os.write(descriptor, Path("/bin/true").read_bytes())
    pid = os.posix_spawn(f"/proc/self/fd/{descriptor}", ["true"], {})
    return f"code {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}"


def x32() -> str:
    """Call by the numbers of another table; a kernel without it answers ENOSYS."""
    call = libc().syscall
    call.restype = ctypes.c_long
    call(ctypes.c_long(0x40000000 | 39))
    return "survived"


def writable_code() -> str:
    """Map memory that is writable and executable."""
    with mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC):
        return "mapped"


def int80(folder: str) -> str:
    """Call the kernel as a 32-bit program would, from code in a file."""
    code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, 20 (getpid); int 0x80; ret
    path = Path(folder, "code")
    path.write_bytes(code.ljust(4096, b"\x90"))
    with path.open("rb") as file:
        area = mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    library = libc()
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    with path.open("rb") as file:
        place = library.mmap(None, 4096, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, file.fileno(), 0)
    if place in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "no executable mapping")
    ctypes.CFUNCTYPE(ctypes.c_long)(place)()
    area.close()
    return "survived"


# --- the wire --------------------------------------------------------------------------------------------------------


def wire() -> socket.socket:
    """The socket to the application."""
    for descriptor in range(3, 64):
        try:
            found = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue
        if found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM and _is_wire(descriptor):
            found.setblocking(True)
            return found
        found.close()
    raise RuntimeError("no socket to the application")


def _is_wire(descriptor: int) -> bool:
    import asyncio

    loop: Any = asyncio.get_running_loop()
    return descriptor not in (loop._ssock.fileno(), loop._csock.fileno())


def send_raw(data: bytes, count: int = 1) -> str:
    """Send bytes of one's own."""
    with wire() as sock:
        for _ in range(count):
            sock.sendall(data)
    return "sent"


def pass_descriptors(count: int) -> str:
    """Send open files that nobody asked for."""
    with wire() as sock, tempfile.TemporaryFile() if os.access("/tmp", os.W_OK) else open(os.devnull, "rb") as file:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()] * 50))]
        frame = struct.pack("<I", 4) + b"\x93\x07\x00\xc0"
        for _ in range(count):
            sock.sendmsg([frame], rights)
    return "sent"


def ignore_sigterm() -> str:
    """Refuse to end when asked."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    STUBBORN.append(True)
    return "ignored"
