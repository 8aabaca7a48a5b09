"""Calls the kernel where the standard library has no function for it."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import attrs

from gridbus.errors import SandboxError
from gridbus.isolation.sandbox.machine import Machine, this_machine
from gridbus.isolation.sandbox.syscalls import numbers

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_SECUREBITS = 1, 24, 28
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
_M_ARENA_MAX = -8  # of mallopt


@attrs.frozen
class Kernel:
    """System calls by name; a negative answer becomes an OSError."""

    machine: Machine
    numbers: dict[str, int]
    _libc: ctypes.CDLL

    def call(self, name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
        """Make a system call; text and buffers are handed over as pointers."""
        # the function is variadic: what is not a pointer has to be handed over at full width
        wide: list[Any] = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
        answer = int(self._libc.syscall(ctypes.c_long(self.numbers[name]), *wide))
        if answer < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"{name}: {os.strerror(code)}")
        return answer

    def use_one_heap(self) -> None:
        """Have threads share the heap, where they would each reserve 64 MB of address space for their own."""
        if hasattr(self._libc, "mallopt"):  # musl has but one heap
            self._libc.mallopt(_M_ARENA_MAX, 1)

    def prctl(self, option: int, *arguments: int) -> int:
        """Change the process itself."""
        return self.call("prctl", option, *arguments, *[0] * (4 - len(arguments)))


@cache
def this_kernel() -> Kernel:
    """Return the kernel below; raise ``SandboxError`` where nothing here can be confined."""
    machine = this_machine()
    if machine.obstacle or machine.column is None:
        raise SandboxError(machine.obstacle)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return Kernel(machine, numbers(machine.column), libc)
