"""The thread that owns a store's SQLite connection and commits waiting calls together."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from gridbus.errors import StorageError

if TYPE_CHECKING:
    import sqlite3

MAX_BATCH = 256  #: calls in one transaction: what bounds the wait of the first


@attrs.define(eq=False)
class Job:
    """One call that waits for the thread, and the future of whoever awaits it."""

    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    writes: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs calls on one connection, in the order in which they came.

    Calls that arrive while the thread is busy are taken together: one transaction, one commit. None of them is
    answered before the commit. If one of several fails inside SQLite, the transaction is undone and each runs in one
    of its own, so that a failure harms nobody else. The thread holds no reference to the storage object.
    """

    def __init__(self, path: str, *, durable: bool, busy_timeout: float) -> None:
        self.path, self.durable, self.busy_timeout = path, durable, busy_timeout
        self._condition = threading.Condition()
        self._waiting: list[Job] = []
        self._closers: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._thread: threading.Thread | None = None
        self._closing = False
        self._ended = False
        self._connection: sqlite3.Connection | None = None

    # --- called on event loops -----------------------------------------------------------------------------------

    async def run(self, call: Callable[..., Any], *arguments: Any, writes: bool = False) -> Any:
        """Run ``call(connection, *arguments)`` in the thread and return what it returns.

        Cancelled before the thread took it, the call is taken back; so no more calls wait than there are callers.

        Raises:
            StorageError: the store is closed, or the file cannot be used.
        """
        loop = asyncio.get_running_loop()
        job = Job(call, arguments, writes, loop, loop.create_future())
        with self._condition:
            if self._closing:
                raise StorageError(f"storage {self.path} is closed")
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="gridbus-storage", daemon=True)
                thread.start()  # it waits for the lock held here
                self._thread = thread
            self._waiting.append(job)
            self._condition.notify()
        try:
            return await job.future
        except asyncio.CancelledError:
            with self._condition:
                if job in self._waiting:
                    self._waiting.remove(job)
            raise

    async def aclose(self) -> None:
        """Take no more calls, finish those that wait, and return when the file is closed."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._condition:
            self._closing = True
            if self._thread is None or self._ended:
                return
            self._closers.append((loop, done))
            self._condition.notify()
        await done

    def abandon(self) -> None:
        """Close without waiting; calls that wait are still made."""
        with self._condition:
            self._closing = True
            self._condition.notify()

    @property
    def is_open(self) -> bool:
        """Whether a thread holds the file, or is about to."""
        return self._thread is not None and not self._closing

    # --- called in the thread ------------------------------------------------------------------------------------

    def _work(self) -> None:
        batch: list[Job] = []
        try:
            while batch := self._next_batch():
                self._execute(batch)
                _answer(batch)
                batch.clear()  # else the last values would be kept alive until the next call
        finally:
            with self._condition:
                self._closing = self._ended = True
                unanswered, self._waiting = batch + self._waiting, []
                closers, self._closers = self._closers, []
            for job in unanswered:  # there are some only if something unforeseen ends the thread
                job.error = StorageError(f"storage {self.path} is closed: its thread ended")
            _answer(unanswered)
            self._disconnect()
            for loop, done in closers:
                _call(loop, _settle, done, None, None)

    def _next_batch(self) -> list[Job]:
        """Wait for calls; none means that the store closes."""
        with self._condition:
            while not self._waiting and not self._closing:
                self._condition.wait()
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            return batch

    def _execute(self, batch: list[Job]) -> None:
        """Run calls together, or one by one where SQLite fails on them together."""
        from gridbus.storage._database import connect, explain, is_busy

        opened = False
        try:
            if self._connection is None:
                self._connection = connect(self.path, durable=self.durable, busy_timeout=self.busy_timeout)
            opened = True
            _transact(self._connection, batch)
        except Exception as error:
            self._disconnect()  # whatever state it is in; the next call opens the file anew
            if opened and len(batch) > 1 and not is_busy(error):
                for job in batch:
                    self._execute([job])
                return
            for job in batch:
                job.error = explain(error, self.path)
                job.error.__cause__ = error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _transact(connection: sqlite3.Connection, batch: list[Job]) -> None:
    """Run calls in one transaction, which keeps other processes from writing if one of the calls writes.

    What a call refuses (a quota) is its own error and undoes nothing; it refuses before it writes.
    """
    writes = any(job.writes for job in batch)
    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    try:
        for job in batch:
            job.result = job.error = None
            try:
                job.result = job.call(connection, *job.arguments)
            except StorageError as error:
                job.error = error
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _answer(batch: list[Job]) -> None:
    """Hand results to those who wait, with one wake-up per event loop."""
    for loop in {job.loop for job in batch}:
        _call(loop, _settle_all, [(job.future, job.result, job.error) for job in batch if job.loop is loop])


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and with it whoever waited
        loop.call_soon_threadsafe(callback, *arguments)


def _settle_all(answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, error in answers:
        _settle(future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
