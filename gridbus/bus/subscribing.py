"""The subscribing part of the bus: handlers, interceptors, streams, jobs, and the workers behind them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, overload

from gridbus.bus.activity import Activity
from gridbus.bus.classify import classify, classify_timed, name_of
from gridbus.bus.delivery import Supervision, Worker
from gridbus.bus.host import TaskHost
from gridbus.bus.intercept import Draft, Interceptor
from gridbus.bus.jobs import Job, cell_of_cause
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.middleware import Middleware, wrapped
from gridbus.bus.options import Options, Overflow
from gridbus.bus.pace import Batch, Debounce, Throttle
from gridbus.bus.paced import PacedWorker
from gridbus.bus.publishing import Publisher
from gridbus.bus.relay import Carrier, RelayWorker, RemoteFailure
from gridbus.bus.routes import predicate, subject_name
from gridbus.bus.stream import EventStream
from gridbus.bus.subscription import Subscription
from gridbus.bus.wait import wait_for
from gridbus.bus.watchdog import Watchdog
from gridbus.clock import Clock
from gridbus.errors import SubscriptionError
from gridbus.events.event import Event, Trace
from gridbus.events.topic import Topic, check_pattern

T = TypeVar("T")


class Subscriber(Publisher):
    """Registers what events reach; on top of it come channels (``Switchboard``) and a life (``Bus``)."""

    def __init__(self, bus_id: str, clock: Clock, hop_limit: int, middleware: tuple[Middleware, ...]) -> None:
        super().__init__(bus_id, clock, hop_limit)
        self._middleware = middleware
        self._activity = Activity()
        self._watchdog = Watchdog(clock)
        self._jobs: dict[Job, None] = {}
        self._tasks = TaskHost()
        # One bound method of each for all.
        self._entering, self._forgetting, self._failing = self._enter, self._forget, self._reporter.handler_failed

    @overload
    def on(
        self, subject: Topic[T], handler: Callable[[list[Event[T]]], object], *, pace: Batch, **options: Any
    ) -> Subscription: ...
    @overload
    def on(
        self,
        subject: Topic[T],
        handler: Callable[[Event[T]], object],
        *,
        owner: str = ...,
        name: str | None = ...,
        middleware: Iterable[Middleware] = ...,
        capacity: int = ...,
        overflow: Overflow = ...,
        block_timeout: float = ...,
        key: Callable[[Event[T]], object] | None = ...,
        where: Callable[[Event[T]], object] | None = ...,
        concurrency: int = ...,
        timeout: float | None = ...,
        pace: Debounce | Throttle | None = ...,
    ) -> Subscription: ...
    @overload
    def on(self, subject: type[T], handler: Callable[[Event[T]], object], **options: Any) -> Subscription: ...
    @overload
    def on(self, subject: str, handler: Callable[[Any], object], **options: Any) -> Subscription: ...
    def on(
        self,
        subject: Any,
        handler: Callable[[Any], object],
        *,
        owner: str = "app",
        name: str | None = None,
        middleware: Iterable[Middleware] = (),
        where: Callable[[Event[Any]], object] | None = None,
        live: bool = True,
        **options: Any,
    ) -> Subscription:
        """Subscribe a handler to a topic, a pattern (``row:*``, ``*:create``, ``*``) or a payload type.

        Args:
            subject: what to hear.
            handler: called with each event, or with a list of them where ``pace`` is a ``Batch``.
            owner: whose it is, for reports and statistics.
            name: how reports call it; the handler's name by default.
            middleware: goes around the handler, the first one outermost.
            where: asked before an event is enqueued; what it refuses never reaches the mailbox.
            live: receive events at once; otherwise from ``enter`` on.
            options: ``capacity`` (events, 1024), ``overflow`` (``Overflow.BLOCK``), ``block_timeout`` (5.0 s), ``key``,
                ``concurrency`` (1), ``timeout`` (seconds a call may take, None), ``pace``: as ``Options`` says.

        Raises:
            TopicError: the pattern is none.
            SubscriptionError: handler or options cannot work.
            BusClosed: the bus is not open.
        """
        self._check_open()
        topic = subject_name(subject)
        call = classify_timed(handler, options.get("timeout"))
        checked = Options(where=predicate(subject, where), **options)
        mailbox = Mailbox(name or call.name, owner, topic, checked, activity=self._activity, reporter=self._reporter)
        around = wrapped(call.call, (*self._middleware, *middleware))
        subscription = self._start(subject, mailbox, around, checked, self._entering, self._forgetting)
        if live:
            subscription.enter()
        return subscription

    def report_task(self, name: str, owner: str, failure: RemoteFailure, trace: Trace | None) -> None:
        """Publish that a background task failed which runs elsewhere."""
        self._reporter.task_failed_elsewhere(name, owner, failure, trace)

    def expected_types(self, topic: str) -> tuple[Any, ...]:
        """Return the payload types that those who hear a topic declare, and at the end those heard by their type."""
        return self._routes.expected(topic)

    def relay(
        self,
        subject: Any,
        carrier: Carrier,
        *,
        owner: str,
        name: str,
        window: int = 256,
        live: bool = True,
        **options: Any,
    ) -> tuple[Subscription, RelayWorker]:
        """Subscribe a handler that runs elsewhere; return the subscription, and the worker to tell what came of events.

        Args:
            subject: what to hear, as ``on``.
            carrier: takes events to the handler.
            owner: whose it is.
            name: how reports call it.
            window: events that may be in flight at a time.
            live: as ``on``.
            options: ``capacity``, ``overflow``, ``block_timeout``: as ``on``; the others hold where the handler is.

        Raises:
            TopicError, SubscriptionError, BusClosed: as ``on``.
        """
        self._check_open()
        topic = subject_name(subject)
        checked = Options(where=predicate(subject, None), **options)
        mailbox = Mailbox(name, owner, topic, checked, activity=self._activity, reporter=self._reporter)
        supervision = Supervision(None, self._watchdog, self._failing)
        worker = RelayWorker(mailbox, supervision, carrier, self._reporter.failed_elsewhere, window=window)
        subscription = self._run_workers(subject, mailbox, (worker,), self._entering, self._forgetting)
        if live:
            subscription.enter()
        return subscription, worker

    def intercept(
        self,
        topic: str,
        fn: Callable[[Draft[Any]], object],
        *,
        priority: int = 0,
        owner: str = "app",
        timeout: float = 5.0,
        live: bool = True,
    ) -> Interceptor:
        """Let ``fn`` see each draft of a topic or pattern before it is published; lower priorities go first.

        ``fn``, plain or async, returns None to leave the draft, another payload to change it, or raises ``Veto``. It
        runs in the publisher's flow, at most ``timeout`` seconds if it is async. Unless ``live`` it is asked from its
        ``enter`` on.

        Raises:
            TopicError, SubscriptionError, BusClosed: as ``on``.
        """
        self._check_open()
        interceptor = Interceptor(
            check_pattern(topic),
            classify(fn),
            order=(priority, self._routes.next_order()),
            owner=owner,
            timeout=timeout,
            enter=self._routes.add_interceptor,
            remove=self._routes.remove_interceptor,
        )
        if live:
            interceptor.enter()
        return interceptor

    @overload
    def stream(self, subject: Topic[T], **options: Any) -> EventStream[T]: ...
    @overload
    def stream(self, subject: type[T], **options: Any) -> EventStream[T]: ...
    @overload
    def stream(self, subject: str, **options: Any) -> EventStream[Any]: ...
    def stream(
        self,
        subject: Any,
        *,
        owner: str = "app",
        where: Callable[[Event[Any]], object] | None = None,
        live: bool = True,
        **options: Any,
    ) -> EventStream[Any]:
        """Return events as an iterator: ``async with bus.stream("row:*") as events: async for event in events``.

        Options are ``capacity``, ``overflow``, ``block_timeout`` and ``key`` of ``on``. Events are collected from the
        entering of the block on, and not before ``enter`` unless ``live``.
        """
        self._check_open()
        topic = subject_name(subject)
        checked = Options(where=predicate(subject, where), **options)
        if checked.concurrency > 1 or checked.timeout is not None or checked.pace is not None:
            raise SubscriptionError("a stream has no handler: leave concurrency, timeout and pace to subscriptions")
        mailbox = Mailbox("stream", owner, topic, checked, activity=Activity(), reporter=self._reporter)
        return EventStream(
            topic,
            mailbox,
            is_live=live,
            order=self._routes.next_order(),
            add=lambda stream: self._routes.add(subject, stream),
            remove=lambda stream: self._routes.remove(subject, stream),
        )

    @overload
    async def wait_for(
        self, subject: Topic[T], where: Callable[[Event[T]], object] | None = ..., timeout: float | None = ...
    ) -> Event[T]: ...
    @overload
    async def wait_for(
        self, subject: type[T], where: Callable[[Event[T]], object] | None = ..., timeout: float | None = ...
    ) -> Event[T]: ...
    @overload
    async def wait_for(
        self, subject: str, where: Callable[[Event[Any]], object] | None = ..., timeout: float | None = ...
    ) -> Event[Any]: ...
    async def wait_for(
        self, subject: Any, where: Callable[[Event[Any]], object] | None = None, timeout: float | None = None
    ) -> Event[Any]:
        """Return the next event of a topic, pattern or payload type for which ``where`` holds.

        Raises:
            TimeoutError: none came within ``timeout`` seconds.
            Exception: what ``where`` raised.
        """
        self._check_open()
        name = subject_name(subject)
        return await wait_for(self._routes, self.clock, subject, predicate(subject, where), timeout, name)

    def start_job(
        self,
        fn: Callable[..., Awaitable[object]],
        *arguments: Any,
        name: str | None = None,
        owner: str = "app",
        on_end: Callable[[Job], None] | None = None,
    ) -> Job:
        """Run an async function in the background, until it ends or the bus closes.

        What fails is published as ``bus:task_failed``. Events that it publishes have the event in hand here as their
        cause.

        Raises:
            BusClosed: the bus is not open.
        """
        self._check_open()

        def ended(job: Job) -> None:
            self._jobs.pop(job, None)
            if on_end is not None:
                on_end(job)

        job = Job(name or name_of(fn), owner, ended)
        self._jobs[job] = None
        work = job.run(fn, arguments, cell_of_cause(), self._reporter)
        self._tasks.start(work, name=f"gridbus {owner}: {job.name}", owner=job)
        return job

    def _start(
        self,
        subject: str | type[Any],
        mailbox: Mailbox,
        handler: Callable[[Any], Awaitable[object]],
        options: Options,
        enter: Callable[[Subscription], None],
        remove: Callable[[Subscription], None],
    ) -> Subscription:
        """Make a subscription and start its workers."""
        supervision = Supervision(options.timeout, self._watchdog, self._failing)
        workers: tuple[Worker, ...]
        if options.pace is not None:
            workers = (PacedWorker(mailbox, handler, supervision, pace=options.pace, clock=self.clock),)
        else:
            workers = tuple(Worker(mailbox, handler, supervision) for _ in range(options.concurrency))
        return self._run_workers(subject, mailbox, workers, enter, remove)

    def _run_workers(
        self,
        subject: str | type[Any],
        mailbox: Mailbox,
        workers: tuple[Worker, ...],
        enter: Callable[[Subscription], None],
        remove: Callable[[Subscription], None],
    ) -> Subscription:
        order = self._routes.next_order()
        subscription = Subscription(subject, mailbox, workers, order=order, enter=enter, remove=remove)
        name = sys.intern(f"gridbus {mailbox.owner}: {mailbox.name}")  # handlers often share theirs
        for worker in workers:
            worker.subscription = subscription
            self._tasks.start(worker.run(), name=name, owner=worker)
        return subscription

    def _enter(self, subscription: Subscription) -> None:
        self._routes.add(subscription.subject, subscription)

    def _forget(self, subscription: Subscription) -> None:
        self._routes.remove(subscription.subject, subscription)
