"""A plugin's own key-value store, as its context hands it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from gridbus.contracts import PluginStorage
from gridbus.errors import QuotaExceeded
from gridbus.plugins.allowance import REFUSED, Allowance

T = TypeVar("T")


class OwnStorage:
    """The store of one plugin: usable while the plugin is there, and telling when it is full."""

    __slots__ = ("_allowance", "_check", "_inner")

    def __init__(self, inner: PluginStorage, allowance: Allowance, check: Callable[[], None]) -> None:
        self._inner, self._allowance, self._check = inner, allowance, check

    @property
    def quota(self) -> int:
        """Bytes that keys and encoded values may take together."""
        return self._inner.quota

    @overload
    async def get(self, key: str, type: type[T], default: T) -> T: ...
    @overload
    async def get(self, key: str, type: type[T], default: None = None) -> T | None: ...
    @overload
    async def get(self, key: str, type: Any = object, default: Any = None) -> Any: ...
    async def get(self, key: str, type: Any = object, default: Any = None) -> Any:
        """Return the value as ``type``, or ``default`` where there is none."""
        self._check()
        return await self._inner.get(key, type, default)

    async def set(self, key: str, value: object) -> None:
        """Write a value.

        Raises:
            QuotaExceeded: the plugin would grow past its quota; the old value stays.
        """
        self._check()
        try:
            await self._inner.set(key, value)
        except QuotaExceeded:
            self._allowance.reached("max_storage_bytes", self._inner.quota, REFUSED)
            raise
        self._allowance.kept("max_storage_bytes")

    async def delete(self, key: str) -> bool:
        """Remove a key; False where there was none."""
        self._check()
        return await self._inner.delete(key)

    async def clear(self) -> int:
        """Remove all keys; return how many there were."""
        self._check()
        return await self._inner.clear()

    async def keys(self, prefix: str = "") -> list[str]:
        """List the keys that begin with ``prefix``, sorted."""
        self._check()
        return await self._inner.keys(prefix)

    async def size(self) -> int:
        """Bytes taken: keys in UTF-8 plus encoded values."""
        self._check()
        return await self._inner.size()
