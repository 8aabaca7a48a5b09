"""What a confined process may do and use."""

from __future__ import annotations

import msgspec


class SandboxSpec(msgspec.Struct, array_like=True):
    """The bounds of one process: sent to it, and applied before any code is imported that is not trusted.

    It holds no secret: whatever runs in the process later can read it.
    """

    read: tuple[str, ...] = ()  #: files and folders that may be read, beside the interpreter and gridbus
    write: tuple[str, ...] = ()  #: files and folders that may be written, and read
    threads: bool = False  #: whether it may start threads
    max_threads: int = 8  #: of them, the first one included; counted from outside
    memory_bytes: int = 256 * 2**20  #: of address space, on top of what the process has when it begins
    file_bytes: int = 64 * 2**20  #: that any one file may grow to
    open_files: int = 64  #: on top of what is open when it begins
    cpu_seconds: float = 10.0  #: until the first SIGXCPU; the application moves this on
    nice: int = 10
    enforce: bool = True  #: False: limits only; no border against code that means harm
    keep_fds: tuple[int, ...] = ()  #: descriptors that stay open
