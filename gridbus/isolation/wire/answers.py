"""Calls that the other end makes, and what is made of them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import msgspec

from gridbus.errors import IsolationError, PluginStateError, ProtocolViolation, WireError
from gridbus.isolation.wire.failures import shortened, wire_failure
from gridbus.isolation.wire.frames import Frame, Kind
from gridbus.isolation.wire.streams import Outgoing
from gridbus.isolation.wire.transport import Call, Job, Table, read_as

MOST_CALLS = 1024
"""Calls of the other end that are worked on at a time, at most."""


class CallInfo(msgspec.Struct, frozen=True):
    """What a handler may know of a call besides its arguments."""

    id: int
    method: str


class Sender(Protocol):
    """Sends frames."""

    def send(self, kind: Kind, id: int, payload: Any) -> None:
        """Send one."""

    async def room(self) -> None:
        """Return when more may be sent."""


class _Answer:
    """One call that is worked on."""

    __slots__ = ("has_begun", "is_unwanted", "job", "outgoing")

    def __init__(self) -> None:
        self.job: Job | None = None
        self.outgoing: Outgoing | None = None
        self.has_begun = self.is_unwanted = False


class Answers:
    """Answers the calls of the other end: at once where a handler is a plain function, else in the background."""

    def __init__(
        self,
        sender: Sender,
        calls_in: Table,
        handlers: dict[str, Callable[..., Any]],
        start: Callable[[Callable[[], Awaitable[object]]], Job],
    ) -> None:
        self._sender, self._handlers, self._start = sender, handlers, start
        self._arguments = {name: types[0] for name, types in calls_in.items()}
        self._running: dict[int, _Answer] = {}

    def __len__(self) -> int:
        """Return how many calls are worked on."""
        return len(self._running)

    def called(self, frame: Frame) -> None:
        """Answer a call, or begin to.

        Raises:
            ProtocolViolation: there is no such method, its arguments are none of it, or there are too many calls.
        """
        call = read_as(frame.payload, Call, "a call")
        number, method = frame.id, call.method
        if method not in self._arguments:
            raise ProtocolViolation(f"{method!r} was called, and is no method")
        if number in self._running:
            raise ProtocolViolation(f"call {number} came while it was worked on")
        if len(self._running) >= MOST_CALLS:
            raise ProtocolViolation(f"more than {MOST_CALLS:,} calls came at a time")
        arguments = read_as(call.arguments, self._arguments[method], method)
        handler = self._handlers.get(method)
        info = CallInfo(number, method)
        try:
            if handler is None:
                raise PluginStateError(f"{method!r} was called before it can be answered")
            if inspect.iscoroutinefunction(handler):
                self._begin(number, lambda answer: self._reply_later(number, answer, handler(arguments, info)))
                return
            result = handler(arguments, info)
        except ProtocolViolation:
            raise
        except Exception as error:
            self._fail(number, error)
            return
        if isinstance(result, AsyncIterator):
            self._begin(number, lambda answer: self._reply_often(number, answer, result))
        elif inspect.isawaitable(result):
            self._begin(number, lambda answer: self._reply_later(number, answer, result))
        else:
            self._reply(number, result)

    def cancel(self, frame: Frame) -> None:
        """Note that nobody waits for a call any more."""
        answer = self._running.get(frame.id)
        if answer is None or answer.is_unwanted:
            return
        answer.is_unwanted = True
        if not answer.has_begun:
            del self._running[frame.id]
        if answer.job is not None:
            answer.job.cancel()

    def credit(self, frame: Frame) -> None:
        """Let a stream send more."""
        answer = self._running.get(frame.id)
        if answer is not None and answer.outgoing is not None:
            answer.outgoing.add(read_as(frame.payload, int, "credit"))

    def drop(self) -> None:
        """Cancel all that is worked on."""
        running, self._running = self._running, {}
        for answer in running.values():
            answer.is_unwanted = True
            if answer.job is not None:
                answer.job.cancel()

    # --- within --------------------------------------------------------------------------------------------------

    def _begin(self, number: int, make: Callable[[_Answer], Awaitable[object]]) -> None:
        answer = self._running[number] = _Answer()

        async def run() -> None:
            answer.has_begun = True
            try:
                if not answer.is_unwanted:
                    await make(answer)
            finally:
                if self._running.get(number) is answer:
                    del self._running[number]

        try:
            answer.job = self._start(run)
        except Exception as error:  # whoever runs jobs is closed
            del self._running[number]
            self._fail(number, error)

    async def _reply_later(self, number: int, answer: _Answer, result: Awaitable[Any]) -> None:
        try:
            reply = await result
        except (Exception, SystemExit) as error:
            if not answer.is_unwanted:
                self._fail(number, error)
        except asyncio.CancelledError:
            if self._was_cancelled(number, answer):
                raise
        else:
            if not answer.is_unwanted:
                self._reply(number, reply)

    async def _reply_often(self, number: int, answer: _Answer, items: AsyncIterator[Any]) -> None:
        outgoing = answer.outgoing = Outgoing()
        try:
            try:
                async for item in items:
                    await outgoing.take()
                    self._sender.send(Kind.ITEM, number, item)
                    await self._sender.room()
            finally:
                close = getattr(items, "aclose", None)
                if close is not None:
                    await close()
            if not answer.is_unwanted:
                self._sender.send(Kind.END, number, None)
        except (Exception, SystemExit) as error:
            if not answer.is_unwanted:
                self._fail(number, error)
        except asyncio.CancelledError:
            if self._was_cancelled(number, answer):
                raise

    def _was_cancelled(self, number: int, answer: _Answer) -> bool:
        """Tell whether the job itself was cancelled; where nobody asked for that, tell whoever waits."""
        task = asyncio.current_task()
        is_cancelled = task is None or task.cancelling() > 0
        if not answer.is_unwanted:
            why = "its work was cancelled before it was done" if is_cancelled else "it awaited what was cancelled"
            self._fail(number, IsolationError(why))
        return is_cancelled

    def _reply(self, number: int, reply: Any) -> None:
        try:
            self._sender.send(Kind.REPLY, number, reply)
        except Exception as error:  # too large, or no data
            self._fail(number, error)

    def _fail(self, number: int, error: BaseException) -> None:
        failure = wire_failure(error)
        try:
            self._sender.send(Kind.ERROR, number, failure)
        except (WireError, TypeError, ValueError):
            self._sender.send(Kind.ERROR, number, shortened(failure))
