"""One zygote process as the application sees it, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable

import anyio
import attrs
import msgspec

from gridbus.errors import ZygoteError
from gridbus.isolation.zygote.child import Child
from gridbus.isolation.zygote.datagrams import MAX_DATAGRAM, Ended, Fork, Forked, Kill, Ready, Refused, Report, Request
from gridbus.isolation.zygote.ends import Ends
from gridbus.isolation.zygote.exits import Exit, Rusage
from gridbus.isolation.zygote.launch import Plan, Process, end_process, start, start_in_thread
from gridbus.isolation.zygote.output import Output, logger

IN_FLIGHT = 16  #: requests at a time: an ordinary user may have only so many descriptors on their way
END_TIMEOUT = 2.0  #: seconds in which the zygote kills and reaps its children, before it is killed itself


@attrs.define(eq=False)
class Pending:
    """A request without an answer; ``ends`` is None when nobody waits for it any more."""

    future: asyncio.Future[Child]
    ends: Ends | None


class Life:
    """Asks one zygote process for children and takes its reports; when it dies, everybody hears of it."""

    def __init__(
        self,
        process: Process,
        pidfd: int,
        control: socket.socket,
        output: Output,
        *,
        on_death: Callable[[ZygoteError], None],
        forget: Callable[[Child], None],
    ) -> None:
        self.pid = process.pid
        self.ready = anyio.Event()  # or dead
        self.dead = anyio.Event()
        self.error: ZygoteError | None = None
        self._process, self._pidfd, self._control, self._output = process, pidfd, control, output
        self._on_death, self._forget = on_death, forget
        self._loop = asyncio.get_running_loop()
        self._slots = anyio.Semaphore(IN_FLIGHT)
        self._pending: dict[int, Pending] = {}
        self._children: dict[int, Child] = {}
        self._last_id = 0
        self._decoder = msgspec.msgpack.Decoder(Report)
        self._is_ready = self._is_closing = self._has_control = False
        self._why = ""  # we ended it ourselves

    @classmethod
    async def begin(
        cls, plan: Plan, *, on_death: Callable[[ZygoteError], None], forget: Callable[[Child], None]
    ) -> Life:
        """Start the process; it is not ready yet.

        Raises:
            ZygoteError: it cannot be started at all.
        """
        with contextlib.ExitStack() as stack, contextlib.ExitStack() as theirs:
            try:
                ours, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                stack.callback(ours.close)
                theirs.callback(control.close)
                stderr, stderr_in = os.pipe()
                stack.callback(os.close, stderr)
                theirs.callback(os.close, stderr_in)
                ours.setblocking(False)
                number = control.fileno()
                plan = msgspec.structs.replace(plan, control=number)
                process = await start_in_thread(
                    None, lambda: start(plan, keep=(number,), stdout=stderr_in, stderr=stderr_in)
                )
                stack.callback(end_process, process)
                pidfd = os.pidfd_open(process.pid)
            except OSError as error:
                raise ZygoteError(f"the zygote cannot be started: {error}") from error
            stack.pop_all()
        life = cls(process, pidfd, ours, Output(stderr), on_death=on_death, forget=forget)
        life._open()
        return life

    # --- requests ------------------------------------------------------------------------------------------------

    async def until_ready(self, timeout: float) -> None:
        """Wait until it takes requests; otherwise it is dead.

        Raises:
            ZygoteError: it ended before it was ready, or took too long.
        """
        try:
            with anyio.move_on_after(timeout):
                await self.ready.wait()
        finally:
            if not self._is_ready and not self.dead.is_set():
                self._why = f"the zygote did not start within {timeout:g} s"
                self.kill()
                with anyio.CancelScope(shield=True):
                    await self.dead.wait()
        if self.error is not None:
            raise self._failure()

    async def spawn(self) -> Child:
        """Have a child forked.

        Raises:
            ZygoteError: the fork was refused, or the zygote died.
        """
        await self._slots.acquire()
        try:
            if self.error is not None:
                raise self._failure()
            ends = Ends.open()
            pending = self._request(ends)
        except BaseException:
            self._slots.release()
            raise
        try:
            return await pending.future
        except asyncio.CancelledError:
            if pending.future.done() and not pending.future.cancelled() and pending.future.exception() is None:
                child = pending.future.result()  # it came as we were cancelled
                child.kill()
                child.close()
            pending.ends = None  # a child that comes to be is killed: see _take
            ends.close()
            raise
        except ZygoteError:
            ends.close()
            raise

    def _request(self, ends: Ends) -> Pending:
        self._last_id += 1
        pending = Pending(self._loop.create_future(), ends)
        try:
            self._send(Fork(self._last_id), ends.numbers())
        except OSError as error:
            ends.close()
            raise ZygoteError(f"the zygote takes no requests: {error}") from error
        ends.hand_over()
        self._pending[self._last_id] = pending
        return pending

    def _send(self, request: Request, descriptors: list[int]) -> None:
        socket.send_fds(self._control, [msgspec.msgpack.encode(request)], descriptors)

    # --- reports -------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._output.open(self._loop)
        self._loop.add_reader(self._control, self._read)
        self._has_control = True
        self._loop.add_reader(self._pidfd, self._died)

    def _read(self) -> None:
        """Take all reports that have arrived."""
        while self._has_control:
            try:
                data, received, _, _ = socket.recv_fds(self._control, MAX_DATAGRAM, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, received = b"", []
            if not data:
                self._hang_up()
                return
            pidfd = received[0] if received else None
            try:
                report = self._decoder.decode(data)
            except msgspec.MsgspecError as error:
                logger.error("the zygote %d sent what is no report: %s; it is killed", self.pid, error)
                if pidfd is not None:
                    os.close(pidfd)
                self._hang_up()
                return
            self._take(report, pidfd)

    def _take(self, report: Report, pidfd: int | None) -> None:
        if isinstance(report, Forked):
            self._take_child(report, pidfd)
        elif isinstance(report, Refused):
            self._slots.release()
            pending = self._pending.pop(report.id)
            if not pending.future.done():
                pending.future.set_exception(ZygoteError(f"the zygote made no child: {report.error}"))
        elif isinstance(report, Ended):
            child = self._children.pop(report.id, None)
            if child is not None:
                used = Rusage(report.user, report.system, report.max_rss_bytes)
                child.end(Exit.of(report.status, used))
        elif isinstance(report, Ready):
            self._is_ready = True
            self._output.log()
            self.ready.set()

    def _take_child(self, report: Forked, pidfd: int | None) -> None:
        self._slots.release()
        pending = self._pending.pop(report.id)
        if pidfd is None:  # none was left for it here or there
            with contextlib.suppress(OSError):
                self._send(Kill(report.id, signal.SIGKILL), [])
            if not pending.future.done():
                pending.future.set_exception(ZygoteError("no descriptor for another process: too many open files"))
        elif pending.ends is None or pending.future.done():  # cancelled
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        else:
            child = Child(report.pid, pidfd, pending.ends, forget=self._forget)
            self._children[report.id] = child
            pending.future.set_result(child)

    # --- the end -------------------------------------------------------------------------------------------------

    def _hang_up(self) -> None:
        """Stop listening; a zygote that says no more is of no use."""
        if self._has_control:
            self._has_control = False
            self._loop.remove_reader(self._control)
            if not self._is_closing:
                self.kill()

    def kill(self) -> None:
        """Kill the process; the kernel takes its children along."""
        if not self.dead.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _died(self) -> None:
        """Reap it, and tell all who wait for something from it."""
        self._read()  # what it said before
        self._loop.remove_reader(self._pidfd)
        if self._has_control:
            self._has_control = False
            self._loop.remove_reader(self._control)
        self._control.close()
        os.close(self._pidfd)
        code = self._process.wait()  # at once: it is dead
        self._output.close()
        how = Exit(code=code) if code >= 0 else Exit(signal=-code)
        said = f"; it said:\n{self._output.text}" if self._output.text else ""
        what = "died" if self._is_ready else "did not start"
        why = self._why or f"the zygote {what} ({how})"
        self.error = ZygoteError(why + said, output=self._output.text)
        pending, self._pending = self._pending, {}
        for request in pending.values():
            self._slots.release()
            if not request.future.done():
                request.future.set_exception(self._failure())
        children, self._children = self._children, {}
        for child in children.values():
            child.orphan(self._loop)
        self.ready.set()
        self.dead.set()
        if self._is_ready and not self._is_closing:
            self._on_death(self.error)

    def _failure(self) -> ZygoteError:
        """Why there is no child: an error of its own for each who waits."""
        return ZygoteError(str(self.error), output=self._output.text)

    async def aclose(self) -> None:
        """Have the zygote kill and reap its children and end; if it does not, kill it."""
        if self.dead.is_set():
            return
        self._is_closing, self._why = True, "the zygote was closed"
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
            with anyio.move_on_after(END_TIMEOUT if self._is_ready else 0):
                await self.dead.wait()
            self.kill()
            await self.dead.wait()
