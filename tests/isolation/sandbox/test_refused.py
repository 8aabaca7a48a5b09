"""What a confined process cannot do, each thing first shown to be possible without the sandbox."""

from __future__ import annotations

import platform
import signal
from typing import Any

import pytest

IS_X86 = platform.machine() == "x86_64"

REFUSED = {
    "EACCES": (
        "read /etc/passwd",
        "list /",
        "list /proc",
        "read theirs",
        "write theirs",
        "truncate theirs",
        "make a file outside",
        "remove theirs",
        "read through a link",
        "memory of the parent",
        "move theirs in",
        "write and execute",
        "make writable code",
    ),
    "EPERM": (
        "truncate theirs by reading",
        "truncate theirs by neither",
        "make a link",
        "make a hard link",
        "make a pipe",
        "change rights",
        "change rights of mine",
        "change times",
        "change the owner",
        "lease",
        "tcp",
        "udp",
        "netlink",
        "unix",
        "vsock pair",
        "filter packets",
        "fork",
        "run a program",
        "signal the parent",
        "queue for the parent",
        "pidfd of the parent",
        "own signals",
        "own socket signals",
        "read the parent's limits",
        "set the parent's limits",
        "outlive the parent",
        "be nicer",
        "choose processors",
        "catch SIGXCPU",
        "memory file",
        "shared memory",
        "message queue",
        "personality",
        "watch files",
    ),
    "RuntimeError": ("thread",),
    "ValueError": ("set own limits",),  # what resource makes of EPERM
    "ENOSYS": ("io_uring", "a call of tomorrow"),
}
#: what fails without a sandbox too, the second for want of memory that may be locked
ANYWAY = {"a call of tomorrow", "io_uring"}
#: what spoils another attempt
DESTRUCTIVE = {"move theirs in", "remove theirs"}

VIOLATIONS = [
    "ptrace",
    "memory of a process",
    "own namespaces",
    "bpf",
    "keys",
    "open by handle",
    "mount",
    *(["x32", "32 bit"] if IS_X86 else []),
]


def test_it_is_refused(runner: Any) -> None:
    """And the process goes on."""
    expected = {name: code for code, names in REFUSED.items() for name in names}
    told = runner.attempt(*expected)
    assert told["outcomes"] == expected
    assert told["status"] == 0
    assert (runner.folder / "theirs").read_text() == "secret"


def test_it_is_possible_without_the_sandbox(runner: Any) -> None:
    """Else the test above would show nothing."""
    names = [name for group in REFUSED.values() for name in group if name not in ANYWAY | DESTRUCTIVE]
    told = runner.attempt(*names, *sorted(DESTRUCTIVE)[:1], enforce=False)
    assert {name: how for name, how in told["outcomes"].items() if how != "possible"} == {}


@pytest.mark.parametrize("attempt", VIOLATIONS)
def test_a_violation_kills_the_process(runner: Any, attempt: str) -> None:
    """By SIGSYS, which the supervisor tells from a crash; without a sandbox it goes on."""
    assert runner.attempt(attempt)["status"] == -signal.SIGSYS
    assert runner.attempt(attempt, enforce=False)["status"] == 0


def test_threads_start_where_they_are_permitted(runner: Any) -> None:
    """A process still does not."""
    told = runner.attempt("thread", "fork", threads=True)
    assert told["outcomes"] == {"thread": "possible", "fork": "EPERM"}


def test_a_pair_of_sockets_reaches_no_path(runner: Any) -> None:
    """Half a pair of datagram sockets could send to any, by an address that no filter sees."""
    told = runner.attempt("send to a path")
    assert told["outcomes"] == {"send to a path": "EPERM"}
