"""The store in a SQLite file: what outlives it, who shares it, and what goes wrong with files."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gridbus.errors import QuotaExceeded, StorageError
from gridbus.storage import SQLiteStorage

QUOTA = 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not there yet."""
    return tmp_path / "storage.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStorage]:
    """A store over that file."""
    async with SQLiteStorage(path) as store:
        yield store


async def test_values_outlive_the_store(path: Path) -> None:
    """A new store over the same file finds values and sizes."""
    async with SQLiteStorage(path) as store:
        await store.namespace("greeter", quota=QUOTA).set("key", {"a": [1]})
    async with SQLiteStorage(str(path)) as store:
        storage = store.namespace("greeter", quota=QUOTA)
        assert await storage.get("key") == {"a": [1]}
        assert await store.usage("greeter") == await storage.size() == 3 + 5


async def test_closing_leaves_one_file(path: Path) -> None:
    """The write-ahead log is folded into the file when the last store closes."""
    async with SQLiteStorage(path) as store:
        await store.namespace("greeter", quota=QUOTA).set("key", 1)
        assert files_beside(path) == ["storage.db", "storage.db-shm", "storage.db-wal"]
    assert files_beside(path) == ["storage.db"]


async def test_an_unused_store_makes_no_file(path: Path) -> None:
    """Nothing happens before the first call."""
    async with SQLiteStorage(path) as store:
        store.namespace("greeter", quota=QUOTA)
    assert files_beside(path) == []


async def test_two_stores_share_a_file_and_its_quotas(path: Path) -> None:
    """What one wrote the other sees, and together they do not pass the quota."""
    async with SQLiteStorage(path) as first, SQLiteStorage(path) as second:
        stores = [store.namespace("greeter", quota=200) for store in (first, second)]
        await stores[0].set("key-00", "123")
        assert await stores[1].get("key-00") == "123"
        outcomes = await asyncio.gather(
            *(stores[n % 2].set(f"key-{n:02}", "123") for n in range(60)), return_exceptions=True
        )
        assert outcomes.count(None) == 20
        assert sum(isinstance(outcome, QuotaExceeded) for outcome in outcomes) == 40
        assert [await storage.size() for storage in stores] == [200, 200]


async def test_many_stores_may_make_the_file_at_once(path: Path) -> None:
    """Whoever is first makes the tables; the others find them."""
    stores = [SQLiteStorage(path) for _ in range(8)]
    try:
        await asyncio.gather(
            *(store.namespace("greeter", quota=QUOTA).set(f"key-{n}", n) for n, store in enumerate(stores))
        )
        assert len(await stores[0].namespace("greeter", quota=QUOTA).keys()) == 8
    finally:
        for store in stores:
            await store.aclose()


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
async def test_durable_decides_when_the_disk_is_flushed(path: Path, durable: bool, level: int) -> None:
    """NORMAL is 1: no flush per commit; FULL is 2: one per commit. Both with a write-ahead log."""
    async with SQLiteStorage(path, durable=durable) as store:
        assert await pragma(store, "synchronous") == level
        assert await pragma(store, "journal_mode") == "wal"


# --- files that cannot be used -------------------------------------------------------------------------------------


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says which file and what to check."""
    async with SQLiteStorage(tmp_path / "none" / "storage.db") as store:
        with pytest.raises(StorageError, match=r"none/storage\.db: it cannot be opened: check that its folder exists"):
            await store.usage("greeter")


async def test_the_file_is_tried_again_at_the_next_call(tmp_path: Path) -> None:
    """What was wrong may be put right while the application runs."""
    folder = tmp_path / "none"
    async with SQLiteStorage(folder / "storage.db") as store:
        storage = store.namespace("greeter", quota=QUOTA)
        with pytest.raises(StorageError):
            await storage.set("key", 1)
        folder.mkdir()
        await storage.set("key", 1)
        assert await storage.get("key") == 1


async def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    """It may be somebody's file: it is neither used nor changed."""
    content = replace(path, b"name,email\nAda,ada@example.org\n" * 100)
    async with SQLiteStorage(path) as store:
        with pytest.raises(StorageError, match="it is no SQLite database: move it away"):
            await store.namespace("greeter", quota=QUOTA).set("key", 1)
    assert content_of(path) == content


async def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    """A file with tables of its own is not ours to write to."""
    make_database(path, "CREATE TABLE people (name TEXT)")
    content = content_of(path)
    async with SQLiteStorage(path) as store:
        with pytest.raises(StorageError, match="is a database of another program: choose another path"):
            await store.usage("greeter")
    assert content_of(path) == content


async def test_a_file_of_a_newer_gridbus_is_left_alone(path: Path) -> None:
    """Its tables may mean something else by then."""
    async with SQLiteStorage(path) as store:
        await store.namespace("greeter", quota=QUOTA).set("key", 1)
    make_database(path, "PRAGMA user_version = 2")
    async with SQLiteStorage(path) as store:
        with pytest.raises(StorageError, match=r"newer gridbus \(its version is 2, this one knows up to 1\): update"):
            await store.usage("greeter")


async def test_a_damaged_file_is_an_error_that_says_so(path: Path) -> None:
    """Damage is found out when it is met, and says what can be done."""
    async with SQLiteStorage(path) as store:
        await store.namespace("greeter", quota=QUOTA).set("key", "x" * 20_000)
    content = content_of(path)
    replace(path, content[:4096] + b"\xff" * (len(content) - 4096))
    async with SQLiteStorage(path) as store:
        with pytest.raises(StorageError, match=r"storage\.db: it is damaged: restore a copy"):
            await store.namespace("greeter", quota=QUOTA).get("key")


