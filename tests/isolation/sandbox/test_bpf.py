"""The assembler of filters, and the filters of both architectures, played through a machine of their own."""

from __future__ import annotations

import ctypes
import errno
import signal
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbus.isolation.sandbox.bpf import (
    Block,
    assemble,
    dispatch,
    for_architecture,
    verdict,
    when_any_bit,
    when_argument_is,
    when_masked_is,
    when_null,
)
from gridbus.isolation.sandbox.kernel import Kernel
from gridbus.isolation.sandbox.machine import Machine
from gridbus.isolation.sandbox.seccomp import build_filter
from gridbus.isolation.sandbox.syscalls import AARCH64, X86_64, numbers

YES, NO, OTHER = verdict(1), verdict(2), verdict(3)


def play(program: bytes, number: int = 0, *arguments: int, arch: int = 7) -> int:
    """Return the verdict of a program on a call."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    at = value = 0
    while True:
        operation, yes, no, operand = code[at]
        at += 1
        match operation:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, operand)
            case 0x54:
                value &= operand
            case 0x05:
                at += operand
            case 0x06:
                return int(operand)
            case 0x15:
                at += yes if value == operand else no
            case 0x35:
                at += yes if value >= operand else no
            case 0x45:
                at += yes if value & operand else no
            case _:
                raise AssertionError(f"no such instruction: {operation:#x}")


def test_an_argument_is_compared_by_its_lower_half() -> None:
    """The kernel ignores the upper half of what it takes for an int."""
    program = assemble(when_argument_is(1, [5, 9], YES, NO))
    assert [play(program, 0, 0, value) for value in (5, 9, 6, 5 + (1 << 32))] == [1, 1, 2, 1]


def test_a_pointer_is_null_in_both_halves() -> None:
    """One that has only upper bits points to something."""
    program = assemble(when_null(4, YES, NO))
    assert [play(program, 0, 0, 0, 0, 0, value) for value in (0, 1, 1 << 32, 1 << 63)] == [1, 2, 2, 2]


def test_bits_are_looked_at_by_themselves() -> None:
    """All others are no matter."""
    both = assemble(when_masked_is(2, 6, [6], YES, NO))
    assert [play(both, 0, 0, 0, value) for value in (6, 7, 4, 2, 0)] == [1, 1, 2, 2, 2]
    either = assemble(when_any_bit(2, 6, YES, NO))
    assert [play(either, 0, 0, 0, value) for value in (6, 4, 3, 1, 8)] == [1, 1, 1, 2, 2]


def test_another_architecture_gets_another_verdict() -> None:
    """Its numbers mean other calls."""
    program = assemble(for_architecture(7, YES, NO))
    assert (play(program), play(program, arch=8)) == (1, 2)


@given(st.dictionaries(st.integers(0, 1200), st.integers(10, 13), max_size=400), st.integers(1, 1300))
def test_each_number_gets_its_own_block(chosen: dict[int, int], first: int) -> None:
    """Whatever the tree looks like, and however far its jumps reach."""
    long: Block = when_argument_is(0, range(1, 90), YES, verdict(13))
    blocks = {number: long if action == 13 else verdict(action) for number, action in chosen.items()}
    program = assemble(dispatch(blocks, [(0, NO), (first, OTHER)]))
    seen = {*chosen, *(number + 1 for number in chosen), 0, first - 1, first, 2**32 - 1}
    for number in seen:
        assert play(program, number) == chosen.get(number, 2 if number < first else 3)


ALLOW, KILL = 0x7FFF0000, 0x80000000
MACHINES = [
    Machine("Linux", "6.1", "x86_64", X86_64, 0xC000003E),
    Machine("Linux", "6.1", "aarch64", AARCH64, 0xC00000B7),
]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.processor)
def test_the_filter_says_the_same_on_both_architectures(machine: Machine) -> None:
    """Only the numbers differ."""
    number, pid = numbers(machine.column or 0), 4711
    program = build_filter(Kernel(machine, number, ctypes.CDLL(None)), pid, threads=False, has_truncate=True)

    def ask(name: str, *arguments: int) -> int:
        return play(program, number[name], *arguments, arch=machine.audit_arch)

    def refused(code: int) -> int:
        return 0x00050000 | code

    assert {ask(name) for name in ("read", "futex", "epoll_ctl", "exit_group", "truncate")} == {ALLOW}
    assert {ask(name) for name in ("ptrace", "bpf", "mount", "setns", "io_uring_enter")} == {KILL}
    assert {ask(name) for name in ("capset", "seccomp")} == {refused(errno.EPERM)}
    assert (ask("kill", pid), ask("kill", pid + 1), ask("kill", 2**32 - pid)) == (ALLOW, *[refused(errno.EPERM)] * 2)
    assert ask("prlimit64", 0, 7, 0, 0x1000) == ALLOW
    assert ask("prlimit64", 0, 7, 0x1000, 0) == refused(errno.EPERM)
    assert ask("clone3") == refused(errno.ENOSYS)
    assert ask("clone", 0x3D0F00) == refused(errno.EAGAIN)
    assert ask("clone", signal.SIGCHLD) == refused(errno.EPERM)
    assert ask("sendto", 3, 0x1000, 5, 0x4000, 0, 0) == ALLOW
    assert ask("sendto", 3, 0x1000, 5, 0x20000000, 0, 0) == refused(errno.EPERM)
    assert ask("sendto", 3, 0x1000, 5, 0, 0x7FFF00000000, 16) == refused(errno.EPERM)
    assert ask("rt_sigaction", signal.SIGXCPU, 0, 0x1000) == ALLOW
    assert ask("rt_sigaction", signal.SIGXCPU, 0x1000, 0) == refused(errno.EPERM)
    assert ask("mmap", 0, 4096, 5) == ALLOW
    assert ask("mprotect", 0, 4096, 6) == refused(errno.EACCES)
    assert play(program, 448, arch=machine.audit_arch) == refused(errno.EPERM)  # process_mrelease: known, not wanted
    assert play(program, 470, arch=machine.audit_arch) == refused(errno.ENOSYS)
    assert play(program, 0x40000000, arch=machine.audit_arch) == KILL
    assert play(program, number["read"], arch=0x40000003) == KILL  # i386


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.processor)
def test_threads_and_truncate_are_given_where_they_may_be(machine: Machine) -> None:
    """A thread that would be apart, in namespaces or for a tracer, is no thread."""
    number = numbers(machine.column or 0)
    program = build_filter(Kernel(machine, number, ctypes.CDLL(None)), 1, threads=True, has_truncate=False)

    def ask(name: str, *arguments: int) -> int:
        return play(program, number[name], *arguments, arch=machine.audit_arch)

    assert ask("clone", 0x3D0F00) == ALLOW
    assert ask("clone", 0x3D0F00 | 0x10000000) == 0x00050000 | errno.EPERM
    assert ask("clone", signal.SIGCHLD) == 0x00050000 | errno.EPERM
    assert ask("truncate") == 0x00050000 | errno.EPERM
