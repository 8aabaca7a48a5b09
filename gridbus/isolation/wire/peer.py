"""Calls between two processes, both ways, over whatever carries frames."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any, Protocol

import msgspec

from gridbus.errors import IsolationError, PeerGone, PluginStateError, ProtocolViolation
from gridbus.isolation.wire.failures import WireFailure, rebuild, wire_failure
from gridbus.isolation.wire.frames import MAX_FRAME, Frame, Kind, encode_frame
from gridbus.isolation.wire.streams import WINDOW, Incoming, Outgoing, read_items

_FLUSH_AT = 64 * 1024  # bytes that do not wait for the end of the loop's turn
_MOST_CALLS = 1024  # incoming calls that are worked on at a time

Table = Mapping[str, tuple[Any, Any]]


class CallInfo(msgspec.Struct, frozen=True):
    """What a handler may know of a call besides its arguments."""

    id: int
    method: str


class Transport(Protocol):
    """Carries bytes to the other end."""

    def write(self, data: bytes | bytearray, /) -> None:
        """Send, or keep what cannot be sent now."""

    def fail(self, error: Exception, /) -> None:
        """Give up the connection for a reason."""

    def read_now(self) -> None:
        """Wait, blocking the process, for more bytes and feed the peer with them; a plugin's process only."""


class Job(Protocol):
    """Background work that can be cancelled."""

    def cancel(self) -> None:
        """End it."""


