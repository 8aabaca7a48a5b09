"""Protocols that packages of layer 3 meet on without importing each other."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, overload

T = TypeVar("T")


class PluginStorage(Protocol):
    """The key-value store of one owner.

    Values are what msgpack carries (None, bool, int of 64 bits, float, str, bytes, list, dict, datetime with a zone)
    and attrs classes. Read without a type, an attrs class is a dict, a tuple or set a list, an enum its value, and a
    date, time, duration, decimal, UUID or datetime without zone is its ISO text; naming the type brings each back.
    """

    @property
    def quota(self) -> int:
        """Bytes that keys and encoded values may take together."""
        ...

    @overload
    async def get(self, key: str, type: type[T], default: T) -> T: ...
    @overload
    async def get(self, key: str, type: type[T], default: None = None) -> T | None: ...
    @overload
    async def get(self, key: str, type: Any = object, default: Any = None) -> Any: ...
    async def get(self, key: str, type: Any = object, default: Any = None) -> Any:
        """Return the value as ``type`` (an attrs class, ``list[int]``...), or ``default`` where there is none.

        Raises:
            StoredTypeError: what is stored is not of ``type``.
            StorageError: the key is empty or longer than 512 bytes, or the store fails; so do all methods below.
        """
        ...

    async def set(self, key: str, value: object) -> None:
        """Write a value; it is there for every later ``get``, and outlives this process where the store does.

        Cancelled, it has happened or not, never by half.

        Raises:
            QuotaExceeded: the owner would grow past its quota; the old value stays.
            StoredTypeError: the value cannot be encoded.
        """

    async def delete(self, key: str) -> bool:
        """Remove a key; False where there was none."""
        ...

    async def clear(self) -> int:
        """Remove all keys of this owner; return how many there were."""
        ...

    async def keys(self, prefix: str = "") -> list[str]:
        """List the keys that begin with ``prefix``, sorted."""
        ...

    async def size(self) -> int:
        """Bytes taken: keys in UTF-8 plus encoded values."""
        ...


class StorageBackend(Protocol):
    """A store that keeps owners apart."""

    def namespace(self, owner: str, *, quota: int) -> PluginStorage:
        """Return the store of one owner; the same owner always sees the same keys."""
        ...

    async def usage(self, owner: str) -> int:
        """Bytes that an owner's keys and values take; cheap, as it is counted when they are written."""
        ...

    async def aclose(self) -> None:
        """Flush and close; further use raises ``StorageError``."""
