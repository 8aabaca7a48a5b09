"""Requests and replies: servers, and those who ask them."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import msgspec

from gridbus.bus.activity import Activity
from gridbus.bus.cell import Cell, circle, current_cell
from gridbus.bus.mailbox import Mailbox, MailboxReporter
from gridbus.bus.options import Options
from gridbus.channels.channel import Channel
from gridbus.errors import AskTimeout, ChannelError, ChannelTypeError, ReentrancyError, RemoteError, ServerGone
from gridbus.events.event import Event, Origin, Trace
from gridbus.events.topic import Topic

M = TypeVar("M")
R = TypeVar("R")


class Request(msgspec.Struct, eq=False):
    """A message on its way to a server, and the place of its reply; a C struct, since there is one for each ask."""

    channel: Channel[Any, Any]
    message: Any
    origin: Origin
    trace: Trace | None
    future: Any = None  #: the asker's asyncio.Future; None for what is told
    seq: ClassVar[int] = 0  #: requests are no events: they take no number of the bus

    def trace_effects(self) -> Trace | None:
        """Return the trace of what the server publishes: whoever asked is the cause."""
        return self.trace

    def as_event(self, at_ns: int) -> Event[Any]:
        """Return an envelope for reports about this request; its ``seq`` of 0 says that it was never published."""
        return Event(Topic(self.channel.name), self.message, 0, at_ns, self.origin, self.trace)

    def fail(self, error: Exception) -> None:
        """Hand over an error instead of a reply."""
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)

    def expire(self, timeout: float) -> None:
        """Tell the asker that its time is over."""
        self.fail(AskTimeout(f"{self.channel.name} was not answered within {timeout:g} s"))


class RequestMailbox(Mailbox):
    """A mailbox of requests, which is what the hub knows of a server; whoever asks is told when theirs is lost."""

    __slots__ = ("channel", "is_stream")

    def __init__(
        self,
        name: str,
        owner: str,
        channel: Channel[Any, Any],
        options: Options,
        *,
        is_stream: bool,
        activity: Activity,
        reporter: MailboxReporter,
    ) -> None:
        super().__init__(name, owner, channel.name, options, activity=activity, reporter=reporter)
        self.channel, self.is_stream = channel, is_stream

    def take_over(self, other: Mailbox) -> int:
        """Take the requests that wait in another mailbox, if they can be answered here: those of the same types."""
        is_alike = isinstance(other, RequestMailbox) and (other.channel, other.is_stream) == (
            self.channel,
            self.is_stream,
        )
        return super().take_over(other) if is_alike else 0

    def forget(self, event: Any) -> None:
        """Tell the asker that no reply will come."""
        event.fail(ServerGone(f"{self.owner!r} stopped serving {event.channel.name} before it replied"))


def answering(channel: Channel[M, R], fn: Callable[[M], Awaitable[R]]) -> Callable[[Request], Awaitable[None]]:
    """Return the handler that a server's worker runs for each request."""

    async def answer(request: Request) -> None:
        future = request.future
        if future is None:
            await fn(request.message)
        elif not future.done():  # it timed out or was cancelled while it waited in line
            reply = await fn(request.message)
            if not isinstance(reply, channel.reply_check):
                raise channel.wrong_reply(reply)
            if not future.done():
                future.set_result(reply)

    return answer


def remote_error(request: Request, server: str, error: BaseException) -> ChannelError:
    """Return what the asker gets for an error of the server's handler."""
    if isinstance(error, ChannelTypeError | ServerGone):
        return error
    if isinstance(error, RemoteError) and (error.channel, error.server) == (request.channel.name, server):
        return error  # the handler runs elsewhere, and this is what was heard from there
    text = "".join(traceback.format_exception(error))
    return RemoteError(request.channel.name, server, type(error).__qualname__, str(error), text)


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


def wants_stream(server: RequestMailbox) -> ChannelError:
    """Return the error for asking a server that streams."""
    return ChannelError(f"{server.owner!r} streams on {server.channel.name}: use ask_stream")
