"""How a process is confined: what is applied, what is asked for in vain, and what stays open."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import pytest

from gridbus.errors import SandboxError
from gridbus.isolation.sandbox import LAYERS, SandboxSpec, confine, machine
from gridbus.isolation.sandbox import confine as confining

BEGIN = "import json, os, sys\nfrom gridbus.isolation.sandbox import SandboxSpec, confine\n"


def test_each_layer_says_what_it_applied(runner: Any) -> None:
    """In the order in which they are applied."""
    applied = runner.attempt()["applied"]
    assert tuple(applied) == LAYERS
    assert all(applied.values()), applied
    assert "no capabilities" in applied["identity"]
    assert applied["seccomp"].endswith("threads refused")


def test_without_enforcing_there_are_limits_and_no_border(runner: Any) -> None:
    """And it says so: what holds nothing is empty."""
    applied = runner.attempt(enforce=False)["applied"]
    assert [layer for layer, what in applied.items() if not what] == ["identity", "privileges", "landlock", "seccomp"]


@pytest.mark.parametrize(("kind", "what"), [("write", "written"), ("read", "read")])
def test_a_path_that_is_not_there_is_named(runner: Any, kind: str, what: str) -> None:
    """A rule for it could not be made; to go on without would be to say nothing."""
    told = runner.attempt(**{kind: [f"{runner.folder}/missing"]})
    assert told["error"].startswith(f"{runner.folder}/missing: No such file or directory; this path may be {what} by")


def test_only_what_is_kept_stays_open(runner: Any) -> None:
    """The standard ones stay in any case."""
    program = f"""{BEGIN}
opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(8)]
confine(SandboxSpec(keep_fds=(opened[2],)), keep=[opened[5]])
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
print(json.dumps([[number for number in range(3) if is_open(number)], list(map(is_open, opened))]))
"""
    assert runner.tell(program) == [[0, 1, 2], [False, False, True, False, False, True, False, False]]


def test_a_process_with_threads_is_refused(runner: Any) -> None:
    """Landlock would leave the others free."""
    program = f"""{BEGIN}
import threading
waiting = threading.Event(); thread = threading.Thread(target=waiting.wait); thread.start()
try:
    confine(SandboxSpec(), keep=())
except Exception as error:
    print(json.dumps(str(error)))
waiting.set()
"""
    assert "a process with 2 threads cannot be confined" in runner.tell(program)


def test_a_process_whose_parent_ended_before_is_refused(runner: Any) -> None:
    """No signal would come any more; the number of the parent is known from before the fork."""
    program = f"""{BEGIN}
try:
    confine(SandboxSpec(), keep=(), parent=1)
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
    name, message = runner.tell(program)
    assert name == "SandboxError"
    assert message.startswith("process 1 ended before process ")


@pytest.mark.parametrize("enforce", [True, False])
def test_a_process_ends_with_its_parent(runner: Any, enforce: bool) -> None:
    """Even after the change of its user, which undoes the wish."""
    program = f"""{BEGIN}
import signal
reading, writing = os.pipe()
if (middle := os.fork()) == 0:
    if os.fork() == 0:
        os.close(reading)
        parent = os.getppid()
        confine(SandboxSpec(enforce={enforce}), keep=[writing], parent=parent)
        os.write(writing, b"x")
        while True:
            signal.pause()
    signal.pause()
os.close(writing)
os.read(reading, 1)
os.kill(middle, signal.SIGKILL); os.waitpid(middle, 0)
signal.alarm(10)  # ends this program where the other lives on, and holds the pipe
print(json.dumps(os.read(reading, 1).decode()))
"""
    assert runner.tell(program) == ""


def test_it_leads_a_session_and_is_nice(runner: Any) -> None:
    """No terminal's signals reach it, and it yields to the application."""
    program = f"""{BEGIN}
if os.fork() == 0:
    confine(SandboxSpec(nice=7), keep=())
    print(json.dumps([os.getsid(0) == os.getpid(), os.getpriority(os.PRIO_PROCESS, 0)]), flush=True)
    os._exit(0)
os.wait()
"""
    assert runner.tell(program) == [True, 7]


