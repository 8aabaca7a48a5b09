"""The channel part of the bus: serve, ask, tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from gridbus.bus.ask import Request, RequestMailbox, answering, refuse_circles, wants_stream
from gridbus.bus.cell import get_cell
from gridbus.bus.classify import classify_timed, name_of
from gridbus.bus.deadlines import Deadlines
from gridbus.bus.jobs import Job
from gridbus.bus.middleware import Middleware
from gridbus.bus.options import Options
from gridbus.bus.replies import answering_streams, is_stream_function, open_replies
from gridbus.bus.subscribing import Subscriber
from gridbus.bus.subscription import Subscription
from gridbus.channels.channel import Channel, Responder
from gridbus.channels.hub import Hub
from gridbus.clock import Clock

M = TypeVar("M")
R = TypeVar("R")


class Switchboard(Subscriber):
    """Connects those who ask with those who serve; ``Bus`` is this with a beginning and an end."""

    def __init__(self, bus_id: str, clock: Clock, hop_limit: int, middleware: tuple[Middleware, ...]) -> None:
        super().__init__(bus_id, clock, hop_limit, middleware)
        self._hub: Hub[RequestMailbox] = Hub()
        self._servers: dict[Subscription, None] = {}
        self._deadlines = Deadlines(clock)

    def served(self, name: str, to: str | None = None) -> Channel[Any, Any]:
        """Return a channel as it is served, for whoever knows its name only.

        Raises:
            NoServer, AmbiguousServer: as ``ask``.
        """
        return self._hub.channel(name, to)

    def check_server(self, channel: Channel[Any, Any], owner: str) -> None:
        """Refuse a server that could not take the place of its owner's present one.

        Raises:
            ChannelTypeError: another owner serves the channel with other types.
        """
        self._hub.check(channel, owner, is_live=False)

    def serve(
        self, channel: Channel[M, R], fn: Responder[M, R], *, owner: str = "app", live: bool = True, **options: Any
    ) -> Subscription:
        """Answer what is asked and told on a channel.

        Args:
            channel: what to serve.
            fn: gets each message and returns the reply, plain or async; an async generator serves ``ask_stream``.
            owner: by which name it is addressed.
            live: answer at once; otherwise from ``enter`` on, which raises what is raised here.
            options: ``capacity``, ``block_timeout``, ``concurrency``, ``timeout``: as ``on``.

        Raises:
            AlreadyServed: this owner serves the channel already.
            ChannelTypeError: another owner serves it with other types.
            SubscriptionError, BusClosed: as ``on``.
        """
        self._check_open()
        checked = Options(**options)
        is_stream = is_stream_function(fn)
        streams: dict[Job, None] = {}
        if is_stream:
            handler: Callable[[Any], Awaitable[object]] = answering_streams(
                fn, owner, lambda run: self.start_job(run, name=f"stream {channel.name}", owner=owner), streams
            )
        else:
            handler = answering(channel, classify_timed(fn, checked.timeout).call)
        mailbox = RequestMailbox(
            name_of(fn),
            owner,
            channel,
            checked,
            is_stream=is_stream,
            activity=self._activity,
            reporter=self._reporter,
        )

        def enter(subscription: Subscription) -> None:
            self._hub.add(channel, owner, mailbox)
            self._servers[subscription] = None

        def remove(subscription: Subscription) -> None:
            self._hub.remove(channel, owner, mailbox)
            self._servers.pop(subscription, None)
            for job in streams:
                job.cancel()

        self._hub.check(channel, owner, is_live=live)
        subscription = self._start(channel.name, mailbox, handler, checked, enter, remove)
        if live:
            subscription.enter()
        return subscription

    async def ask(
        self,
        channel: Channel[M, R],
        message: M,
        *,
        to: str | None = None,
        timeout: float | None = 5.0,
        source: str | None = None,
    ) -> R:
        """Send a message to the server of a channel and return its reply.

        Args:
            channel: what to ask on.
            message: what to ask; of the channel's message type.
            to: the id of the plugin to ask; needed where several serve the channel.
            timeout: seconds until the reply must be there; None waits for ever.
            source: who asks.

        Raises:
            NoServer, AmbiguousServer: there is not exactly one server to ask.
            ChannelTypeError: message or reply are not of the channel's types.
            RemoteError: the server's handler raised; the error carries its type name and traceback.
            AskTimeout, ServerGone: no reply came.
            ReentrancyError: the server waits, itself or by others, for whoever asks here.
            BusClosed, HopLimitExceeded: as ``publish``.
        """
        if not self._is_open:
            self._check_open()
        if not isinstance(message, channel.message_check):
            raise channel.wrong_message(message)
        mailbox = self._hub.find(channel, to)
        if mailbox.is_stream:
            raise wants_stream(mailbox)
        cell = trace = None
        if get_cell() is not None:
            cell, trace = refuse_circles(mailbox, f"asking {channel.name}"), self._trace()
        origin = self._origin if source is None else self._origin_of(source)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        request = Request(channel, message, origin, trace, future)
        putter = mailbox.put(request)
        waiting = None if timeout is None else self._deadlines.add(request, timeout)
        if cell is not None:
            cell.waiting_for = (mailbox,)
        try:
            return await future  # also while the request waits for room: it is in line behind the full mailbox
        except BaseException:
            if future.done() and not future.cancelled():
                future.exception()  # seen: an error that came as this task was cancelled is not an unhandled one
            raise
        finally:
            if waiting is not None:
                waiting.pop(request, None)
            if cell is not None:
                cell.waiting_for = ()
            if putter is not None:
                putter.withdraw()

    async def tell(
        self, channel: Channel[M, Any], message: M, *, to: str | None = None, source: str | None = None
    ) -> None:
        """Send a message to the server of a channel; return when its mailbox has taken it.

        What its handler raises is published as ``bus:handler_failed``.

        Raises:
            NoServer, AmbiguousServer, ChannelTypeError, BusClosed, HopLimitExceeded: as ``ask``.
            MailboxFull: the server would wait for itself.
        """
        self._check_open()
        if not isinstance(message, channel.message_check):
            raise channel.wrong_message(message)
        server = self._hub.find(channel, to)
        if server.is_stream:
            raise wants_stream(server)
        putter = server.put(Request(channel, message, self._origin_of(source), self._trace()))
        if putter is not None:
            await self._wait_for_room([putter])

    def ask_stream(
        self,
        channel: Channel[M, R],
        message: M,
        *,
        to: str | None = None,
        timeout: float | None = 5.0,
        source: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Ask for many replies: ``async with bus.ask_stream(TAIL, 10) as lines: async for line in lines``.

        The server runs a few replies ahead of the reader, no further. Leaving the block ends the server's generator.
        ``timeout`` is for each reply.

        Raises:
            ChannelError: as ``ask``; from the iterator what ended the stream early.
        """
        self._check_open()
        origin, trace = self._origin_of(source), self._trace()
        return open_replies(self._hub, channel, message, origin, trace, to=to, timeout=timeout)
