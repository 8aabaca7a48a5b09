"""Children without a zygote: one started interpreter each, where nothing can be forked."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.lowlevel
import msgspec

from gridbus.errors import ZygoteError
from gridbus.isolation.zygote.child import GONE_TIMEOUT, Child
from gridbus.isolation.zygote.ends import Ends
from gridbus.isolation.zygote.exits import Exit, Rusage
from gridbus.isolation.zygote.launch import Plan, Process, start, start_in_thread
from gridbus.isolation.zygote.output import Output

NOTHING = "gridbus.isolation.zygote.warm:nothing"
POLL = 0.02  #: seconds between two looks at a process where there are no pidfds


class Spawner:
    """Starts an interpreter for each child: slower and larger than a fork, and the same to whoever uses it.

    Children are started by one thread that lives as long as this object: the kernel kills them when it ends.
    """

    error: ZygoteError | None = None  #: nothing to die

    def __init__(self, plan: Plan, *, forget: Callable[[Child], None]) -> None:
        self._plan, self._forget = plan, forget
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gridbus-spawner")
        self._children: set[Child] = set()

    async def check(self) -> None:
        """Import in a process of its own all that a child will.

        Raises:
            ZygoteError: with what it wrote, if that fails.
        """
        plan = self._plan
        module = plan.entry.partition(":")[0]
        child = await self._start(msgspec.structs.replace(plan, preload=(*plan.preload, module), entry=NOTHING))
        output = Output(child.stderr, owns=False)
        output.open(self._loop)
        try:
            how = await child.wait()
        finally:
            with anyio.CancelScope(shield=True):
                child.kill()
                await child.wait()
            output.close()
            child.close()
        if how.code != 0:
            said = f"; it said:\n{output.text}" if output.text else ""
            raise ZygoteError(f"a plugin's process does not start ({how}){said}", output=output.text)

    async def spawn(self) -> Child:
        """Start a child.

        Raises:
            ZygoteError: the interpreter cannot be started.
        """
        return await self._start(self._plan)

    async def _start(self, plan: Plan) -> Child:
        ends = Ends.open()
        try:
            sock, descriptors, stdout, stderr = ends.numbers()
            plan = msgspec.structs.replace(plan, socket=sock, descriptors=descriptors)
            process = await start_in_thread(
                self._thread, lambda: start(plan, keep=(sock, descriptors), stdout=stdout, stderr=stderr)
            )
        except BaseException as error:
            ends.close()
            if isinstance(error, OSError | RuntimeError):
                raise ZygoteError(f"no interpreter can be started: {error}") from error
            raise
        ends.hand_over()
        child = Child(process.pid, _pidfd_of(process.pid), ends, forget=self._forgotten)
        self._children.add(child)
        self._watch(child, process)
        try:
            await anyio.lowlevel.checkpoint_if_cancelled()
        except asyncio.CancelledError:
            child.kill()
            child.close()
            raise
        return child

    def _watch(self, child: Child, process: Process) -> None:
        """Reap the process when it ended."""
        if child.pidfd is not None:
            self._loop.add_reader(child.pidfd, self._reap, child, process)
        elif not self._reap(child, process):
            self._loop.call_later(POLL, self._watch, child, process)

    def _reap(self, child: Child, process: Process) -> bool:
        try:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        except ChildProcessError:  # the application ignores SIGCHLD, or waits for any child itself
            how = Exit(note="its exit was taken by another part of the application")
        else:
            if pid == 0:
                return False
            how = Exit.of(status, Rusage.of(usage))
        if child.pidfd is not None:
            self._loop.remove_reader(child.pidfd)
        process.returncode = how.code if how.signal is None else -how.signal  # else it would warn that it still runs
        if process.returncode is None:
            process.returncode = 0
        child.end(how)
        return True

    def _forgotten(self, child: Child) -> None:
        self._children.discard(child)
        self._forget(child)

    def kill(self) -> None:
        """Do nothing: there is no process but the children."""

    async def aclose(self) -> None:
        """Kill and reap every child."""
        with anyio.CancelScope(shield=True):
            for child in tuple(self._children):
                child.kill()
            with anyio.move_on_after(GONE_TIMEOUT):
                for child in tuple(self._children):
                    await child.wait()
        self._thread.shutdown(wait=False)


def _pidfd_of(pid: int) -> int | None:
    """Open one, where there are any; a process that is not reaped keeps its number."""
    if not hasattr(os, "pidfd_open"):
        return None
    with contextlib.suppress(OSError):
        return os.pidfd_open(pid)
    return None