async def test_a_file_that_another_process_keeps_locked_is_an_error_after_a_while(path: Path) -> None:
    """The wait is bounded, reading goes on, and writing works again once the lock is gone."""
    async with SQLiteStorage(path, busy_timeout=0.01) as store:
        storage = store.namespace("greeter", quota=QUOTA)
        await storage.set("key", 1)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another process keeps it locked"):
            await storage.set("key", 2)
        assert await storage.get("key") == 1
        other.execute("ROLLBACK")
        other.close()
        await storage.set("key", 3)
        assert await storage.get("key") == 3


async def test_opening_waits_no_longer_than_writing(path: Path) -> None:
    """A file that lost its write-ahead log gets it back at opening, unless another process is reading."""
    async with SQLiteStorage(path) as store:
        await store.namespace("greeter", quota=QUOTA).set("key", 1)
    make_database(path, "PRAGMA journal_mode = DELETE")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM entry").fetchall()
    async with SQLiteStorage(path, busy_timeout=0.02) as store:
        with pytest.raises(StorageError, match="another process keeps it locked"):
            await store.usage("greeter")
        other.close()
        assert await pragma(store, "journal_mode") == "wal"


async def test_a_file_that_may_not_be_written_is_an_error(store: SQLiteStorage) -> None:
    """SQLite's refusal to write becomes advice about permissions."""
    storage = store.namespace("greeter", quota=QUOTA)
    await storage.set("key", 1)
    await pragma(store, "query_only = 1")  # whoever runs the tests may be root, whom no permission stops
    with pytest.raises(StorageError, match="it cannot be written: check the permissions"):
        await storage.set("key", 2)
    assert await storage.get("key") == 1


FILL_THE_DISK = """
import asyncio, resource, sys
from gridbus.errors import StorageError
from gridbus.storage import SQLiteStorage

async def main():
    async with SQLiteStorage(sys.argv[1]) as store:
        storage = store.namespace("greeter", quota=10_000_000)
        await storage.set("key", "old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            await storage.set("key", "x" * 200_000)
        except StorageError as error:
            print(error)
        print(await storage.get("key"), await storage.size())
        await storage.set("key", "new")
        print(await storage.get("key"), await storage.size())

asyncio.run(main())
"""


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="limits of the operating system are POSIX")
def test_a_full_disk_loses_one_write_and_nothing_else(path: Path) -> None:
    """The write that does not fit fails as a whole; the old value, the count and smaller writes are as they should."""
    run = subprocess.run([sys.executable, "-c", FILL_THE_DISK, path], capture_output=True, text=True, check=True)
    error, after, end = run.stdout.splitlines()
    assert str(path) in error
    assert "the disk" in error
    assert (after, end) == ("old 7", "new 7")


# --- processes that are killed -------------------------------------------------------------------------------------

WRITE_FOR_EVER = """
import asyncio, sys
from gridbus.storage import SQLiteStorage

async def write(store, owner):
    storage = store.namespace(owner, quota=100_000_000)
    number = 0
    while True:
        await storage.set(f"key-{number % 40}", [number, "x" * (number % 3000)])
        print(owner, number, flush=True)
        number += 1

async def main():
    store = SQLiteStorage(sys.argv[1])
    await asyncio.gather(*(write(store, owner) for owner in ("first", "second", "third")))

asyncio.run(main())
"""


@pytest.mark.faults
@pytest.mark.parametrize("lines", [1, 150, 900])
def test_acknowledged_writes_survive_a_kill(path: Path, lines: int) -> None:
    """Whatever a killed process was told is stored is there, and sizes still agree with contents."""
    with subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        seen += process.stdout.readlines()
    last = {owner: int(number) for owner, number in (line.split() for line in seen if line.endswith("\n"))}

    async def check() -> None:
        async with SQLiteStorage(path) as store:
            for owner, number in last.items():
                storage = store.namespace(owner, quota=QUOTA)
                newest, _ = await storage.get(f"key-{number % 40}", tuple[int, str], (-1, ""))
                assert newest == number
                size = 0
                for key in await storage.keys():
                    found, text = await storage.get(key, tuple[int, str], (-1, ""))
                    assert text == "x" * (found % 3000)
                    size += len(key) + len(msgspec.msgpack.encode([found, text]))
                assert await storage.size() == size

    assert last
    asyncio.run(check())


# --- what it takes from the interpreter ------------------------------------------------------------------------------


def test_importing_the_stores_does_not_import_sqlite3() -> None:
    """Who keeps values in memory does not pay for SQLite."""
    code = "import sys, gridbus.storage; sys.exit('sqlite3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_store_that_is_never_closed_is_reported(path: Path) -> None:
    """The warning names the file; the thread ends all the same, and what was written is there."""
    store = SQLiteStorage(path)
    await store.namespace("greeter", quota=QUOTA).set("key", 1)
    thread = store._writer._thread
    assert thread is not None
    with pytest.warns(ResourceWarning, match=r"SQLiteStorage\('.*storage\.db'\) was never closed"):
        del store
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()
    async with SQLiteStorage(path) as store:
        assert await store.namespace("greeter", quota=QUOTA).get("key") == 1


def files_beside(path: Path) -> list[str]:
    """List the names in the file's folder."""
    return sorted(os.listdir(path.parent))


def content_of(path: Path) -> bytes:
    """Read the file."""
    return path.read_bytes()


def replace(path: Path, content: bytes) -> bytes:
    """Write the file anew."""
    path.write_bytes(content)
    return content


def make_database(path: Path, statement: str) -> None:
    """Run one statement on a file, as another program would."""
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()
    assert os.path.getsize(path)


async def pragma(store: SQLiteStorage, name: str) -> object:
    """Ask or set something of the store's own connection."""
    row = await store._writer.run(lambda connection: connection.execute(f"PRAGMA {name}").fetchone())
    return row and row[0]
