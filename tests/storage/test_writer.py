"""The thread behind the SQLite store: batches, failures among them, cancelling and closing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gridbus.contracts import PluginStorage
from gridbus.errors import QuotaExceeded, StorageError
from gridbus.storage import SQLiteStorage

QUOTA = 1_000_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStorage]:
    """A store whose file exists already."""
    async with SQLiteStorage(tmp_path / "storage.db") as store:
        await store.usage("greeter")
        yield store


@pytest.fixture
def storage(store: SQLiteStorage) -> PluginStorage:
    """The store of one owner."""
    return store.namespace("greeter", quota=QUOTA)


class Hold:
    """Keeps the store's thread busy until it is released, so that calls wait together."""

    def __init__(self, store: SQLiteStorage) -> None:
        self.store, self.entered, self.released = store, threading.Event(), threading.Event()
        self.statements: list[str] = []

    async def __aenter__(self) -> Hold:
        self.call = asyncio.ensure_future(self.store._writer.run(self.block))
        await asyncio.to_thread(self.entered.wait, 5)
        return self

    async def __aexit__(self, *error: object) -> None:
        self.released.set()
        await self.call

    def block(self, connection: sqlite3.Connection) -> None:
        self.entered.set()
        assert self.released.wait(5)
        connection.set_trace_callback(self.statements.append)


async def begin(*calls: asyncio.Future[None]) -> None:
    """Let calls get as far as they come without the thread."""
    await asyncio.sleep(0)
    assert not any(call.done() for call in calls)


async def test_writes_that_wait_share_one_commit(store: SQLiteStorage, storage: PluginStorage) -> None:
    """Fifty concurrent writes are one transaction."""
    async with Hold(store) as hold:
        writes = [asyncio.ensure_future(storage.set(f"key-{n}", n)) for n in range(50)]
        await begin(*writes)
    await asyncio.gather(*writes)
    assert hold.statements.count("BEGIN IMMEDIATE") == 1
    assert hold.statements.count("COMMIT") == 2  # the hold's own, and that of the fifty
    assert len(await storage.keys()) == 50


async def test_reads_alone_do_not_lock_out_writers(store: SQLiteStorage, storage: PluginStorage) -> None:
    """A batch without a write takes no write lock."""
    async with Hold(store) as hold:
        reads = [asyncio.ensure_future(storage.get("key")) for _ in range(3)]
        await begin(*reads)
    await asyncio.gather(*reads)
    assert "BEGIN IMMEDIATE" not in hold.statements


async def test_a_refused_write_does_not_undo_its_neighbours(store: SQLiteStorage, storage: PluginStorage) -> None:
    """In one transaction, a write over the quota fails alone."""
    small = store.namespace("small", quota=5)
    async with Hold(store):
        calls = [
            asyncio.ensure_future(call) for call in (storage.set("a", 1), small.set("b", "12345"), small.set("c", 1))
        ]
        await begin(*calls)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), QuotaExceeded, type(None)]
    assert await storage.get("a") == await small.get("c") == 1


async def test_a_write_that_fails_in_sqlite_does_not_undo_its_neighbours(
    store: SQLiteStorage, storage: PluginStorage
) -> None:
    """The transaction is undone and each call made alone, so only the one that fails is lost."""

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE owner SET used = 99")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    async with Hold(store):
        calls = [
            asyncio.ensure_future(storage.set("a", 1)),
            asyncio.ensure_future(store._writer.run(fail, writes=True)),
            asyncio.ensure_future(storage.set("b", 2)),
        ]
        await begin(*calls)
    first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert first is third is None
    assert isinstance(second, StorageError)
    assert "no such table: nowhere" in str(second)
    assert await storage.keys() == ["a", "b"]
    assert await storage.size() == 4


async def test_a_write_cancelled_while_it_waits_is_taken_back(store: SQLiteStorage, storage: PluginStorage) -> None:
    """It does not happen, holds no place in the queue, and its neighbours happen."""
    async with Hold(store):
        calls = [asyncio.ensure_future(storage.set(key, 1)) for key in ("a", "b", "c")]
        await begin(*calls)
        calls[1].cancel()
        await asyncio.wait([calls[1]])
        assert len(store._writer._waiting) == 2
    await asyncio.gather(calls[0], calls[2])
    assert await storage.keys() == ["a", "c"]


