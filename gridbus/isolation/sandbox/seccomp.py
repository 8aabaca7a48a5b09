"""Which system calls a confined process may make: the border of network, processes and the rest of the kernel.

Everything that is not named here is refused with EPERM, and calls newer than the table with ENOSYS, so that a newer C
library falls back to what it did before. Only what no honest plugin does by accident kills the process (SIGSYS).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import socket
import struct
import sys
from functools import cache

from gridbus.errors import SandboxError
from gridbus.isolation.sandbox.bpf import (
    INSTRUCTION_SIZE,
    OPERAND_AT,
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
from gridbus.isolation.sandbox.syscalls import LAST_KNOWN, numbers

_FREE = """
read write close fstat stat lstat newfstatat statx poll ppoll select pselect6 lseek munmap brk mremap msync mincore
madvise rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack restart_syscall pause
pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 sendfile copy_file_range creat access faccessat
faccessat2 mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 ftruncate fallocate fsync fdatasync flock
getdents getdents64 getcwd chdir fchdir readlink readlinkat statfs fstatfs umask fadvise64 readahead pipe pipe2 dup
dup2 dup3 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime epoll_create
epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 nanosleep clock_nanosleep clock_gettime clock_getres
gettimeofday time times getitimer setitimer alarm getpid getppid gettid getuid geteuid getgid getegid getresuid
getresgid getgroups getpgrp getpgid getsid getpriority capget getrusage getrlimit sysinfo uname getcpu sched_yield
sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min futex futex_waitv
futex_wake futex_wait futex_requeue set_robust_list set_tid_address rseq membarrier getrandom mseal wait4 waitid exit
exit_group recvfrom recvmsg recvmmsg shutdown getsockname getpeername getsockopt
"""

#: nothing that a plugin needs, and much that has been an exploit: whoever calls these means harm
_VIOLATIONS = """
ptrace process_vm_readv process_vm_writev pidfd_getfd bpf perf_event_open userfaultfd keyctl add_key request_key mount
umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr setns unshare init_module
finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct quotactl io_uring_enter
io_uring_register open_by_handle_at iopl ioperm modify_ldt
"""

_PROT_WRITE_EXEC = mmap.PROT_WRITE | mmap.PROT_EXEC
_MSG_FASTOPEN = 0x20000000
_CLONE_THREAD = 0x00010000
_CLONE_APART = 0x7E020000 | 0x00802000  # CLONE_NEW*, CLONE_UNTRACED, CLONE_PTRACE
_PRCTL = (15, 16, 3, 39, 2, 21, 23, 0x53564D41)  # names; PR_GET_*; PR_SET_VMA, by which malloc names its memory
#: F_DUPFD, F_*FD, F_*FL, locks, F_DUPFD_CLOEXEC, F_GETPIPE_SZ: not F_SETOWN or F_SETSIG, which send signals to anyone
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIO(N)CLEX
_SOCKET_OPTIONS = (2, 7, 8, 9, 13, 16, 20, 21)  # REUSEADDR, *BUF, KEEPALIVE, LINGER, PASSCRED, *TIMEO: no filters
_TCP_OPTIONS = (1, 4, 5, 6, 12, 18)  # NODELAY, KEEP*, QUICKACK, USER_TIMEOUT
_X32_BIT = 0x40000000
_OWN_PID = 0x5EC0117D  # stands for the number of the process, and is larger than any

_SET_MODE_FILTER = 1
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def build_filter(kernel: Kernel, pid: int, *, threads: bool, has_truncate: bool) -> bytes:
    """Return the filter for the process ``pid``.

    Args:
        kernel: the one to confine it on.
        pid: may get its own signals, and read its own limits.
        threads: whether it may start threads.
        has_truncate: whether Landlock guards ``truncate``; where it does not, it is refused.
    """
    program, places = _program(kernel.machine, threads=threads, has_truncate=has_truncate)
    own = bytearray(program)
    for place in places:
        own[place : place + 4] = pid.to_bytes(4, sys.byteorder)
    return bytes(own)


@cache
def _program(machine: Machine, *, threads: bool, has_truncate: bool) -> tuple[bytes, tuple[int, ...]]:
    """Return a filter, and where in it the number of the process is to stand."""
    if machine.column is None:
        raise SandboxError(machine.obstacle)
    number, yes, kill = numbers(machine.column), verdict(_ALLOW), verdict(_KILL)
    blocks = {number[name]: yes for name in _FREE.split() if name in number}
    blocks |= {number[name]: kill for name in _VIOLATIONS.split() if name in number}
    special = {
        **_of_files(yes, has_truncate=has_truncate),
        **_of_sockets(yes),
        **_of_processes(yes, threads=threads),
    }
    blocks |= {number[name]: block for name, block in special.items() if name in number}
    calls = dispatch(blocks, [(0, _refuse(errno.EPERM)), (LAST_KNOWN + 1, _refuse(errno.ENOSYS)), (_X32_BIT, kill)])
    whole = for_architecture(machine.audit_arch, calls, kill)
    places = (at for at, (_, _, _, operand) in enumerate(whole) if operand == _OWN_PID)
    return assemble(whole), tuple(at * INSTRUCTION_SIZE + OPERAND_AT for at in places)


def apply_filter(kernel: Kernel, program: bytes) -> None:
    """Put the process under the filter for good; it must have given up new privileges before."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(code))
    kernel.call("seccomp", _SET_MODE_FILTER, 0, header)