class _Call(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    method: str
    arguments: msgspec.Raw


_read_call = msgspec.msgpack.Decoder(_Call).decode
_read_failure = msgspec.msgpack.Decoder(WireFailure).decode
_read_int = msgspec.msgpack.Decoder(int).decode
_read_bytes = msgspec.msgpack.Decoder(bytes).decode


class Peer:
    """One end of a conversation: calls, notes, streams of replies, and frames of other kinds.

    What is sent in one turn of the loop goes out in one write. Where the transport is paused, calls still go out, as
    each is waited for; whoever sends without waiting asks ``is_paused`` or awaits ``room`` first.
    """

    def __init__(
        self,
        *,
        calls_out: Table,
        calls_in: Table,
        notes_in: Mapping[str, Any],
        start: Callable[[Callable[[], Awaitable[object]]], Job],
        notes: Mapping[str, Callable[[Any], object]] | None = None,
        handlers: Mapping[str, Callable[..., Any]] | None = None,
        on_frame: Callable[[Frame], object] | None = None,
        on_resume: Callable[[], object] | None = None,
        max_frame: int = MAX_FRAME,
    ) -> None:
        """Prepare; a transport is set before the first frame.

        Args:
            calls_out: methods of the other end: types of arguments and reply.
            calls_in: methods that may be called here.
            notes_in: what may be told here: types of arguments.
            start: runs an async function in the background.
            notes: what takes each note.
            handlers: what answers each method: gets arguments and ``CallInfo``; plain, async or an async generator.
            on_frame: takes frames of the kinds EVENT and DONE.
            on_resume: called when the transport takes more again.
            max_frame: bytes of one frame.
        """
        self._calls_out, self._notes_in = calls_out, notes_in
        self._calls_in = {name: types[0] for name, types in calls_in.items()}
        self._start = start
        self.notes: dict[str, Callable[[Any], object]] = dict(notes or {})
        self.handlers: dict[str, Callable[..., Any]] = dict(handlers or {})
        self.on_frame, self.on_resume = on_frame, on_resume
        self._most = max_frame
        self.transport: Transport | None = None
        self._numbers = count(1)
        self._pending: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._reading: dict[int, Incoming] = {}
        self._answering: dict[int, Job | None] = {}
        self._sending: dict[int, Outgoing] = {}
        self._out = bytearray()
        self._is_due = False
        self._late: list[Frame] = []  #: frames that came while the process was blocked in a call
        self._awaited: int | None = None
        self._answer: Frame | None = None
        self._gone: IsolationError | None = None
        self._room: asyncio.Event | None = None
        self.is_paused = False
        self.replies = 0  #: that came so far

    # --- out -----------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Calls and streams that the other end has not answered."""
        return len(self._pending) + len(self._reading)

    async def call(self, method: str, arguments: Any) -> Any:
        """Call a method of the other end and return its reply.

        Raises:
            PeerGone: the other end is gone.
            Exception: what the method raised there, as ``failures.rebuild`` says.
            PayloadTooLarge, ProtocolViolation: arguments or reply cannot cross.
        """
        return self._read_reply(method, await self._ask(Kind.CALL, [method, arguments]))

    async def hello(self, payload: Any, reply: Any) -> Any:
        """Send the first frame and return what the other end says to it, as ``reply``."""
        return _as(await self._ask(Kind.HELLO, payload), reply, "hello")

    def call_now(self, method: str, arguments: Any) -> Any:
        """Call a method and block the whole process until the reply is there; other frames wait meanwhile."""
        number = next(self._numbers)
        self.send(Kind.CALL, number, [method, arguments])
        self.flush()
        self._awaited, self._answer = number, None
        try:
            while self._answer is None:
                if self._gone is not None:
                    raise PeerGone(str(self._gone))
                if self.transport is None:
                    raise PeerGone("there is no connection to the other process")
                self.transport.read_now()
            answer: Frame = self._answer
        finally:
            self._awaited = self._answer = None
            if self._late:
                asyncio.get_running_loop().call_soon(self._catch_up)
        self.replies += 1
        if answer.kind is Kind.ERROR:
            raise rebuild(_as(answer.payload, WireFailure, method))
        return self._read_reply(method, answer.payload)

    def note(self, method: str, arguments: Any) -> None:
        """Tell the other end something, without a reply."""
        if self._gone is None:
            self.send(Kind.NOTE, 0, [method, arguments])

    def stream(self, method: str, arguments: Any) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Call a method that answers with many items: ``async with peer.stream(...) as items``.

        The other end runs at most ``WINDOW`` items ahead. Leaving the block ends it there.
        """
        number = next(self._numbers)
        incoming = Incoming(lambda credit: self._send_quietly(Kind.CREDIT, number, credit))

        def begin() -> None:
            self._check()
            self._reading[number] = incoming
            self.send(Kind.CALL, number, [method, arguments])

        def end() -> None:
            if self._reading.pop(number, None) is not None and not incoming.is_over:
                self._send_quietly(Kind.CANCEL, number, None)

        return read_items(incoming, begin, end)

    def send(self, kind: Kind, id: int, payload: Any) -> None:
        """Send one frame at the end of this turn of the loop.

        Raises:
            PayloadTooLarge: it does not fit.
        """
        self._out += encode_frame(kind, id, payload, most=self._most)
        if len(self._out) >= _FLUSH_AT:
            self.flush()
        elif not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send at once what waits for the end of this turn."""
        self._is_due = False
        if self._out and self.transport is not None and self._gone is None:
            out, self._out = self._out, bytearray()
            self.transport.write(out)

    async def room(self) -> None:
        """Return when the transport takes more."""
        while self.is_paused and self._gone is None:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    def pause(self) -> None:
        """The transport is full."""
        self.is_paused = True

    def resume(self) -> None:
        """The transport takes more."""
        self.is_paused = False
        room, self._room = self._room, None
        if room is not None:
            room.set()
        if self.on_resume is not None:
            self.on_resume()

    # --- in ------------------------------------------------------------------------------------------------------

    def receive(self, frame: Frame) -> None:
        """Take one frame that came in.

        Raises:
            ProtocolViolation: it is none that the other end may send.
        """
        if self._awaited is not None:
            if frame.id == self._awaited and frame.kind in (Kind.REPLY, Kind.ERROR):
                self._answer = frame
            else:
                self._late.append(frame)
            return
        match frame.kind:
            case Kind.EVENT | Kind.DONE:
                if self.on_frame is not None:
                    self.on_frame(frame)
            case Kind.REPLY:
                self._replied(frame)
            case Kind.CALL:
                self._called(frame)
            case Kind.NOTE:
                self._noted(frame)
            case Kind.ERROR:
                self._failed(frame)
            case Kind.ITEM | Kind.END:
                self._streamed(frame)
            case Kind.CREDIT:
                outgoing = self._sending.get(frame.id)
                if outgoing is not None:
                    outgoing.add(_as(frame.payload, int, "credit"))
            case Kind.CANCEL:
                job = self._answering.pop(frame.id, None)
                if job is not None:
                    job.cancel()
            case _:
                raise ProtocolViolation(f"a frame {frame.kind.name} came, which is not for this end")

    def lost(self, error: Exception | None = None) -> None:
        """The other end is gone: all that waits for it fails, and what it had asked for is cancelled."""
        if self._gone is not None:
            return
        why = "the other process is gone" if error is None else str(error)
        self._gone = gone = PeerGone(why)
        for future in self._pending.values():
            if not future.done():
                future.set_exception(PeerGone(why))
        for incoming in self._reading.values():
            incoming.fail(gone)
        answering, self._answering = self._answering, {}
        for job in answering.values():
            if job is not None:
                job.cancel()
        self._out.clear()
        if self._room is not None:
            self._room.set()

    # --- within --------------------------------------------------------------------------------------------------

    async def _ask(self, kind: Kind, payload: Any) -> msgspec.Raw:
        self._check()
        number = next(self._numbers)
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self.send(kind, number, payload)
        self._pending[number] = future
        try:
            return await future
        except asyncio.CancelledError:
            self._send_quietly(Kind.CANCEL, number, None)
            raise
        finally:
            del self._pending[number]
            if future.done() and not future.cancelled():
                future.exception()  # seen

    def _check(self) -> None:
        if self._gone is not None:
            raise PeerGone(str(self._gone))

    def _send_quietly(self, kind: Kind, number: int, payload: Any) -> None:
        if self._gone is None:
            self.send(kind, number, payload)

    def _read_reply(self, method: str, payload: msgspec.Raw) -> Any:
        try:
            return _as(payload, self._calls_out[method][1], method)
        except ProtocolViolation as error:
            if self.transport is not None:
                self.transport.fail(error)
            raise

    def _replied(self, frame: Frame) -> None:
        self.replies += 1
        future = self._pending.get(frame.id)  # none where nobody waits any more
        if future is not None and not future.done():
            future.set_result(msgspec.Raw(bytes(frame.payload)))

    def _failed(self, frame: Frame) -> None:
        self.replies += 1
        failure = _as(frame.payload, WireFailure, "an error")
        future = self._pending.get(frame.id)
        if future is not None and not future.done():
            future.set_exception(rebuild(failure))
        incoming = self._reading.get(frame.id)
        if incoming is not None:
            incoming.fail(rebuild(failure))

    def _streamed(self, frame: Frame) -> None:
        self.replies += 1
        incoming = self._reading.get(frame.id)
        if incoming is None:
            return
        if frame.kind is Kind.END:
            incoming.end()
        elif not incoming.add(_as(frame.payload, bytes, "an item")):
            raise ProtocolViolation(f"a stream runs more than {WINDOW} items ahead")

    def _noted(self, frame: Frame) -> None:
        call = _as(frame.payload, _Call, "a note")
        take = self.notes.get(call.method)
        if take is None or call.method not in self._notes_in:
            raise ProtocolViolation(f"a note {call.method!r} came, which nobody takes")
        take(_as(call.arguments, self._notes_in[call.method], call.method))

    def _called(self, frame: Frame) -> None:
        call = _as(frame.payload, _Call, "a call")
        if call.method not in self._calls_in:
            raise ProtocolViolation(f"{call.method!r} was called, and is no method")
        if frame.id in self._answering or len(self._answering) >= _MOST_CALLS:
            raise ProtocolViolation(f"call {frame.id} came twice, or more than {_MOST_CALLS:,} at a time")
        arguments = _as(call.arguments, self._calls_in[call.method], call.method)
        handler = self.handlers.get(call.method)
        number = frame.id
        try:
            if handler is None:
                raise PluginStateError(f"{call.method!r} was called before it can be answered")
            result = handler(arguments, CallInfo(number, call.method))
        except ProtocolViolation:
            raise
        except Exception as error:
            self._send_failure(number, error)
            return
        if inspect.isawaitable(result):
            self._answering[number] = None
            job = self._start(lambda: self._answer_later(number, result))
        elif isinstance(result, AsyncIterator):
            self._answering[number] = None
            outgoing = self._sending[number] = Outgoing()
            job = self._start(lambda: self._answer_many(number, result, outgoing))
        else:
            self._send_reply(number, result)
            return
        if number in self._answering:
            self._answering[number] = job

    async def _answer_later(self, number: int, result: Awaitable[Any]) -> None:
        try:
            reply = await result
        except (Exception, SystemExit) as error:
            self._send_failure(number, error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():  # the handler awaited something that was cancelled
                self._send_failure(number, RuntimeError("it awaited something that was cancelled"))
                return
            raise
        else:
            self._send_reply(number, reply)
        finally:
            self._answering.pop(number, None)

    async def _answer_many(self, number: int, items: AsyncIterator[Any], outgoing: Outgoing) -> None:
        try:
            try:
                async for item in items:
                    await outgoing.take()
                    if self._gone is not None:
                        return
                    self.send(Kind.ITEM, number, item)
                    await self.room()
                self._send_quietly(Kind.END, number, None)
            finally:
                close = getattr(items, "aclose", None)
                if close is not None:
                    await close()
        except (Exception, SystemExit) as error:
            self._send_failure(number, error)
        finally:
            self._answering.pop(number, None)
            self._sending.pop(number, None)

    def _send_reply(self, number: int, reply: Any) -> None:
        try:
            self._send_quietly(Kind.REPLY, number, reply)
        except Exception as error:
            self._send_failure(number, error)

    def _send_failure(self, number: int, error: BaseException) -> None:
        self._send_quietly(Kind.ERROR, number, wire_failure(error))

    def _catch_up(self) -> None:
        late, self._late = self._late, []
        for place, frame in enumerate(late):
            self.receive(frame)
            if self._awaited is not None:  # cannot be: whoever blocks has returned before the loop goes on
                self._late[:0] = late[place + 1 :]
                return


def _as(payload: msgspec.Raw | bytes, kind: Any, what: str) -> Any:
    """Read what came as the type that was declared for it.

    Raises:
        ProtocolViolation: it is something else.
    """
    try:
        return msgspec.msgpack.decode(payload, type=type(None) if kind is None else kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise ProtocolViolation(f"what came for {what} is not what it should be: {error}") from None
