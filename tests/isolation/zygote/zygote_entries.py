"""What the children of these tests run; imported in the zygote by its name."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

ballast: list[bytes] = []


def commanded(sock: socket.socket, descriptors: socket.socket) -> None:
    """Say hello, then do what the first line from the application says."""
    sock.sendall(f"{os.getpid()} {os.getppid()}\n".encode())
    with sock.makefile("rb") as lines:
        words = lines.readline().decode().split()
    if words:
        globals()[f"do_{words[0]}"](sock, descriptors, *words[1:])


def stubborn(sock: socket.socket, descriptors: socket.socket) -> None:
    """Say hello and stay, whatever becomes of the socket."""
    with contextlib.suppress(OSError):
        sock.sendall(b"here\n")
    while True:
        signal.pause()


def do_return(sock: socket.socket, descriptors: socket.socket) -> None:
    """Return."""


def do_exit(sock: socket.socket, descriptors: socket.socket, code: str = "") -> NoReturn:
    """Exit as told."""
    sys.exit(int(code) if code.isdigit() else code or None)


def do_raise(sock: socket.socket, descriptors: socket.socket, kind: str) -> NoReturn:
    """Raise a builtin error."""
    raise {"ValueError": ValueError, "MemoryError": MemoryError}[kind]("on purpose")


def do_talk(sock: socket.socket, descriptors: socket.socket) -> None:
    """Write to both streams: a line at once, and what only a flush at the end brings."""
    sys.stdout.write("a line\n")
    sock.sendall(b"written\n")
    sock.recv(1)
    sys.stdout.write("rest \udc80")
    sys.stderr.write("trouble\n")


def do_burn(sock: socket.socket, descriptors: socket.socket) -> None:
    """Use CPU time and memory."""
    ballast.append(b"x" * 40_000_000)
    end = time.process_time() + 0.1
    while time.process_time() < end:
        sum(range(1000))


def do_receive(sock: socket.socket, descriptors: socket.socket) -> None:
    """Take a descriptor and write into it."""
    data, fds, _, _ = socket.recv_fds(descriptors, 100, 1)
    os.write(fds[0], b"got " + data)
    os.close(fds[0])


def do_look(sock: socket.socket, descriptors: socket.socket) -> None:
    """Tell what a child has of its own: descriptors, session, environment, signals, files it inherited."""
    listed = set(os.listdir("/proc/self/fd"))
    fds = sorted(int(fd) for fd in listed if os.path.exists(f"/proc/self/fd/{fd}"))
    known = {0, 1, 2, sock.fileno(), descriptors.fileno()}
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    lines = [
        " ".join(str(fd) for fd in fds if fd not in known) or "-",
        str(os.getsid(0) == os.getpid()),
        os.readlink("/proc/self/fd/0"),
        " ".join(sorted(os.environ)),
        status["SigBlk"],
        status["SigCgt"],
        str(len(os.listdir("/proc/self/task"))),
    ]
    sock.sendall("\n".join(lines).encode())


def do_loop(sock: socket.socket, descriptors: socket.socket) -> None:
    """Run an event loop and tell of the memory that is this process's own."""

    async def turn() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0.001))

    asyncio.run(turn())
    sock.sendall(b"looped\n")
    sock.recv(1)


def first_forks_fail() -> None:
    """Have the zygote's first two forks fail; preloaded."""
    fork, failures = os.fork, [OSError(11, "no more processes"), MemoryError()]

    def failing() -> int:
        if failures:
            raise failures.pop(0)
        return fork()

    os.fork = failing


def few_files() -> None:
    """Leave the zygote few descriptors; preloaded."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))


def start_thread() -> None:
    """Start a thread; preloaded."""
    import threading

    threading.Thread(target=threading.Event().wait, daemon=True).start()


def block() -> None:
    """Never return; preloaded."""
    sys.stderr.write("blocking on purpose\n")
    sys.stderr.flush()
    ours, theirs = socket.socketpair()
    with theirs:
        ours.recv(1)


def speak() -> None:
    """Write to the zygote's own streams; preloaded."""
    sys.stdout.write("warming\n")
    sys.stdout.flush()
    for number in range(300):
        sys.stderr.write(f"note {number}\n")