def _refuse(code: int) -> Block:
    return verdict(_ERRNO | code)


def _of_files(yes: Block, *, has_truncate: bool) -> dict[str, Block]:
    """What Landlock cannot see, or does not see before some version."""
    no, never_both = _refuse(errno.EPERM), [_PROT_WRITE_EXEC]
    blocks: dict[str, Block] = {
        "truncate": yes if has_truncate else no,
        "openat2": _refuse(errno.ENOSYS),  # its flags are behind a pointer
        "fcntl": when_argument_is(1, _FCNTL, yes, no),
        "ioctl": when_argument_is(1, _IOCTL, yes, no),
        "io_uring_setup": _refuse(errno.ENOSYS),  # libuv tries it, and does without
        # code comes from files: memory is never writable and executable
        "mmap": when_masked_is(2, _PROT_WRITE_EXEC, never_both, _refuse(errno.EACCES), yes),
        "mprotect": when_masked_is(2, _PROT_WRITE_EXEC, never_both, _refuse(errno.EACCES), yes),
    }
    # attributes of files anywhere could be read; "not supported" is the answer that the standard library expects
    for name in ("getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr"):
        blocks[name] = _refuse(errno.ENOTSUP)
    # O_TRUNC without opening for writing truncates past an old Landlock
    for name, flags in (("open", 1), ("openat", 2)):
        writing = when_masked_is(flags, os.O_ACCMODE, [os.O_WRONLY, os.O_RDWR], yes, no)
        blocks[name] = when_any_bit(flags, os.O_TRUNC, writing, yes)
    return blocks


def _of_sockets(yes: Block) -> dict[str, Block]:
    """Pairs for the process itself; what comes over a descriptor that it was given; no address, ever."""
    no = _refuse(errno.EPERM)
    # SOCK_DGRAM could send to the path of any socket, by an address that is behind a pointer
    kind = when_masked_is(1, 0xF, [socket.SOCK_STREAM, socket.SOCK_SEQPACKET], yes, no)
    plain = when_any_bit(3, _MSG_FASTOPEN, no, yes)
    options = when_argument_is(2, _SOCKET_OPTIONS, yes, no)
    tcp_options = when_argument_is(1, [socket.IPPROTO_TCP], when_argument_is(2, _TCP_OPTIONS, yes, no), no)
    return {
        "socketpair": when_argument_is(0, [socket.AF_UNIX], kind, no),
        "sendto": when_null(4, plain, no),
        "sendmsg": when_any_bit(2, _MSG_FASTOPEN, no, yes),
        "sendmmsg": plain,
        "setsockopt": when_argument_is(1, [socket.SOL_SOCKET], options, tcp_options),
    }


def _of_processes(yes: Block, *, threads: bool) -> dict[str, Block]:
    """Itself, and nobody else."""
    no = _refuse(errno.EPERM)
    own = when_argument_is(0, [_OWN_PID], yes, no)
    thread = when_any_bit(0, _CLONE_APART, no, yes) if threads else _refuse(errno.EAGAIN)
    # SIGXCPU and SIGSYS tell the application why the process ended: nobody catches them
    kept = when_argument_is(0, [signal.SIGXCPU, signal.SIGSYS], no, yes)
    return {
        "kill": own,
        "tgkill": own,
        "rt_sigqueueinfo": own,
        "rt_tgsigqueueinfo": own,
        "rt_sigaction": when_null(1, yes, kept),
        "prctl": when_argument_is(0, _PRCTL, yes, no),
        "prlimit64": when_null(2, when_argument_is(0, [0, _OWN_PID], yes, no), no),
        "clone": when_any_bit(0, _CLONE_THREAD, thread, no),
        "clone3": _refuse(errno.ENOSYS),  # its flags are behind a pointer; the C library falls back to clone
    }
