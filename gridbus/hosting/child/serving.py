"""Servers in a plugin's process: requests come in, and replies go out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from gridbus.bus import Job, Subscription
from gridbus.bus.classify import classify_timed, name_of
from gridbus.bus.options import Options
from gridbus.bus.replies import answering_streams, is_stream_function
from gridbus.channels import Channel
from gridbus.errors import AlreadyServed, ServerGone
from gridbus.events import Origin
from gridbus.hosting.child.causes import ServedRequest, ServedStream
from gridbus.hosting.protocol import Serve, Subscribe, type_name
from gridbus.hosting.traces import bus_trace
from gridbus.isolation.wire import pack, unpack

if TYPE_CHECKING:
    from gridbus.hosting.child.ports import Ports

_AHEAD = 16  # replies that a server may be ahead of what has gone out


@attrs.frozen(eq=False)
class _Server:
    """One of them."""

    channel: Channel[Any, Any]
    owner: str
    is_stream: bool
    subscription: Subscription


class Servers:
    """The servers of a process, by the numbers that the application knows them by."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._open: dict[int, _Server] = {}

    def open(
        self, number: int, channel: Channel[Any, Any], fn: Callable[[Any], Any], owner: str, options: Options
    ) -> Subscription:
        """Begin to serve; as ``Bus.serve``.

        Raises:
            AlreadyServed: this owner serves the channel already.
            SubscriptionError: as ``Bus.serve``.
        """
        is_stream = is_stream_function(fn)
        streams: dict[Job, None] = {}
        handler: Callable[[Any], Awaitable[object]]
        if is_stream:
            handler = answering_streams(
                fn,
                owner,
                lambda run: self._ports.start_job(run, name=f"stream {channel.name}", owner=owner),
                streams,
            )
        else:
            handler = _answering(channel, classify_timed(fn, options.timeout).call)
        if any(server.channel.name == channel.name and server.owner == owner for server in self._open.values()):
            raise AlreadyServed(f"{owner!r} serves {channel.name} already; close that server first")
        name = name_of(fn)
        mailbox = self._ports.request_mailbox(name, owner, channel, options, is_stream=is_stream)

        def remove(subscription: Subscription) -> None:
            if self._open.pop(number, None) is None:
                return
            self._ports.number_of(mailbox, None)
            for job in streams:
                job.cancel()
            self._ports.unsubscribe(number)

        subscription = self._ports.start(channel.name, mailbox, handler, options, remove)
        self._open[number] = _Server(channel, owner, is_stream, subscription)
        self._ports.number_of(mailbox, number)
        try:
            self._ports.announce(
                Subscribe(
                    number,
                    "serve",
                    channel.name,
                    name,
                    payload=type_name(channel.message_type),
                    reply=type_name(channel.reply_type),
                    is_stream=is_stream,
                    capacity=options.capacity,
                    block_timeout=options.block_timeout,
                    concurrency=options.concurrency,
                    timeout=options.timeout,
                )
            )
        except BaseException:
            del self._open[number]
            self._ports.number_of(mailbox, None)
            subscription.close()
            raise
        return subscription

    def answer(self, wanted: Serve) -> Awaitable[bytes | None] | AsyncIterator[bytes]:
        """Return what answers a request: something to await, or the replies of a stream.

        Raises:
            ServerGone: the server was closed.
            PackingError: the message is not of the channel's type.
        """
        server = self._open.get(wanted.number)
        if server is None:
            raise ServerGone(f"server {wanted.number} of this process was closed")
        return self._stream(server, wanted) if server.is_stream else self._reply(server, wanted)

    async def _reply(self, server: _Server, wanted: Serve) -> bytes | None:
        channel = server.channel
        message = unpack(wanted.message, channel.message_type)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        request = ServedRequest(
            channel,
            message,
            Origin(wanted.bus, wanted.source),
            bus_trace(wanted.trace),
            future,
            wanted.request,
            wanted.is_told,
        )
        server.subscription.mailbox.put(request)
        try:
            reply = await future
        except asyncio.CancelledError:
            _interrupt(server.subscription, request)
            raise
        return None if wanted.is_told else pack(reply)

    async def _stream(self, server: _Server, wanted: Serve) -> AsyncIterator[bytes]:
        channel = server.channel
        message = unpack(wanted.message, channel.message_type)
        send, receive = anyio.create_memory_object_stream[Any](_AHEAD)
        request = ServedStream(
            channel,
            message,
            Origin(wanted.bus, wanted.source),
            bus_trace(wanted.trace),
            replies=send,
            number=wanted.request,
        )
        with receive, send:
            server.subscription.mailbox.put(request)
            async with aclosing(_received(receive)) as replies:
                async for reply in replies:
                    yield pack(reply)
            if request.error is not None:
                raise request.error
            if not request.is_complete:
                raise ServerGone(f"{server.owner!r} stopped serving {channel.name} in the middle of a stream")


def _answering(
    channel: Channel[Any, Any], fn: Callable[[Any], Awaitable[Any]]
) -> Callable[[ServedRequest], Awaitable[None]]:
    async def answer(request: ServedRequest) -> None:
        future = request.future
        if future.done():  # whoever asked went while it waited in line
            return
        reply = await fn(request.message)
        if not request.is_told and not isinstance(reply, channel.reply_check):
            raise channel.wrong_reply(reply)
        if not future.done():
            future.set_result(reply)

    return answer


async def _received(receive: Any) -> AsyncGenerator[Any, None]:
    while True:
        try:
            reply = await receive.receive()
        except anyio.EndOfStream:
            return
        yield reply


def _interrupt(subscription: Subscription, request: ServedRequest) -> None:
    """Cancel the handler that works on a request, if one does; its worker goes on with the next."""
    for worker in subscription.workers:
        task = worker.cell.task
        if worker.cell.event is request and task is not None:
            task.cancel("whoever asked has gone")
            task.uncancel()  # it is the handler that is to end, not the worker
