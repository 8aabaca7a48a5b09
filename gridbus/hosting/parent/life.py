"""One process of a plugin, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import attrs
import msgspec

from gridbus.bus.relay import RemoteFailure
from gridbus.errors import PeerGone, PluginCrashed, ProtocolViolation
from gridbus.hosting.coding import anonymous_file
from gridbus.hosting.parent.exits import Verdict, judge
from gridbus.hosting.parent.output import LineRate, Output, open_outputs
from gridbus.hosting.parent.relays import Relays
from gridbus.hosting.parent.surroundings import Surroundings
from gridbus.hosting.protocol import (
    IN_APPLICATION,
    IN_PLUGIN,
    NOTES,
    Done,
    Hello,
    Loaded,
    Logged,
    Refusal,
    TaskFailure,
)
from gridbus.hosting.traces import bus_trace
from gridbus.isolation.meter import Metered, MeterLimits, ProcessUsage, Reached
from gridbus.isolation.wire import Frame, Kind, Link, Peer
from gridbus.isolation.zygote import Child, Exit
from gridbus.plugins.hosting import HostRequest

_decode_done = msgspec.msgpack.Decoder(Done).decode
_HANGING_UP = 0.25  # seconds between the end of a connection and that of its process, where one leads to the other
_FRAMES_PER_SECOND = 100_000  # that one process may send
_REASONS = {
    "cpu_seconds_per_event": "cpu",
    "memory_bytes": "memory",
    "threads": "threads",
    "file_bytes": "files",
    "hang": "hang",
}


class Life:
    """A process, the connection to it, and what the meter and the logs know of it."""

    loaded: Loaded

    def __init__(self, around: Surroundings, request: HostRequest, child: Child, hello: Hello) -> None:
        self._around, self._request, self._child, self._hello = around, request, child, hello
        self._clock = around.bus.clock
        self._outputs: tuple[Output, ...] = ()
        self._name = hello.plugin_id or request.entry
        self._log_rate = LineRate(self._clock.monotonic)
        self._relays: Relays | None = None
        self._limit_reached: Callable[[Reached], object] = _ignore
        self._gone: Callable[[Peer], object] = _ignore
        self._killed_for: Verdict | None = None
        self._exit: Exit | None = None
        self._is_closed = False
        self._metered: Metered | None = None
        self._usage = ProcessUsage()
        self._moves = 0  #: pieces of work that it was done with
        self._seen = (-1, 0.0)
        self.peer = Peer(
            calls_out=IN_PLUGIN,
            calls_in=IN_APPLICATION,
            notes_in=NOTES,
            notes={"log": self._logged, "task_failed": self._task_failed, "refused": self._was_refused},
            start=self._start_job,
            on_frame=self._done,
            on_resume=self._resumed,
        )
        self._link = Link(
            self.peer,
            clock=self._clock,
            rate=_FRAMES_PER_SECOND,
            on_lost=self._lost,
            on_throttled=self._throttled,
        )

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._child.pid

    async def load(self) -> None:
        """Connect, confine the process and let it load the plugin.

        Raises:
            PluginLoadError, PluginValidationError: as inline.
            PluginCrashed: it ended instead, or took too long.
        """
        loop = asyncio.get_running_loop()
        self._outputs = open_outputs(self._name, self._child.stdout, self._child.stderr, self._clock)
        await loop.create_unix_connection(lambda: self._link, sock=self._child.socket)
        limits = self._request.limits
        self._metered = self._around.meter.watch(
            self._child.pid,
            MeterLimits(
                memory_bytes=limits.memory_bytes,
                file_bytes=limits.file_bytes,
                cpu_percent=limits.cpu_percent,
                cpu_seconds_per_event=limits.cpu_seconds_per_event,
                threads=limits.threads,
                write_paths=tuple(path for path in self._hello.sandbox.write if path != "/"),  # nobody counts all files
                hang_after=max(self._around.hang_after, limits.handler_timeout + min(5.0, self._around.hang_after)),
            ),
            progress=self,
            reached=self._reached,
            signal=self._child.kill,
        )
        self._metered.poke()
        try:
            with anyio.fail_after(self._around.load_timeout):
                await self._metered.ready()
                self.loaded = await self.peer.hello(self._hello, reply=Loaded)
        except PeerGone:
            verdict = await self.ended()
            raise PluginCrashed(
                f"the process of plugin {self._name!r} ended as it loaded: {verdict.message}",
                self._name,
                reason=verdict.reason,
            ) from None
        except TimeoutError:
            raise PluginCrashed(
                f"plugin {self._name!r} took longer than {self._around.load_timeout:g} s to load in its process",
                self._name,
            ) from None

    def serve(
        self,
        handlers: Mapping[str, Callable[..., Any]],
        relays: Relays,
        *,
        limit_reached: Callable[[Reached], object],
        gone: Callable[[Peer], object],
    ) -> None:
        """Begin to answer what the process calls; ``gone`` is told at once when the connection is lost."""
        self._relays, self._limit_reached, self._gone = relays, limit_reached, gone
        self.peer.handlers.update(handlers)

    # --- its end -------------------------------------------------------------------------------------------------

    async def ended(self) -> Verdict:
        """Return why the process ended, when it has."""
        self._exit = end = await self._child.wait()
        self._close()
        return judge(end, self._killed_for, self._outputs[1].last_words if self._outputs else "")

    async def end(self, *, grace: float) -> None:
        """Let the process end by itself, and kill it where it does not within ``grace`` seconds."""
        self._link.close()
        try:
            with anyio.move_on_after(grace):
                await self._child.wait()
        finally:
            self.drop()
        with anyio.CancelScope(shield=True), anyio.move_on_after(5):
            self._exit = await self._child.wait()

    def end_for(self, verdict: Verdict) -> None:
        """Kill the process for a reason."""
        if self._killed_for is None and self._exit is None:
            self._killed_for = verdict
        self._child.kill(signal.SIGKILL)

    def drop(self) -> None:
        """Kill the process, if it is there, and let go of all that belongs to it."""
        self._child.kill(signal.SIGKILL)
        self._close()

    def _close(self) -> None:
        if self._metered is not None:
            self._usage = self._metered.usage()
            self._metered.close()
            self._metered = None
        for output in self._outputs:
            output.close()
        self._link.abort()
        if not self._is_closed:
            self._is_closed = True
            asyncio.get_running_loop().call_soon(self._child.close)  # when the transport has let go of the socket

    def _lost(self, error: Exception | None) -> None:
        """The connection is gone; a process that keeps on without one is ended."""
        self._gone(self.peer)
        if isinstance(error, ProtocolViolation):
            self.end_for(Verdict("protocol", str(error)))
        else:
            self._clock.call_later(_HANGING_UP, self._hung_up)

    def _hung_up(self) -> None:
        if self._exit is None:
            self.end_for(Verdict("protocol", "it closed its connection and went on"))

    # --- what the meter asks and says ----------------------------------------------------------------------------

    def in_hand(self) -> tuple[int, float] | None:
        """Return a token of the oldest piece of work in the process, and since when; None when it has none."""
        if not self.peer.pending and (self._relays is None or not self._relays.is_busy):
            return None
        token = self._moves + self.peer.replies
        if token != self._seen[0]:
            self._seen = (token, self._clock.monotonic())
        return self._seen

    def poke(self) -> None:
        """Note that the process got work after it had none."""
        if self._metered is not None:
            self._metered.poke()

    def _reached(self, reached: Reached) -> None:
        if reached.action == "killed":
            reason = _REASONS.get(reached.limit, reached.limit)
            self.end_for(Verdict(reason, _told(reached)))
        if reached.limit != "hang":
            self._limit_reached(reached)

    @property
    def usage(self) -> ProcessUsage:
        """What the process uses, or used at its end."""
        return self._usage if self._metered is None else self._metered.usage()

    @property
    def cpu_seconds(self) -> float:
        """Processor time of its life."""
        rusage = None if self._exit is None else self._exit.rusage
        return self.usage.cpu_seconds if rusage is None else rusage.user + rusage.system

    @property
    def max_memory_bytes(self) -> int:
        """The most that it had resident."""
        rusage = None if self._exit is None else self._exit.rusage
        return self.usage.rss_bytes if rusage is None else rusage.max_rss_bytes

    # --- what the process says -----------------------------------------------------------------------------------

    def pass_file(self, content: bytes) -> None:
        """Send a file without a name into the process; if that is gone, whoever waits for it to load hears why."""
        with anonymous_file(content) as file, suppress(OSError):
            self.pass_descriptor(file.fileno())

    def pass_descriptor(self, descriptor: int) -> None:
        """Send an open descriptor into the process."""
        socket.send_fds(self._child.descriptors, [b"\0"], [descriptor])

    def _done(self, frame: Frame) -> None:
        if frame.kind != Kind.DONE or self._relays is None:
            raise ProtocolViolation(f"it sends a frame of kind {frame.kind}, which is not its to send")
        self._moves += 1
        self._relays.done(frame.id, _read_done(frame.payload))

    def _throttled(self) -> None:
        logging.getLogger(f"gridbus.plugin.{self._name}").warning(
            "it sends more than %s frames a second, and is read slowly", f"{_FRAMES_PER_SECOND:,}"
        )
        self._limit_reached(Reached("frames_per_second", _FRAMES_PER_SECOND, _FRAMES_PER_SECOND, "throttled"))

    def _resumed(self) -> None:
        if self._relays is not None:
            self._relays.nudge()

    def _start_job(self, fn: Callable[[], Any]) -> Any:
        return self._around.bus.start_job(fn, name="call", owner=self._name)

    def _logged(self, record: Logged) -> None:
        own = f"gridbus.plugin.{self._name}"
        name = (
            record.logger if record.logger == own or record.logger.startswith(f"{own}.") else f"{own}.{record.logger}"
        )
        if self._log_rate.take():
            text = f"{record.message} ({record.where})" if record.level >= logging.ERROR else record.message
            logging.getLogger(name).log(record.level, "%s", text)
        elif self._log_rate.dropped in (1, 100, 10_000):
            logging.getLogger(own).warning("%d of its log lines came too fast so far", self._log_rate.dropped)

    def _task_failed(self, fact: TaskFailure) -> None:
        failure = fact.failure
        trace = bus_trace(fact.trace)
        self._around.bus.report_task(
            fact.task, self._name, RemoteFailure(failure.error, failure.message, failure.traceback), trace
        )

    def _was_refused(self, refusal: Refusal) -> None:
        limits = attrs.asdict(self._request.limits)
        if refusal.limit in limits:
            self._limit_reached(Reached(refusal.limit, limits[refusal.limit], limits[refusal.limit], "refused"))


def _read_done(payload: msgspec.Raw) -> Done:
    try:
        return _decode_done(payload)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProtocolViolation(f"a report about events came that is none: {error}") from None


def _told(reached: Reached) -> str:
    if reached.limit == "hang":
        return f"it has not moved for {reached.used:.0f} s"
    return f"it used {reached.used:,.1f} of {reached.limit}, of which it may use {reached.allowed:,.1f}"


def _ignore(fact: object) -> None:
    """Stand for somebody who wants to know."""