async def test_a_write_cancelled_while_it_runs_is_whole(
    store: SQLiteStorage, storage: PluginStorage, tmp_path: Path
) -> None:
    """Its caller is free at once; the write ends by itself, and closing waits for that."""
    entered, released = threading.Event(), threading.Event()

    def pause(statement: str) -> None:
        if statement.startswith("INSERT INTO entry"):
            entered.set()
            assert released.wait(5)

    await store._writer.run(lambda connection: connection.set_trace_callback(pause))
    write = asyncio.ensure_future(storage.set("key", "value"))
    assert await asyncio.to_thread(entered.wait, 5)
    write.cancel()
    await asyncio.wait([write])
    assert write.cancelled()
    released.set()
    await store.aclose()
    async with SQLiteStorage(tmp_path / "storage.db") as again:
        storage = again.namespace("greeter", quota=QUOTA)
        assert await storage.get("key") == "value"
        assert await storage.size() == 9


async def test_closing_finishes_what_waits(store: SQLiteStorage, storage: PluginStorage, tmp_path: Path) -> None:
    """Writes that were asked for before the close are made and acknowledged."""
    async with Hold(store):
        write = asyncio.ensure_future(storage.set("key", 1))
        await begin(write)
        closing = [asyncio.ensure_future(store.aclose()) for _ in range(2)]
        await begin(write, *closing)
        with pytest.raises(StorageError, match="is closed"):
            await storage.set("key", 2)
    await asyncio.gather(write, *closing)
    async with SQLiteStorage(tmp_path / "storage.db") as again:
        assert await again.namespace("greeter", quota=QUOTA).get("key") == 1


async def test_a_cancelled_close_closes_all_the_same(store: SQLiteStorage) -> None:
    """The thread ends and lets go of the file without being waited for."""
    thread = store._writer._thread
    assert thread is not None
    async with Hold(store):
        closing = asyncio.ensure_future(store.aclose())
        await begin(closing)
        closing.cancel()
        await asyncio.wait([closing])
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()
    await store.aclose()


async def test_a_large_queue_is_worked_off_in_several_batches(store: SQLiteStorage, storage: PluginStorage) -> None:
    """No transaction grows with the number of callers."""
    async with Hold(store) as hold:
        writes = [asyncio.ensure_future(storage.set("key", n)) for n in range(600)]
        await begin(*writes)
    await asyncio.gather(*writes)
    assert hold.statements.count("BEGIN IMMEDIATE") == 3
    assert await storage.get("key") == 599


async def test_no_caller_is_left_waiting_if_the_thread_ends(
    store: SQLiteStorage, storage: PluginStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends it, those who wait are told, and so is everybody after them."""

    def leave(connection: sqlite3.Connection) -> None:
        raise SystemExit

    ends: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda end: ends.append(end.exc_type))
    thread = store._writer._thread
    assert thread is not None
    async with Hold(store):
        calls = [asyncio.ensure_future(store._writer.run(leave)), asyncio.ensure_future(storage.set("key", 1))]
        await begin(*calls)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(outcome).rpartition("storage.db ")[2] for outcome in outcomes] == ["is closed: its thread ended"] * 2
    with pytest.raises(StorageError, match="is closed"):
        await storage.get("key")
    await store.aclose()
    await asyncio.to_thread(thread.join, 5)
    assert ends == [SystemExit]


def test_one_store_serves_one_loop_after_another(tmp_path: Path) -> None:
    """Calls are answered on the loop that they came from, and a loop that is gone harms nobody."""
    store = SQLiteStorage(tmp_path / "storage.db")
    storage = store.namespace("greeter", quota=QUOTA)
    entered, released = threading.Event(), threading.Event()

    async def leave_a_call_behind() -> None:
        def block(connection: sqlite3.Connection) -> None:
            entered.set()
            assert released.wait(5)

        call = asyncio.ensure_future(store._writer.run(block))
        await asyncio.to_thread(entered.wait, 5)
        call.cancel()

    async def use() -> object:
        await storage.set("key", 1)
        try:
            return await storage.get("key")
        finally:
            await store.aclose()

    asyncio.run(leave_a_call_behind())
    released.set()
    assert asyncio.run(use()) == 1
