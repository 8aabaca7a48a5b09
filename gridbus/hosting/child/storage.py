"""A plugin's own storage, which the application keeps."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import msgspec

from gridbus.contracts import PluginStorage
from gridbus.hosting.protocol import Store
from gridbus.isolation.wire import Peer, pack, unpack
from gridbus.storage.namespace import check_name
from gridbus.storage.values import decode, encode

T = TypeVar("T")


class RemoteStorage:
    """Keeps what the plugin stores where the plugin cannot reach it; see ``gridbus.contracts.StorageBackend``."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def namespace(self, owner: str, *, quota: int) -> PluginStorage:
        """Return the store of the plugin."""
        return RemoteNamespace(self._peer, owner, quota=quota)

    async def usage(self, owner: str) -> int:
        """Bytes that the plugin's keys and values take."""
        used: int = await self._peer.call("stored", None)
        return used

    async def aclose(self) -> None:
        """Do nothing: the application closes it."""


class RemoteNamespace:
    """The store of one plugin; see ``gridbus.contracts.PluginStorage``.

    Values are encoded here, as inline, and cross the border as the plain data that the store makes of them. So what
    cannot be stored fails before anything is sent, and what is read is read by the same rules.
    """

    __slots__ = ("_owner", "_peer", "_quota")

    def __init__(self, peer: Peer, owner: str, *, quota: int) -> None:
        self._peer, self._owner, self._quota = peer, owner, quota

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
        check_name(key)
        packed = await self._call("get", key)
        if packed is None:
            return default
        return decode(msgspec.msgpack.encode(unpack(packed, object)), type, self._shown(key))

    async def set(self, key: str, value: object) -> None:
        """Write a value, unless the quota is against it."""
        check_name(key)
        plain = msgspec.msgpack.decode(encode(value, self._shown(key)))
        await self._call("set", key, pack(plain))

    async def delete(self, key: str) -> bool:
        """Remove a key; False where there was none."""
        check_name(key)
        return bool(await self._call("delete", key))

    async def clear(self) -> int:
        """Remove all keys; return how many there were."""
        return int(await self._call("clear"))

    async def keys(self, prefix: str = "") -> list[str]:
        """List the keys that begin with ``prefix``, sorted."""
        if prefix:
            check_name(prefix)
        return list(await self._call("keys", prefix))

    async def size(self) -> int:
        """Bytes taken: keys in UTF-8 plus encoded values."""
        return int(await self._call("size"))

    async def _call(self, verb: str, key: str = "", value: bytes | None = None) -> Any:
        return await self._peer.call("store", Store(verb, key, value))

    def _shown(self, key: str) -> str:
        return f"{key!r} of {self._owner!r}"
