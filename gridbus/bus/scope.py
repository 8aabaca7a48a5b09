"""Scopes: what one owner made on a bus, and its end."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, overload

import anyio
import attrs

from gridbus.bus.ask import RequestMailbox
from gridbus.bus.intercept import Draft, Interceptor
from gridbus.bus.jobs import Job, every
from gridbus.bus.relay import Carrier, RelayWorker
from gridbus.bus.stream import EventStream
from gridbus.bus.subscription import Subscription
from gridbus.bus.switchboard import Switchboard
from gridbus.channels.channel import Channel, Responder
from gridbus.errors import AlreadyServed, BusClosed
from gridbus.events.event import Event
from gridbus.events.topic import Topic

T = TypeVar("T")
M = TypeVar("M")
R = TypeVar("R")

logger = logging.getLogger("gridbus.bus")

_PATIENCE = 1.0  # seconds that a cancelled handler is given to end


@attrs.frozen
class ScopeReport:
    """How a scope ended."""

    cancelled: int  #: events dropped, handlers and tasks cancelled after the grace
    errors: tuple[Exception, ...]  #: what clean-ups raised

    @property
    def is_clean(self) -> bool:
        """Tell whether everything ended by itself."""
        return not self.cancelled and not self.errors


class Scope:
    """Owns each subscription, interceptor, server, task, timer and clean-up that was made through it.

    It has the verbs of the bus. What it publishes carries its owner as source; closing it leaves nothing behind.

    What is subscribed, served and intercepted through one that is not live yet is made, and hears nothing before
    ``go_live``.
    """

    def __init__(self, bus: Switchboard, owner: str, *, live: bool = True) -> None:
        self.bus, self.owner = bus, owner
        self._how: dict[str, Any] = {} if live else {"live": False}  #: what is made, for the bus
        self._subscriptions: dict[Subscription, None] = {}
        self._leaving: tuple[Subscription, ...] = ()  #: take nothing more; their last handlers may still run
        self._interceptors: dict[Interceptor, None] = {}
        self._jobs: dict[Job, None] = {}
        self._streams: dict[EventStream[Any], None] = {}
        self._cleanups: list[Callable[[], Any]] = []
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Tell whether it takes nothing more."""
        return self._closed

    @property
    def is_live(self) -> bool:
        """Tell whether what is made hears at once."""
        return not self._how

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The open subscriptions and servers."""
        self._subscriptions = {kept: None for kept in self._subscriptions if not kept.is_closed}
        return tuple(self._subscriptions)

    @property
    def servers(self) -> tuple[RequestMailbox, ...]:
        """The mailboxes of those of the subscriptions that answer on channels."""
        return tuple(kept.mailbox for kept in self.subscriptions if isinstance(kept.mailbox, RequestMailbox))

    @property
    def interceptors(self) -> tuple[Interceptor, ...]:
        """The open interceptors."""
        self._interceptors = {kept: None for kept in self._interceptors if not kept.is_closed}
        return tuple(self._interceptors)

    @property
    def streams(self) -> tuple[EventStream[Any], ...]:
        """The streams that collect events, or will when their block is entered."""
        self._streams = {kept: None for kept in self._streams if not kept.is_closed}
        return tuple(self._streams)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The tasks that run."""
        return tuple(self._jobs)

    @overload
    def on(self, subject: Topic[T], handler: Callable[[Event[T]], object], **options: Any) -> Subscription: ...
    @overload
    def on(self, subject: type[T], handler: Callable[[Event[T]], object], **options: Any) -> Subscription: ...
    @overload
    def on(self, subject: str, handler: Callable[[Any], object], **options: Any) -> Subscription: ...
    def on(self, subject: Any, handler: Callable[[Any], object], **options: Any) -> Subscription:
        """Subscribe; options as ``Bus.on``."""
        self._check_open()
        subscription = self.bus.on(subject, handler, owner=self.owner, **self._how, **options)
        self._subscriptions[subscription] = None
        return subscription

    def relay(self, subject: Any, carrier: Carrier, **options: Any) -> tuple[Subscription, RelayWorker]:
        """Subscribe a handler that runs elsewhere; as ``Bus.relay``."""
        self._check_open()
        subscription, worker = self.bus.relay(subject, carrier, owner=self.owner, **self._how, **options)
        self._subscriptions[subscription] = None
        return subscription, worker

    def intercept(
        self, topic: str, fn: Callable[[Draft[Any]], object], *, priority: int = 0, timeout: float = 5.0
    ) -> Interceptor:
        """Intercept; as ``Bus.intercept``."""
        self._check_open()
        interceptor = self.bus.intercept(topic, fn, priority=priority, timeout=timeout, owner=self.owner, **self._how)
        self._interceptors[interceptor] = None
        return interceptor

    def serve(self, channel: Channel[M, R], fn: Responder[M, R], **options: Any) -> Subscription:
        """Serve a channel; options as ``Bus.serve``."""
        self._check_open()
        if self._how and any(served.topic == channel.name for served in self.servers):
            raise AlreadyServed(f"{self.owner!r} serves {channel.name} already; close that server first")
        server = self.bus.serve(channel, fn, owner=self.owner, **self._how, **options)
        self._subscriptions[server] = None
        return server

    def stream(self, subject: Any, **options: Any) -> EventStream[Any]:
        """Stream; as ``Bus.stream``."""
        self._check_open()
        stream: EventStream[Any] = self.bus.stream(subject, owner=self.owner, **self._how, **options)
        self._streams[stream] = None
        return stream

    async def publish(self, topic: Topic[T], payload: T) -> Event[T]:
        """Publish; as ``Bus.publish``."""
        return await self.bus.publish(topic, payload, source=self.owner)

    def publish_nowait(self, topic: Topic[T], payload: T) -> Event[T]:
        """Publish without waiting; as ``Bus.publish_nowait``."""
        return self.bus.publish_nowait(topic, payload, source=self.owner)

    async def ask(self, channel: Channel[M, R], message: M, *, to: str | None = None, timeout: float | None = 5.0) -> R:
        """Ask; as ``Bus.ask``."""
        return await self.bus.ask(channel, message, to=to, timeout=timeout, source=self.owner)

    async def tell(self, channel: Channel[M, Any], message: M, *, to: str | None = None) -> None:
        """Tell; as ``Bus.tell``."""
        await self.bus.tell(channel, message, to=to, source=self.owner)

    def ask_stream(
        self, channel: Channel[M, R], message: M, *, to: str | None = None, timeout: float | None = 5.0
    ) -> AbstractAsyncContextManager[AsyncIterator[R]]:
        """Ask for a stream of replies; as ``Bus.ask_stream``."""
        return self.bus.ask_stream(channel, message, to=to, timeout=timeout, source=self.owner)

    def start_soon(self, fn: Callable[..., Awaitable[object]], *arguments: Any, name: str | None = None) -> Job:
        """Run an async function in the background; what it publishes has the event in hand here as its cause."""
        self._check_open()
        job = self.bus.start_job(fn, *arguments, name=name, owner=self.owner, on_end=self._forget_job)
        self._jobs[job] = None
        return job

    def every(self, seconds: float, fn: Callable[[], Awaitable[object]], *, name: str | None = None) -> Job:
        """Call an async function again and again, ``seconds`` after it last returned; a failing call ends it."""
        return self.start_soon(every(seconds, fn, self.bus.clock.sleep), name=name or f"every {seconds:g} s")

    def add_cleanup(self, fn: Callable[[], Any]) -> None:
        """Call ``fn``, plain or async, when the scope closes; the last added is called first."""
        self._check_open()
        self._cleanups.append(fn)

    def leave(self, subscriptions: Iterable[Subscription]) -> None:
        """Let subscriptions receive nothing more; what they have in hand ends as the scope closes."""
        self._leaving = tuple(subscriptions)
        for subscription in self._leaving:
            subscription.leave()

    def go_live(self) -> None:
        """Let all that was made hear from now on, and what is made later at once."""
        self._how = {}
        for interceptor in self.interceptors:
            interceptor.enter()
        for subscription in self.subscriptions:
            subscription.enter()
        for stream in self.streams:
            stream.enter()

    async def aclose(self, *, grace: float = 5.0) -> ScopeReport:
        """Close everything: handle what waits, cancel tasks, run the clean-ups; return when all has ended.

        Each step is done whatever the others raise; what is not done after ``grace`` seconds is cancelled and counted.
        """
        self._closed = True
        errors: list[Exception] = []
        try:
            cancelled = await self.hush(grace=grace)
        finally:
            jobs = self.jobs
            for job in jobs:
                job.cancel()
            with anyio.CancelScope(shield=True):  # cancelled or not, what the owner made has to end
                with anyio.move_on_after(grace):
                    for job in jobs:
                        await job.wait()
                errors = [error for fn in reversed(self._cleanups) if (error := await self._clean(fn, grace))]
            self._cleanups.clear()
        return ScopeReport(cancelled + sum(not job.is_done for job in jobs), tuple(errors))

    async def hush(self, *, grace: float = 5.0) -> int:
        """Hear nothing more: close interceptors, streams and subscriptions, and handle what waits.

        Tasks and clean-ups stay, and publishing goes on. Returns how many events were dropped and handlers cancelled
        after ``grace`` seconds.
        """
        for interceptor in self._interceptors:
            interceptor.close()
        for stream in self._streams:
            stream.close(drop=True)
        subscriptions = (*self.subscriptions, *self._leaving)
        self._interceptors.clear()
        self._streams.clear()
        self._subscriptions.clear()
        self._leaving = ()
        ends = [0] * len(subscriptions)

        async def end(index: int, subscription: Subscription) -> None:
            ends[index] = await subscription.aclose(grace=grace)
            await subscription.aclose(grace=max(grace, _PATIENCE))  # what was cancelled has to have ended
            subscription.give_way()

        try:
            async with anyio.create_task_group() as group:
                for index, subscription in enumerate(subscriptions):
                    group.start_soon(end, index, subscription)
        except BaseException:  # a task that was cancelled before its first step has closed nothing
            for subscription in subscriptions:
                subscription.cancel()
            raise
        return sum(ends)

    async def _clean(self, fn: Callable[[], Any], grace: float) -> Exception | None:
        try:
            with anyio.fail_after(grace):
                result = fn()
                if inspect.isawaitable(result):
                    await result
        except (Exception, SystemExit) as error:  # a plugin's exit must not keep the rest from being closed
            # As text: a log record that held the error would hold what the clean-up's frames hold.
            logger.error("a clean-up of %r failed\n%s", self.owner, traceback.format_exc())
            return error if isinstance(error, Exception) else RuntimeError(f"it called exit: {error}")
        return None

    def _forget_job(self, job: Job) -> None:
        self._jobs.pop(job, None)

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosed(f"the scope of {self.owner!r} is closed")
