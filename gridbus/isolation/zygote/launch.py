"""How the interpreters of plugins' processes are started: their command line, environment and place of imports."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, TypeAlias

import anyio
import msgspec

from gridbus.errors import ZygoteError

#: Imports what runs in the process. Given places come after the standard library, which nothing may shadow, and
#: before installed packages, so that a checkout wins over an installed copy.
BOOTSTRAP = """
import json, sys
plan = json.loads(sys.argv[1])
at = next((i for i, p in enumerate(sys.path) if p.endswith(("site-packages", "dist-packages"))), len(sys.path))
sys.path[at:at] = [p for p in plan["paths"] if p not in sys.path]
from gridbus.isolation.zygote.process import main
main(plan)
"""

#: What must be found by the interpreter before gridbus can import itself.
NEEDED = ("gridbus", "attr", "attrs", "msgspec", "anyio", "idna", "sniffio", "typing_extensions")

Process: TypeAlias = "subprocess.Popen[bytes]"


class Plan(msgspec.Struct):
    """What a started interpreter is told on its command line; everybody can read it, so it holds no secret."""

    entry: str
    preload: tuple[str, ...]
    paths: tuple[str, ...]
    application: int  #: pid of the application
    start_limit: int = 0  #: seconds after which a zygote that is not ready ends by itself; 0 for no limit
    control: int | None = None  #: descriptor of the control socket; None in a process that is a child itself
    socket: int | None = None  #: a child's own ends
    descriptors: int | None = None


def can_fork() -> bool:
    """Whether this platform has what a zygote needs: pidfds, sequenced packets, death signals."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def check_platform() -> None:
    """Refuse where processes cannot be given descriptors at all.

    Raises:
        ZygoteError: on Windows.
    """
    if sys.platform == "win32":
        raise ZygoteError("plugins in processes of their own need POSIX, and this is Windows: run the plugin inline")


def places(paths: Sequence[str]) -> tuple[str, ...]:
    """Where gridbus and what it needs come from in this process, then ``paths``, absolute and each once."""
    found = []
    for name in NEEDED:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file:
            is_package = os.path.basename(file).startswith("__init__.")
            found.append(os.path.dirname(os.path.dirname(file) if is_package else file))
    return tuple(dict.fromkeys(os.path.abspath(path) for path in [*found, *paths]))


def environment(source: Mapping[str, str]) -> dict[str, str]:
    """What a process inherits: language and time zone; a secret in the environment stays in the application."""
    kept = {key: value for key, value in source.items() if key in ("LANG", "TZ") or key.startswith("LC_")}
    return kept | {"MALLOC_ARENA_MAX": "1"}  # one heap: less memory, and RLIMIT_AS means what it says


def start(plan: Plan, *, keep: Collection[int], stdout: int, stderr: int) -> Process:
    """Start an interpreter in a session of its own with only ``keep`` open beside its standard streams."""
    return subprocess.Popen(
        [sys.executable, "-I", "-c", BOOTSTRAP, msgspec.json.encode(plan).decode()],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(keep),
        env=environment(os.environ),
        start_new_session=True,
    )


async def start_in_thread(executor: Executor | None, call: Callable[[], Process]) -> Process:
    """Run ``call``, which starts a process, in a thread to its end, even if the caller is cancelled meanwhile.

    So no descriptor that it uses is closed under its hands, and no process is left that nobody knows of.
    """
    future = asyncio.get_running_loop().run_in_executor(executor, call)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:  # of the task itself, from which no scope shields
                cancelled = error
    if cancelled is None:
        return future.result()
    if future.exception() is None:
        end_process(future.result())
    raise cancelled


def end_process(process: Process) -> None:
    """Kill and reap it."""
    process.kill()
    process.wait()


def plan_of(told: Mapping[str, Any]) -> Plan:
    """Read what the command line told."""
    return msgspec.convert(told, Plan)
