"""Streams of replies: an async generator serves, an async iterator reads."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import anyio

from gridbus.bus.ask import Request, RequestMailbox, remote_error
from gridbus.bus.jobs import Job
from gridbus.channels.channel import Channel
from gridbus.channels.hub import Hub
from gridbus.errors import AskTimeout, ChannelError, ServerGone
from gridbus.events.event import Origin, Trace

M = TypeVar("M")
R = TypeVar("R")

_AHEAD = 16  # replies that a server may be ahead of the reader


class StreamRequest(Request, eq=False):
    """A request that is answered by many replies."""

    replies: Any = None  #: where the server sends them
    error: Exception | None = None
    is_complete: bool = False

    def fail(self, error: Exception) -> None:
        """End the stream with an error."""
        self.error = error
        self.replies.close()


def is_stream_function(fn: Callable[..., Any]) -> bool:
    """Tell whether a server replies with a stream."""
    return inspect.isasyncgenfunction(fn)


def answering_streams(
    fn: Callable[[Any], Any], owner: str, start: Callable[[Callable[[], Awaitable[object]]], Job], jobs: dict[Job, None]
) -> Callable[[StreamRequest], Awaitable[None]]:
    """Return the handler of a stream server: it starts each stream as a job, so that streams run side by side."""

    async def pump(request: StreamRequest) -> None:
        with request.replies:
            try:
                async with aclosing(fn(request.message)) as replies:
                    async for reply in replies:
                        if not isinstance(reply, request.channel.reply_check):
                            raise request.channel.wrong_reply(reply)
                        await request.replies.send(reply)
                request.is_complete = True
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # the reader left; closing the generator is all there is to do
            except (Exception, SystemExit) as error:
                request.error = remote_error(request, owner, error)

    async def answer(request: StreamRequest) -> None:
        async def run() -> None:
            await pump(request)

        jobs[start(run)] = None
        for ended in [job for job in jobs if job.is_done]:
            del jobs[ended]

    return answer


@asynccontextmanager
async def open_replies(
    hub: Hub[RequestMailbox],
    channel: Channel[M, R],
    message: M,
    origin: Origin,
    trace: Trace | None,
    *,
    to: str | None,
    timeout: float | None,
) -> AsyncIterator[AsyncIterator[R]]:
    """Ask a stream server; see ``Bus.ask_stream``."""
    if not isinstance(message, channel.message_check):
        raise channel.wrong_message(message)
    server = hub.find(channel, to)
    if not server.is_stream:
        raise ChannelError(f"{server.owner!r} replies once on {channel.name}: use ask")
    send, receive = anyio.create_memory_object_stream[R](_AHEAD)
    request = StreamRequest(channel, message, origin, trace, replies=send)

    async def read() -> AsyncGenerator[R, None]:
        while True:
            try:
                with anyio.fail_after(timeout):
                    reply = await receive.receive()
            except anyio.EndOfStream:
                break
            except TimeoutError:
                raise AskTimeout(f"{server.owner!r} sent nothing on {channel.name} for {timeout:g} s") from None
            yield reply
        if request.error is not None:
            raise request.error
        if not request.is_complete:
            raise ServerGone(f"{server.owner!r} stopped serving {channel.name} in the middle of a stream")

    with receive, send:
        putter = server.put(request)
        try:
            async with aclosing(read()) as replies:
                yield replies
        finally:
            if putter is not None:
                putter.withdraw()
