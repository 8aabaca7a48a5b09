"""The key-value store of one owner, over any store of bytes."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, overload

from gridbus.errors import StorageError
from gridbus.storage.values import decode, encode

T = TypeVar("T")
MAX_NAME_BYTES = 512


class ByteStore(Protocol):
    """What a backend has to do: keep bytes by owner and key; each call happens wholly or not at all."""

    async def read(self, owner: str, key: bytes) -> bytes | None:
        """Return what is stored."""
        ...

    async def write(self, owner: str, key: bytes, data: bytes, quota: int) -> None:
        """Store, unless the owner would grow past its quota: then raise ``QuotaExceeded`` and leave what was there."""

    async def remove(self, owner: str, key: bytes) -> bool:
        """Remove; False where there was nothing."""
        ...

    async def clear(self, owner: str) -> int:
        """Remove all of the owner's; return how many there were."""
        ...

    async def names(self, owner: str, prefix: bytes) -> list[bytes]:
        """Return the keys that begin with ``prefix``, sorted."""
        ...

    async def usage(self, owner: str) -> int:
        """Return the bytes of the owner's keys and data."""
        ...


class Namespace:
    """The store of one owner; see ``gridbus.contracts.PluginStorage``.

    Values are turned into bytes before anything is awaited, and back on each ``get``: what a caller changes later, or
    changes in what it got, changes nothing in the store.
    """

    __slots__ = ("_owner", "_quota", "_store")

    def __init__(self, store: ByteStore, owner: str, *, quota: int) -> None:
        check_name(owner, "an owner")
        if not isinstance(quota, int) or isinstance(quota, bool) or quota < 0:
            raise StorageError(f"the quota of {owner!r} is a number of bytes, not {quota!r}")
        self._store, self._owner, self._quota = store, owner, quota

    def __repr__(self) -> str:
        return f"<Namespace of {self._owner!r} in {self._store!r}>"

    @property
    def quota(self) -> int:
        """Bytes that keys and encoded values may take together."""
        return self._quota

    @overload
    async def get(self, key: str, type: type[T], default: T) -> T: ...
    @overload
    async def get(self, key: str, type: type[T], default: None = None) -> T | None: ...
    @overload
    async def get(self, key: str, type: Any = object, default: Any = None) -> Any: ...
    async def get(self, key: str, type: Any = object, default: Any = None) -> Any:
        """Return the value as ``type``, or ``default`` where there is none."""
        data = await self._store.read(self._owner, check_name(key))
        return default if data is None else decode(data, type, self._shown(key))

    async def set(self, key: str, value: object) -> None:
        """Write a value, unless the quota is against it."""
        name = check_name(key)
        await self._store.write(self._owner, name, encode(value, self._shown(key)), self._quota)

    async def delete(self, key: str) -> bool:
        """Remove a key; False where there was none."""
        return await self._store.remove(self._owner, check_name(key))

    async def clear(self) -> int:
        """Remove all keys of this owner; return how many there were."""
        return await self._store.clear(self._owner)

    async def keys(self, prefix: str = "") -> list[str]:
        """List the keys that begin with ``prefix``, sorted."""
        found = await self._store.names(self._owner, check_name(prefix) if prefix else b"")
        return [key.decode() for key in found]

    async def size(self) -> int:
        """Bytes taken: keys in UTF-8 plus encoded values."""
        return await self._store.usage(self._owner)

    def _shown(self, key: str) -> str:
        return f"{key!r} of {self._owner!r}"


def check_name(name: str, what: str = "a key") -> bytes:
    """Return a name as UTF-8.

    Raises:
        StorageError: it is empty, too long, or no text that UTF-8 can carry.
    """
    try:
        data = name.encode()
    except AttributeError:
        raise StorageError(f"{what} is text, not {name!r}") from None
    except UnicodeEncodeError:
        raise StorageError(f"{what} is text that UTF-8 can carry, not {name[:60]!r}") from None
    if not 0 < len(data) <= MAX_NAME_BYTES:
        raise StorageError(f"{what} has 1 to {MAX_NAME_BYTES} bytes, not {len(data)}: {name[:60]!r}")
    return data
