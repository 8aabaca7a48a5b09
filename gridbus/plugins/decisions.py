"""What was answered when plugins asked for more, remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gridbus.contracts import StorageBackend
from gridbus.errors import StorageError
from gridbus.manifest import Permission
from gridbus.plugins.policy import PermissionRequest

_QUOTA = 10 * 2**20  # bytes for all answers together

Answer = tuple[Permission, ...]


class Decisions:
    """Asks whoever grants permissions once for each plugin and permission.

    A refusal holds for this run. What was granted is kept in the storage, where there is one, as
    ``permission/<plugin>/<permission>`` of the owner ``manager``, and holds for later runs too.
    """

    def __init__(self, store: StorageBackend | None) -> None:
        self._store = None if store is None else store.namespace("manager", quota=_QUOTA)
        self._known: dict[str, Answer] = {}

    async def decide(
        self,
        request: PermissionRequest,
        permission: Permission,
        ask: Callable[[PermissionRequest], Awaitable[Answer]],
    ) -> Answer:
        """Return what is granted: what was answered before, or what ``ask`` answers now."""
        key = f"permission/{request.plugin.id}/{permission}"
        known = self._known.get(key)
        if known is None:
            known = await self._stored(key)
        if known is None:
            known = await ask(request)
            await self._keep(key, known)
        self._known[key] = known
        return known

    async def forget(self, plugin_id: str, permission: Permission) -> None:
        """Ask again next time."""
        key = f"permission/{plugin_id}/{permission}"
        self._known.pop(key, None)
        if self._store is not None:
            await self._store.delete(key)

    async def _stored(self, key: str) -> Answer | None:
        if self._store is None:
            return None
        try:
            texts = await self._store.get(key, list[str])
        except StorageError:  # written by something else: ask anew
            return None
        return None if texts is None else tuple(map(Permission.parse, texts))

    async def _keep(self, key: str, answer: Answer) -> None:
        if self._store is not None and answer:
            await self._store.set(key, [str(permission) for permission in answer])