def test_what_the_kernel_refuses_is_told(runner: Any) -> None:
    """With the layers that were applied before."""
    program = f"""{BEGIN}
import gridbus.isolation.sandbox.confine
module = sys.modules["gridbus.isolation.sandbox.confine"]
def fail(*ignored, **more):
    raise OSError(1, "capset: no")
module.drop_privileges = fail
try:
    confine(SandboxSpec(), keep=())
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
    name, message = runner.tell(program)
    assert name == "SandboxError"
    assert "could not be confined further than descriptors, session, parent, nice: [Errno 1] capset: no" in message


def test_an_ordinary_user_who_can_reach_all_is_what_root_becomes(make_runner: Any, ordinary: Any) -> None:
    """Root stays uid 0, without capabilities, where that user cannot reach what is needed, and says why."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    interpreter = ordinary[-1]
    reached = make_runner("root", [interpreter])
    assert reached.attempt(write=[])["applied"]["identity"] == "user 65534, no capabilities"
    told = make_runner("root", [interpreter])
    (told.folder / "mine").chmod(0o700)
    identity = told.attempt(read=[str(told.folder)])["applied"]["identity"]
    assert identity == f"user 0, no capabilities (user 65534 cannot use {told.folder})"


def test_root_without_capabilities_reads_no_others_files(make_runner: Any) -> None:
    """What it may write is a matter of Landlock, but what belongs to others is a matter of rights again."""
    if os.geteuid() != 0:
        pytest.skip("only root has capabilities to lose")
    runner = make_runner("root", [sys.executable])
    os.chown(runner.folder / "theirs", 1234, 1234)
    (runner.folder / "theirs").chmod(0o600)
    assert runner.attempt("read theirs", read=[str(runner.folder)])["outcomes"]["read theirs"] == "EACCES"
    assert runner.attempt("read theirs", enforce=False)["outcomes"]["read theirs"] == "possible"


def test_what_may_be_read_may_not_be_written(runner: Any) -> None:
    """And a link in it leads nowhere but to what may be read."""
    told = runner.attempt("read theirs", "write theirs", "read through a link", read=[str(runner.folder / "theirs")])
    assert told["outcomes"] == {"read theirs": "possible", "write theirs": "EACCES", "read through a link": "possible"}


def test_other_platforms_say_that_there_is_no_border(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is applied."""
    mac = machine.Machine("macOS", "23.1", "arm64", None, 0)
    monkeypatch.setattr(sys.modules["gridbus.isolation.sandbox.kernel"], "this_machine", lambda: mac)
    monkeypatch.setattr(sys.modules[confining.__module__], "this_machine", lambda: mac)
    sys.modules["gridbus.isolation.sandbox.kernel"].this_kernel.cache_clear()
    with pytest.raises(SandboxError, match="macOS has no sandbox that gridbus can use: crash isolation only"):
        confine(SandboxSpec(), keep=())
    assert "no table of system calls for riscv64" in machine.Machine("Linux", "6", "riscv64", None, 0).obstacle


def test_the_cpu_limit_ends_it_by_sigxcpu(runner: Any) -> None:
    """Which it cannot catch, and the application can move on."""
    program = f"""{BEGIN}
import resource
pid = os.fork()
if pid == 0:
    confine(SandboxSpec(cpu_seconds=0.1), keep=())
    while True:
        pass
ready = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps(ready))
"""
    assert runner.tell(program) == -signal.SIGXCPU


def test_memory_files_and_their_size_end_at_their_limits(runner: Any) -> None:
    """On top of what was in use; private and shared memory count alike."""
    program = f"""{BEGIN}
import errno, mmap
before = [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]
folder = sys.argv[1] + "/mine"
spec = SandboxSpec(write=(folder,), memory_bytes=64 * 2**20, file_bytes=2**20, open_files=8)
confine(spec, keep=before)
told = []
def attempt(function):
    try:
        function()
    except MemoryError:
        told.append("MemoryError")
    except OSError as error:
        told.append(errno.errorcode[error.errno])
    else:
        told.append("possible")
attempt(lambda: bytearray(32 * 2**20))
attempt(lambda: bytearray(96 * 2**20))
attempt(lambda: mmap.mmap(-1, 96 * 2**20))
def write(size):
    with open(folder + "/large", "wb", buffering=0) as file:
        written = 0
        while written < size:
            written += file.write(bytes(min(size - written, 65536)))
attempt(lambda: write(2**20))
attempt(lambda: write(2**20 + 1))
opened = []
attempt(lambda: opened.extend(os.dup(0) for _ in range(100)))
print(json.dumps([told, len(opened)]))
"""
    told, _ = runner.tell(program, str(runner.folder))
    assert told == ["possible", "MemoryError", "ENOMEM", "possible", "EFBIG", "EMFILE"]


def test_the_spec_crosses_the_wire_by_position() -> None:
    """Fields that are missing at the end have their defaults."""
    import msgspec

    spec = SandboxSpec(read=("/a",), threads=True)
    assert msgspec.json.decode(msgspec.json.encode(spec), type=SandboxSpec) == spec
    assert json.loads(msgspec.json.encode(spec))[:3] == [["/a"], [], True]
