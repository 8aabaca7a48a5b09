"""Calls between two processes, both ways, over whatever carries frames."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from itertools import count
from typing import Any, NoReturn

import msgspec

from gridbus.errors import PeerGone, ProtocolViolation
from gridbus.isolation.wire.answers import Answers
from gridbus.isolation.wire.failures import WireFailure, rebuild
from gridbus.isolation.wire.frames import MAX_FRAME, Frame, Kind, encode_frame
from gridbus.isolation.wire.streams import WINDOW, Incoming, read_items
from gridbus.isolation.wire.transport import Call, Job, Table, Transport, read_as

_FLUSH_AT = 64 * 1024  # bytes that do not wait for the end of the loop's turn


class Peer:
    """One end of a conversation: calls, notes, streams of replies, and frames of other kinds.

    What is sent in one turn of the loop goes out in one write. While the transport is paused, calls wait for it;
    whoever sends frames of other kinds asks ``is_paused`` or awaits ``room`` first.
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
                A plain function is answered at once; the others cost a background job.
            on_frame: takes frames of the kinds EVENT and DONE.
            on_resume: called when the transport takes more again.
            max_frame: bytes of one frame.
        """
        self._calls_out, self._notes_in = calls_out, notes_in
        self.notes: dict[str, Callable[[Any], object]] = dict(notes or {})
        self.handlers: dict[str, Callable[..., Any]] = dict(handlers or {})
        self.on_frame, self.on_resume = on_frame, on_resume
        self._most = max_frame
        self.transport: Transport | None = None
        self._answers = Answers(self, calls_in, self.handlers, start)
        self._takes = self._by_kind()
        self._numbers = count(1)
        self._pending: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._reading: dict[int, Incoming] = {}
        self._out = bytearray()
        self._is_due = False
        self._late: deque[Frame] = deque()  #: frames that came and wait for their turn
        self._is_catching_up = False
        self._awaited: int | None = None
        self._answer: Frame | None = None
        self._gone: str | None = None
        self._room: asyncio.Event | None = None
        self.is_paused = False
        self.replies = 0  #: that came so far

    # --- out -----------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Calls and streams that the other end has not answered."""
        return len(self._pending) + len(self._reading)

    @property
    def is_gone(self) -> bool:
        """Whether the other end is gone."""
        return self._gone is not None

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
        return self._read(await self._ask(Kind.HELLO, payload), reply, "hello")

    def call_now(self, method: str, arguments: Any) -> Any:
        """Call a method and block the whole process until the reply is there; other frames wait meanwhile."""
        self._check()
        number = next(self._numbers)
        self.send(Kind.CALL, number, [method, arguments])
        self.flush()
        self._awaited, self._answer = number, None
        try:
            while self._answer is None:
                self._check()
                if self.transport is None:
                    raise PeerGone("there is no connection to the other process")
                self.transport.read_now()
            answer: Frame = self._answer
        finally:
            self._awaited = self._answer = None
            if self._late and not self._is_catching_up:
                self._is_catching_up = True
                asyncio.get_running_loop().call_soon(self._catch_up)
        self.replies += 1
        if answer.kind is Kind.ERROR:
            raise rebuild(self._read(answer.payload, WireFailure, method))
        return self._read_reply(method, answer.payload)

    def note(self, method: str, arguments: Any) -> None:
        """Tell the other end something, without a reply."""
        self.send(Kind.NOTE, 0, [method, arguments])

    def stream(self, method: str, arguments: Any) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Call a method that answers with many items: ``async with peer.stream(...) as items``.

        The other end runs at most ``WINDOW`` items ahead. Leaving the block ends it there.
        """
        number = next(self._numbers)
        incoming = Incoming(lambda credit: self.send(Kind.CREDIT, number, credit))

        def begin() -> None:
            self._check()
            self.send(Kind.CALL, number, [method, arguments])
            self._reading[number] = incoming

        def end() -> None:
            if self._reading.pop(number, None) is not None and not incoming.is_over:
                self.send(Kind.CANCEL, number, None)

        return read_items(incoming, begin, end)

    def send(self, kind: Kind, id: int, payload: Any) -> None:
        """Send one frame at the end of this turn of the loop; nothing where the other end is gone.

        Raises:
            PayloadTooLarge: it does not fit.
        """
        if self._gone is not None:
            return
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
        self._let_in()
        if self.on_resume is not None:
            self.on_resume()

    # --- in ------------------------------------------------------------------------------------------------------

    def receive(self, frame: Frame) -> None:
        """Take one frame that came in; as ``receive_all``.

        Raises:
            ProtocolViolation: it is none that the other end may send.
        """
        if self._awaited is None and not self._is_catching_up:
            self._take(frame)
        else:
            self.receive_all((frame,))

    def receive_all(self, frames: Iterable[Frame]) -> None:
        """Take frames that came in, in their order, also where what takes one of them blocks the process in a call.

        Errors of what takes notes and frames here are told to the loop, and the conversation goes on. Frames that the
        other end may not send end it.
        """
        if self._awaited is None:
            self._late.extend(frames)
            if not self._is_catching_up:
                self._catch_up()
            return
        for frame in frames:
            if frame.id == self._awaited and frame.kind in (Kind.REPLY, Kind.ERROR):
                self._answer = frame
            else:
                self._late.append(frame)

    def lost(self, error: Exception | None = None) -> None:
        """The other end is gone: all that waits for it fails, and what it had asked for is cancelled."""
        if self._gone is not None:
            return
        self._gone = why = "the other process is gone" if error is None else str(error) or type(error).__name__
        for future in self._pending.values():
            if not future.done():
                future.set_exception(PeerGone(why))
        for incoming in self._reading.values():
            incoming.fail(PeerGone(why))
        self._out.clear()
        self._late.clear()
        self._answers.drop()
        self._let_in()

    # --- within --------------------------------------------------------------------------------------------------

    def _by_kind(self) -> list[Callable[[Frame], object]]:
        takes: list[Callable[[Frame], object]] = [_refuse] * (max(Kind) + 1)
        takes[Kind.EVENT] = takes[Kind.DONE] = self._framed
        takes[Kind.REPLY] = self._replied
        takes[Kind.ERROR] = self._failed
        takes[Kind.ITEM] = takes[Kind.END] = self._streamed
        takes[Kind.NOTE] = self._noted
        takes[Kind.CALL] = self._answers.called
        takes[Kind.CANCEL] = self._answers.cancel
        takes[Kind.CREDIT] = self._answers.credit
        return takes

    def _take(self, frame: Frame) -> None:
        try:
            self._takes[frame.kind](frame)
        except (ProtocolViolation, MemoryError):
            raise
        except msgspec.MsgspecError as error:
            raise ProtocolViolation(f"a frame {frame.kind.name} is not what it should be: {error}") from None
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"what takes frames of the kind {frame.kind.name} failed", "exception": error}
            )

    async def _ask(self, kind: Kind, payload: Any) -> msgspec.Raw:
        if self.is_paused:
            await self.room()
        self._check()
        number = next(self._numbers)
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self.send(kind, number, payload)
        self._pending[number] = future
        try:
            return await future
        except asyncio.CancelledError:
            self.send(Kind.CANCEL, number, None)
            raise
        finally:
            del self._pending[number]
            if future.done() and not future.cancelled():
                future.exception()  # seen

    def _check(self) -> None:
        if self._gone is not None:
            raise PeerGone(self._gone)

    def _let_in(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()

    def _read_reply(self, method: str, payload: msgspec.Raw) -> Any:
        return self._read(payload, self._calls_out[method][1], method)

    def _read(self, payload: msgspec.Raw, kind: Any, what: str) -> Any:
        """Read what the other end replied; what is something else ends the conversation."""
        try:
            return read_as(payload, kind, what)
        except ProtocolViolation as error:
            if self.transport is not None:
                self.transport.fail(error)
            raise

    def _framed(self, frame: Frame) -> None:
        if self.on_frame is not None:
            self.on_frame(frame)

    def _replied(self, frame: Frame) -> None:
        self.replies += 1
        future = self._pending.get(frame.id)  # none where nobody waits any more
        if future is not None and not future.done():
            future.set_result(msgspec.Raw(bytes(frame.payload)))

    def _failed(self, frame: Frame) -> None:
        self.replies += 1
        failure = read_as(frame.payload, WireFailure, "an error")
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
        elif not incoming.add(read_as(frame.payload, bytes, "an item")):
            raise ProtocolViolation(f"a stream runs more than {WINDOW} items ahead")

    def _noted(self, frame: Frame) -> None:
        call = read_as(frame.payload, Call, "a note")
        take = self.notes.get(call.method)
        if take is None or call.method not in self._notes_in:
            raise ProtocolViolation(f"a note {call.method!r} came, which nobody takes")
        take(read_as(call.arguments, self._notes_in[call.method], call.method))

    def _catch_up(self) -> None:
        """Take the frames that wait."""
        self._is_catching_up = True
        try:
            while self._late:
                self._take(self._late.popleft())
        except ProtocolViolation as error:
            self._late.clear()
            if self.transport is not None:
                self.transport.fail(error)
        finally:
            self._is_catching_up = bool(self._late)
            if self._late:  # there was no memory for one of them
                asyncio.get_running_loop().call_soon(self._catch_up)


def _refuse(frame: Frame) -> NoReturn:
    raise ProtocolViolation(f"a frame {frame.kind.name} came, which is not for this end")
