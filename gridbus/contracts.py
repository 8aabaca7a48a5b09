"""Protocols that packages of layer 3 meet on without importing each other."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, overload

T = TypeVar("T")


class PluginStorage(Protocol):
    """The key-value store of one owner.

    Values are what msgpack carries (None, bool, int, float, str, bytes, list, dict, datetime) and attrs classes, which
    are read back by naming their type.
    """

    @property
    def quota(self) -> int:
        """Bytes that keys and encoded values may take together."""

    @overload
    async def get(self, key: str) -> Any: ...
    @overload
    async def get(self, key: str, type: type[T], default: T) -> T: ...
    @overload
    async def get(self, key: str, type: type[T], default: None = None) -> T | None: ...
    async def get(self, key: str, type: Any = object, default: Any = None) -> Any:
        """Return the value, or ``default`` where there is none.

        Raises:
            StoredTypeError: what is stored is not of ``type``.
        """

    async def set(self, key: str, value: object) -> None:
        """Write a value.

        Raises:
            QuotaExceeded: the owner would pass its quota; the old value stays.
            StoredTypeError: the value cannot be encoded.
        """

    async def delete(self, key: str) -> bool:
        """Remove a key; False where there was none."""

    async def clear(self) -> int:
        """Remove all keys of this owner; return how many there were."""

    async def keys(self, prefix: str = "") -> list[str]:
        """List the keys, sorted."""

    async def size(self) -> int:
        """Bytes taken: keys in UTF-8 plus encoded values."""


class StorageBackend(Protocol):
    """A store that keeps owners apart."""

    def namespace(self, owner: str, *, quota: int) -> PluginStorage:
        """Return the store of one owner; the same owner always sees the same keys."""

    async def aclose(self) -> None:
        """Flush and close; further use raises ``StorageError``."""
