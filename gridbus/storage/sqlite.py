"""A store in one SQLite file."""

from __future__ import annotations

import os
import warnings
from types import TracebackType

from gridbus.contracts import PluginStorage
from gridbus.storage import _statements
from gridbus.storage._writer import Writer
from gridbus.storage.namespace import Namespace


class SQLiteStorage:
    """Keeps the values of all owners in one file, in WAL mode; see ``gridbus.contracts.StorageBackend``.

    The file is opened at the first use, so that is when an unusable one is found out. Several processes may use one
    file; quotas hold over all of them. Put it on a local disk: WAL does not work over a network.

    Args:
        path: The file; made where it is not there, in a folder that is.
        durable: What an acknowledged write survives. False: the end of the process by whatever means (SQLite's
            ``synchronous=NORMAL``; a power failure may take the last writes, but harms none before them). True: a
            power failure too (``FULL``), for a flush of the disk per commit; writes that wait share one.
        busy_timeout: Seconds to wait while another process writes, before a write fails with ``StorageError``.
    """

    def __init__(self, path: str | os.PathLike[str], *, durable: bool = False, busy_timeout: float = 5.0) -> None:
        self._path = os.path.abspath(path)
        self._writer = Writer(self._path, durable=durable, busy_timeout=busy_timeout)

    async def __aenter__(self) -> SQLiteStorage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"SQLiteStorage({self._path!r})"

    def __del__(self) -> None:
        writer = getattr(self, "_writer", None)
        if writer is not None and writer.is_open:
            warnings.warn(f"{self!r} was never closed: await its aclose()", ResourceWarning, source=self, stacklevel=2)
            writer.abandon()

    def namespace(self, owner: str, *, quota: int) -> PluginStorage:
        """Return the store of one owner; the same owner always sees the same keys."""
        return Namespace(self, owner, quota=quota)

    async def usage(self, owner: str) -> int:
        """Bytes that an owner's keys and values take."""
        return int(await self._writer.run(_statements.usage, owner))

    async def aclose(self) -> None:
        """Finish what waits and close the file; further use raises ``StorageError``.

        Cancelled, it closes the file all the same, without being waited for.
        """
        await self._writer.aclose()

    async def read(self, owner: str, key: bytes) -> bytes | None:
        """Return what is stored."""
        data: bytes | None = await self._writer.run(_statements.read, owner, key)
        return data

    async def write(self, owner: str, key: bytes, data: bytes, quota: int) -> None:
        """Store within the quota, which is checked in the transaction that writes."""
        await self._writer.run(_statements.write, owner, key, data, quota, writes=True)

    async def remove(self, owner: str, key: bytes) -> bool:
        """Remove a key; False where there was none."""
        return bool(await self._writer.run(_statements.remove, owner, key, writes=True))

    async def clear(self, owner: str) -> int:
        """Remove all keys of an owner; return how many there were."""
        return int(await self._writer.run(_statements.clear, owner, writes=True))

    async def names(self, owner: str, prefix: bytes) -> list[bytes]:
        """Return the keys that begin with ``prefix``, sorted."""
        keys: list[bytes] = await self._writer.run(_statements.names, owner, prefix)
        return keys
