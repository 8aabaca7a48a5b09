"""The zygote's loop: it forks on request, reaps, and tells; one thread, no event loop."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from collections import deque
from types import FrameType

import attrs
import msgspec

from gridbus.isolation.zygote import birth
from gridbus.isolation.zygote.datagrams import MAX_DATAGRAM, Ended, Fork, Forked, Kill, Ready, Refused, Report, Request
from gridbus.isolation.zygote.exits import Rusage

ENDS = 4  #: descriptors of a request: socket, descriptors, stdout, stderr
MOST_COMPLAINTS = 100  #: so that a pipe that nobody reads is never full
LAST_WAIT_MS = 5000  #: for killed children when all is over; one in an uninterruptible call is left to init


@attrs.frozen
class Newborn:
    """What a child keeps of the request that made it."""

    socket: int
    descriptors: int


@attrs.frozen
class Answer:
    """What the application is told of a request, once the zygote has closed what came with it."""

    report: Report
    pidfd: int | None = None


class Forker:
    """Forks children for the application at the other end of ``control``, and reaps them.

    Ends when ``control`` is at its end or the process behind the pidfd ``application`` is: a copy of the application
    that it forked itself may hold the socket open longer than it lives.
    """

    def __init__(self, *, control: socket.socket, application: int) -> None:
        self._control, self._application = control, application
        self._pids: dict[int, int] = {}  # by id of the request
        self._ids: dict[int, int] = {}  # by pid
        self._outgoing: deque[tuple[bytes, int | None]] = deque()
        self._decoder = msgspec.msgpack.Decoder(Request)
        self._complaints = 0
        self._wakes = self._wakes_end = -1
        self._pid = os.getpid()
        self._die_with = birth.death_bond()

    def serve(self) -> Newborn | None:
        """Return in each child with what it is to use, and in the zygote with None when the application is gone."""
        self._control.setblocking(False)
        self._wakes, self._wakes_end = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(self._wakes_end, False)
        signal.set_wakeup_fd(self._wakes_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _ignore)
        self._tell(Ready(self._pid))
        while True:
            poll = select.poll()
            # while something waits to be told nothing more is asked for: so what waits is bounded
            poll.register(self._control, select.POLLOUT if self._outgoing else select.POLLIN)
            poll.register(self._wakes, select.POLLIN)
            poll.register(self._application, select.POLLIN)
            happened = dict(poll.poll())
            if self._wakes in happened:
                self._reap()
            if self._application in happened:
                break
            if self._control.fileno() in happened:
                if self._outgoing:
                    is_over = not self._send_waiting()
                else:
                    newborn, is_over = self._take_request()
                    if newborn is not None:
                        return newborn
                if is_over:
                    break
        self._finish()
        return None

    # --- requests ------------------------------------------------------------------------------------------------

    def _take_request(self) -> tuple[Newborn | None, bool]:
        """Do what the next datagram asks for; return what the child has of it, and whether it was the last."""
        try:
            data, received, flags, _ = socket.recv_fds(self._control, MAX_DATAGRAM, ENDS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None, False
        except OSError as error:  # a reset is an end
            self._complain(f"the control socket failed: {error}")
            return None, True
        ends = list(received)
        answer: Newborn | Answer | None = None
        try:
            if not data and not ends:
                return None, True
            request = self._decoder.decode(data)
            if isinstance(request, Kill):
                self._kill(request)
            else:
                answer = self._fork(request, ends, is_short=len(ends) != ENDS or bool(flags & socket.MSG_CTRUNC))
        except msgspec.MsgspecError as error:
            self._complain(f"a malformed request of {len(data)} bytes was ignored: {error}")
        finally:
            for end in ends:
                os.close(end)
        if isinstance(answer, Answer):
            self._tell(answer.report, answer.pidfd)
            answer = None
        return answer, False

    def _fork(self, request: Fork, ends: list[int], *, is_short: bool) -> Newborn | Answer:
        if request.id in self._pids:
            return Answer(Refused(request.id, f"a child of the number {request.id} lives already"))
        if is_short:
            return Answer(Refused(request.id, f"{len(ends)} of {ENDS} descriptors arrived: too many open files"))
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()  # else the child would write it too
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))  # the child is not to write to our wakeup pipe
        try:
            pid = os.fork()
        except (OSError, MemoryError) as error:
            return Answer(Refused(request.id, f"the fork failed: {str(error) or 'out of memory'}"))
        else:
            if pid == 0:
                return self._be_born(ends)
        finally:
            if os.getpid() == self._pid:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return Answer(Refused(request.id, f"the child has no pidfd: {error}"))
        self._pids[request.id], self._ids[pid] = pid, request.id
        return Answer(Forked(request.id, pid), pidfd)

    def _be_born(self, ends: list[int]) -> Newborn:
        """Let go of the zygote; runs in the child."""
        try:
            sock, descriptors, stdout, stderr = ends
            ends.clear()  # closed below, or kept
            self._control.detach()
            birth.leave_zygote((sock, descriptors), stdout, stderr)
            self._die_with(self._pid)
        except BaseException as error:
            with contextlib.suppress(BaseException):
                sys.stderr.write(f"the child could not leave the zygote: {error!r}\n")
                sys.stderr.flush()
            os._exit(birth.EXIT_FAILED)
        return Newborn(sock, descriptors)

    def _kill(self, request: Kill) -> None:
        pid = self._pids.get(request.id)
        if pid is None:
            return  # it ended, which is told
        try:
            os.kill(pid, request.signal)  # not reaped, so the number is still its own
        except (OSError, ValueError, OverflowError) as error:
            self._complain(f"signal {request.signal} for {pid} failed: {error}")

    # --- reports -------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wakes, 512):
                pass
        while self._wait(os.WNOHANG):
            pass

    def _wait(self, options: int) -> bool:
        try:
            pid, status, usage = os.wait4(-1, options)
        except ChildProcessError:
            return False
        if pid == 0:
            return False
        number = self._ids.pop(pid, None)
        if number is not None:
            del self._pids[number]
            used = Rusage.of(usage)
            self._tell(Ended(number, status, used.user, used.system, used.max_rss_bytes))
        return True

    def _tell(self, report: Report, pidfd: int | None = None) -> None:
        self._outgoing.append((msgspec.msgpack.encode(report), pidfd))
        if len(self._outgoing) == 1:
            self._send_waiting()

    def _send_waiting(self) -> bool:
        """Send what waits; return whether the application still takes it."""
        while self._outgoing:
            data, pidfd = self._outgoing[0]
            try:
                socket.send_fds(self._control, [data], () if pidfd is None else (pidfd,))
            except BlockingIOError:
                return True
            except OSError as error:
                if isinstance(error, BrokenPipeError | ConnectionError):
                    return False
                self._complain(f"a report was not sent: {error}")
                if pidfd is None:
                    return True  # no memory for it now; it is not lost
                os.close(pidfd)  # such as too many descriptors on their way: the application has the child killed
                self._outgoing[0] = (data, None)
                continue
            self._outgoing.popleft()
            if pidfd is not None:
                os.close(pidfd)
        return True

    # --- the end -------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Kill and reap every child, and tell of each as far as somebody listens."""
        for pid in self._ids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        poll = select.poll()
        poll.register(self._wakes, select.POLLIN)
        self._reap()
        while self._ids and poll.poll(LAST_WAIT_MS):
            self._reap()
        self._send_waiting()

    def _complain(self, text: str) -> None:
        self._complaints += 1
        if self._complaints <= MOST_COMPLAINTS:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"zygote: {text[:200]}\n")
                sys.stderr.flush()


def _ignore(signum: int, frame: FrameType | None) -> None:
    """Stand as a handler, without which no byte is written to the wakeup pipe."""
