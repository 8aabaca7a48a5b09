"""What a store asks of its SQLite tables; each function runs in the writer's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridbus.errors import QuotaExceeded

if TYPE_CHECKING:
    import sqlite3  # not at run time: importing it takes 6 ms, which only a store that is used should cost


def read(connection: sqlite3.Connection, owner: str, key: bytes) -> bytes | None:
    """Return what is stored."""
    row = connection.execute(
        "SELECT value FROM entry WHERE owner = (SELECT id FROM owner WHERE name = ?) AND key = ?", (owner, key)
    ).fetchone()
    return None if row is None else row[0]


def write(connection: sqlite3.Connection, owner: str, key: bytes, data: bytes, quota: int) -> None:
    """Store within the quota; to be called in a transaction that locks out other writers."""
    row = connection.execute("SELECT id, used FROM owner WHERE name = ?", (owner,)).fetchone()
    owner_id, before = row or (None, 0)
    old = connection.execute("SELECT length(value) FROM entry WHERE owner = ? AND key = ?", (owner_id, key)).fetchone()
    used = before + len(data) + (len(key) if old is None else -old[0])
    if used > quota and used > before:
        raise QuotaExceeded(owner, used, quota)
    if owner_id is None:
        owner_id = connection.execute("INSERT INTO owner (name, used) VALUES (?, 0)", (owner,)).lastrowid
    if old is None:
        connection.execute("INSERT INTO entry (owner, key, value) VALUES (?, ?, ?)", (owner_id, key, data))
    else:
        connection.execute("UPDATE entry SET value = ? WHERE owner = ? AND key = ?", (data, owner_id, key))
    connection.execute("UPDATE owner SET used = ? WHERE id = ?", (used, owner_id))


def remove(connection: sqlite3.Connection, owner: str, key: bytes) -> bool:
    """Remove a key; False where there was none; to be called in a transaction."""
    row = connection.execute(
        "SELECT entry.rowid, owner.id, length(value) FROM entry JOIN owner ON owner.id = entry.owner "
        "WHERE owner.name = ? AND key = ?",
        (owner, key),
    ).fetchone()
    if row is None:
        return False
    entry_id, owner_id, size = row
    connection.execute("DELETE FROM entry WHERE rowid = ?", (entry_id,))
    connection.execute("UPDATE owner SET used = used - ? WHERE id = ?", (size + len(key), owner_id))
    return True


def clear(connection: sqlite3.Connection, owner: str) -> int:
    """Remove all keys of an owner; return how many there were; to be called in a transaction."""
    count = connection.execute(
        "DELETE FROM entry WHERE owner = (SELECT id FROM owner WHERE name = ?)", (owner,)
    ).rowcount
    connection.execute("UPDATE owner SET used = 0 WHERE name = ?", (owner,))
    return count


def names(connection: sqlite3.Connection, owner: str, prefix: bytes) -> list[bytes]:
    """Return the keys that begin with ``prefix``, sorted."""
    end = prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b"\xff"  # no byte of UTF-8 is 0xff
    rows = connection.execute(
        "SELECT key FROM entry WHERE owner = (SELECT id FROM owner WHERE name = ?) "
        "AND key >= ? AND key < ? ORDER BY key",
        (owner, prefix, end),
    )
    return [key for (key,) in rows]


def usage(connection: sqlite3.Connection, owner: str) -> int:
    """Bytes that an owner's keys and values take."""
    row = connection.execute("SELECT used FROM owner WHERE name = ?", (owner,)).fetchone()
    return row[0] if row else 0
