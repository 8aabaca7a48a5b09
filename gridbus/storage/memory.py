"""A store that lives and dies with the process."""

from __future__ import annotations

from types import TracebackType

import attrs

from gridbus.contracts import PluginStorage
from gridbus.errors import QuotaExceeded, StorageError
from gridbus.storage.namespace import Namespace


@attrs.define
class _Shelf:
    """What one owner stored, and how many bytes it takes."""

    entries: dict[bytes, bytes] = attrs.field(factory=dict)
    used: int = 0


class MemoryStorage:
    """Keeps encoded values in dictionaries; see ``gridbus.contracts.StorageBackend``."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._closed = False

    async def __aenter__(self) -> MemoryStorage:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return "MemoryStorage()"

    def namespace(self, owner: str, *, quota: int) -> PluginStorage:
        """Return the store of one owner; the same owner always sees the same keys."""
        return Namespace(self, owner, quota=quota)

    async def usage(self, owner: str) -> int:
        """Bytes that an owner's keys and values take."""
        return self._shelf(owner).used

    async def aclose(self) -> None:
        """Forget everything; further use raises ``StorageError``."""
        self._closed = True
        self._shelves.clear()

    async def read(self, owner: str, key: bytes) -> bytes | None:
        """Return what is stored."""
        return self._shelf(owner).entries.get(key)

    async def write(self, owner: str, key: bytes, data: bytes, quota: int) -> None:
        """Store within the quota."""
        shelf = self._shelf(owner)
        old = shelf.entries.get(key)
        used = shelf.used + len(data) + (len(key) if old is None else -len(old))
        if used > quota and used > shelf.used:
            raise QuotaExceeded(owner, used, quota)
        shelf.entries[key] = data
        shelf.used = used
        self._shelves[owner] = shelf

    async def remove(self, owner: str, key: bytes) -> bool:
        """Remove a key; False where there was none."""
        shelf = self._shelf(owner)
        data = shelf.entries.pop(key, None)
        if data is None:
            return False
        shelf.used -= len(key) + len(data)
        return True

    async def clear(self, owner: str) -> int:
        """Remove all keys of an owner; return how many there were."""
        count = len(self._shelf(owner).entries)
        self._shelves.pop(owner, None)
        return count

    async def names(self, owner: str, prefix: bytes) -> list[bytes]:
        """Return the keys that begin with ``prefix``, sorted."""
        return sorted(key for key in self._shelf(owner).entries if key.startswith(prefix))

    def _shelf(self, owner: str) -> _Shelf:
        if self._closed:
            raise StorageError("the memory storage is closed")
        return self._shelves.get(owner) or _Shelf()
