"""Requests and replies: servers, and those who ask them."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gridbus.bus.cell import Cell, circle, current_cell
from gridbus.bus.mailbox import Mailbox, Putter
from gridbus.channels.channel import Channel
from gridbus.channels.hub import Hub
from gridbus.clock import Clock
from gridbus.errors import AskTimeout, ChannelError, ChannelTypeError, ReentrancyError, RemoteError, ServerGone
from gridbus.events.event import Event, Origin, Trace
from gridbus.events.topic import Topic

M = TypeVar("M")
R = TypeVar("R")


class Request:
    """A message on its way to a server, and the place of its reply."""

    __slots__ = ("channel", "future", "message", "origin", "trace")

    seq = 0  # requests are no events: they take no number of the bus

    def __init__(
        self,
        channel: Channel[Any, Any],
        message: object,
        origin: Origin,
        trace: Trace | None,
        future: asyncio.Future[Any] | None,
    ) -> None:
        self.channel, self.message, self.origin, self.trace, self.future = channel, message, origin, trace, future

    def trace_effects(self) -> Trace | None:
        """Return the trace of what the server publishes: whoever asked is the cause."""
        return self.trace

    def as_event(self, at_ns: int) -> Event[Any]:
        """Return an envelope for reports about this request; its ``seq`` of 0 says that it was never published."""
        return Event(Topic(self.channel.name), self.message, 0, at_ns, self.origin, self.trace)

    def reply(self, value: object) -> None:
        """Hand over the reply, unless nobody waits for it any more."""
        if self.future is not None and not self.future.done():
            self.future.set_result(value)

    def fail(self, error: Exception) -> None:
        """Hand over an error instead of a reply."""
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)


class RequestMailbox(Mailbox):
    """A mailbox of requests: whoever asks is told when theirs is lost."""

    __slots__ = ()

    def forget(self, event: Any) -> None:
        """Tell the asker that no reply will come."""
        event.fail(ServerGone(f"{self.owner!r} stopped serving {event.channel.name} before it replied"))


class Server:
    """What the hub knows of one server."""

    __slots__ = ("channel", "is_stream", "mailbox", "owner")

    def __init__(self, channel: Channel[Any, Any], owner: str, mailbox: Mailbox, *, is_stream: bool) -> None:
        self.channel, self.owner, self.mailbox, self.is_stream = channel, owner, mailbox, is_stream


def answering(channel: Channel[M, R], fn: Callable[[M], Awaitable[R]]) -> Callable[[Request], Awaitable[None]]:
    """Return the handler that a server's worker runs for each request."""

    async def answer(request: Request) -> None:
        if request.future is not None and request.future.done():
            return  # timed out or cancelled while it waited in line
        reply = await fn(request.message)  # type: ignore[arg-type]
        if request.future is not None:
            channel.check_reply(reply)
            request.reply(reply)

    return answer


def remote_error(request: Request, server: str, error: BaseException) -> ChannelError:
    """Return what the asker gets for an error of the server's handler."""
    if isinstance(error, ChannelTypeError):
        return error
    text = "".join(traceback.format_exception(error))
    return RemoteError(request.channel.name, server, type(error).__qualname__, str(error), text)


class Asker:
    """Sends requests to the servers that a hub knows, and waits for their replies."""

    __slots__ = ("_clock", "_hub", "_loop")

    def __init__(self, hub: Hub[Server], clock: Clock) -> None:
        self._hub, self._clock = hub, clock

    async def ask(
        self,
        channel: Channel[M, R],
        message: M,
        origin: Origin,
        trace: Trace | None,
        *,
        to: str | None,
        timeout: float | None,
    ) -> R:
        """Return the reply; see ``Bus.ask``."""
        channel.check_message(message)
        server = self._hub.find(channel, to)
        if server.is_stream:
            raise ChannelError(f"{server.owner!r} streams on {channel.name}: use ask_stream")
        mailbox = server.mailbox
        cell = refuse_circles(mailbox, f"asking {channel.name}")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        request = Request(channel, message, origin, trace, future)
        putter = mailbox.offer(request)
        timer = None
        if timeout is not None:

            def expire() -> None:
                request.fail(AskTimeout(f"{server.owner!r} did not reply on {channel.name} within {timeout:g} s"))

            timer = self._clock.call_later(timeout, expire)
        if cell is not None:
            cell.waiting_for = (mailbox,)
        try:
            return await future  # also while the request waits for room: it is in line behind the full mailbox
        except BaseException:
            if future.done() and not future.cancelled():
                future.exception()  # seen: an error that came as this task was cancelled is not an unhandled one
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if cell is not None:
                cell.waiting_for = ()
            if putter is not None:
                putter.withdraw()

    def tell(
        self, channel: Channel[M, Any], message: M, origin: Origin, trace: Trace | None, *, to: str | None
    ) -> Putter | None:
        """Hand a message to the server; return what has to be waited for if its mailbox is full."""
        channel.check_message(message)
        server = self._hub.find(channel, to)
        if server.is_stream:
            raise ChannelError(f"{server.owner!r} streams on {channel.name}: use ask_stream")
        return server.mailbox.offer(Request(channel, message, origin, trace, None))


def refuse_circles(mailbox: Mailbox, what: str) -> Cell | None:
    """Return the current cell, if there is one.

    Raises:
        ReentrancyError: waiting for ``mailbox`` from here would wait for oneself.
    """
    cell = current_cell()
    path = circle(cell, mailbox)
    if path is not None:
        raise ReentrancyError(what, path)
    return cell
