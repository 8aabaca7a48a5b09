"""The SQLite file of a store: opening it, making its tables, and what its errors mean."""

from __future__ import annotations

import sqlite3  # this module is imported by the writer's thread only: importing sqlite3 takes 6 ms
import threading
import time

from gridbus.errors import StorageError

VERSION = 1  #: of the tables, kept in the file's user_version
APPLICATION_ID = 0x67726462  #: "grdb"

_TABLES = """
CREATE TABLE owner (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE entry (owner INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, UNIQUE (owner, key));
"""
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process keeps it locked: end that one, or give each its own file",
    sqlite3.SQLITE_LOCKED: "another process keeps it locked: end that one, or give each its own file",
    sqlite3.SQLITE_READONLY: "it cannot be written: check the permissions of the file and of its folder",
    sqlite3.SQLITE_PERM: "it cannot be written: check the permissions of the file and of its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that its folder exists and may be written",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore a copy, or move it away to begin anew",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database: move it away, or choose another path",
    sqlite3.SQLITE_FULL: "the disk is full: free some space, then write again",
    sqlite3.SQLITE_IOERR: "the disk fails or is full: check it, then write again",
    sqlite3.SQLITE_TOOBIG: "the value is larger than SQLite can store",
}


def connect(path: str, *, durable: bool, busy_timeout: float) -> sqlite3.Connection:
    """Open the file, making it and its tables where they are not there.

    Raises:
        StorageError: the file is another program's, or of a newer gridbus.
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None)
    try:
        if _pragma(connection, "user_version") != VERSION or _pragma(connection, "application_id") != APPLICATION_ID:
            _create(connection, path)
        _enter_wal(connection, busy_timeout)  # only now: it changes the file
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    except BaseException:
        connection.close()
        raise
    return connection


def explain(error: Exception, path: str) -> StorageError:
    """Return an error that names the file and says what to do."""
    if isinstance(error, StorageError):
        return StorageError(str(error))
    code = getattr(error, "sqlite_errorcode", None)
    advice = _ADVICE.get(code & 0xFF) if code is not None else None  # the low byte is what kind, the rest where
    return StorageError(f"storage {path}: {advice} ({error})" if advice else f"storage {path} failed: {error}")


def is_busy(error: Exception) -> bool:
    """Tell whether another process held the file for too long."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _create(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables in an empty file; refuse one that holds something else."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _pragma(connection, "user_version")
        ours = _pragma(connection, "application_id") == APPLICATION_ID
        if ours and version > VERSION:
            raise StorageError(
                f"storage {path} was written by a newer gridbus (its version is {version}, this one knows up to "
                f"{VERSION}): update gridbus, or choose another path"
            )
        if not ours and (version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()):
            raise StorageError(f"storage {path} is a database of another program: choose another path")
        if not ours:  # else another process was first
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _enter_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Change the file to WAL mode, if it is not there yet.

    Two that do so at once refuse each other at once, whatever the time-out of the connection; so this tries again.
    """
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
        pause.wait(0.005)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
