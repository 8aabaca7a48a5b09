"""What was answered when plugins asked for more, and what operators granted and revoked, remembered."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio

from gridbus.contracts import StorageBackend
from gridbus.errors import PluginLimitError, PluginValidationError, StorageError
from gridbus.manifest import Permission
from gridbus.plugins.policy import PermissionRequest

Answer: TypeAlias = tuple[Permission, ...]

logger = logging.getLogger("gridbus.plugins")

_MOST = 256  # permissions that one plugin may ask for in one run
_QUOTA = 10 * 2**20  # bytes for all answers together


class Decisions:
    """Asks whoever grants permissions once for each plugin and permission.

    A refusal holds for this run. What was granted is kept in the storage, where there is one, as
    ``permission/<plugin>/<permission>`` of the owner ``manager``, and holds for later runs too. What an operator grants
    or revokes while the plugin runs holds for this run, over reloads.
    """

    def __init__(self, store: StorageBackend | None) -> None:
        self._store = None if store is None else store.namespace("manager", quota=_QUOTA)
        self._known: defaultdict[str, dict[Permission, Answer]] = defaultdict(dict)
        self._asking: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._given: defaultdict[str, set[Permission]] = defaultdict(set)
        self._revoked: defaultdict[str, set[Permission]] = defaultdict(set)

    async def decide(
        self,
        request: PermissionRequest,
        permission: Permission,
        ask: Callable[[PermissionRequest], Awaitable[Answer]],
    ) -> Answer:
        """Return what is granted: what was answered before, or what ``ask`` answers now; nothing that was revoked.

        Raises:
            PluginLimitError: the plugin asked for more than anybody can be expected to answer.
        """
        plugin_id = request.plugin.id
        if any(revoked.covers(permission) for revoked in self._revoked[plugin_id]):
            return self.limited(plugin_id, ())
        async with self._asking[plugin_id]:  # one question of a plugin at a time
            answers = self._known[plugin_id]
            known = answers.get(permission)
            if known is None and len(answers) >= _MOST:
                raise PluginLimitError(f"plugin {plugin_id!r} has asked for {_MOST} permissions, the most", plugin_id)
            if known is None:
                known = await self._stored(plugin_id, permission)
            if known is None:
                known = tuple(granted for granted in await ask(request) if granted.overlaps(permission))
                await self._keep(plugin_id, permission, known)
            answers[permission] = known
        return self.limited(plugin_id, known)

    async def remembered(self, plugin_id: str) -> Answer:
        """Return what was granted to a plugin when it asked, in this run or an earlier one."""
        granted = [permission for answer in self._known.get(plugin_id, {}).values() for permission in answer]
        if self._store is not None:
            try:
                keys = await self._store.keys(_key(plugin_id))
            except StorageError as error:
                logger.warning("what plugin %r was granted before cannot be read: %s", plugin_id, error)
                keys = []
            granted += [kept for kept in map(_read, keys) if kept is not None]
        return tuple(dict.fromkeys(granted))

    def limited(self, plugin_id: str, granted: Answer) -> Answer:
        """Return what is granted, without what an operator revoked, with what an operator gave."""
        revoked = self._revoked.get(plugin_id, ())
        left = [kept for kept in granted if not any(kept.overlaps(gone) for gone in revoked)]
        return tuple(dict.fromkeys((*left, *self._given.get(plugin_id, ()))))

    def give(self, plugin_id: str, permission: Permission) -> None:
        """Note that an operator grants something."""
        self._given[plugin_id].add(permission)
        self._revoked[plugin_id] = {gone for gone in self._revoked[plugin_id] if not permission.covers(gone)}

    def revoke(self, plugin_id: str, permission: Permission) -> None:
        """Note that an operator revokes something, with all that overlaps with it, for this run."""
        self._revoked[plugin_id].add(permission)
        self._given[plugin_id] = {kept for kept in self._given[plugin_id] if not kept.overlaps(permission)}

    async def forget(self, plugin_id: str, permission: Permission) -> None:
        """Ask anew in later runs.

        Raises:
            StorageError: the storage fails, so that later runs find what it holds.
        """
        if self._store is not None:
            for key in await self._store.keys(_key(plugin_id)):
                kept = _read(key)
                if kept is not None and kept.overlaps(permission):
                    await self._store.delete(key)

    async def _stored(self, plugin_id: str, permission: Permission) -> Answer | None:
        if self._store is None:
            return None
        try:
            return (permission,) if await self._store.get(_key(plugin_id, permission)) is not None else None
        except StorageError as error:
            logger.warning("what plugin %r was granted before cannot be read: %s", plugin_id, error)
            return None

    async def _keep(self, plugin_id: str, permission: Permission, answer: Answer) -> None:
        if self._store is None or not any(granted.covers(permission) for granted in answer):
            return
        try:
            await self._store.set(_key(plugin_id, permission), True)
        except StorageError as error:
            logger.warning("that plugin %r was granted %s holds for this run only: %s", plugin_id, permission, error)


def _key(plugin_id: str, permission: Permission | str = "") -> str:
    return f"permission/{plugin_id}/{permission}"


def _read(key: str) -> Permission | None:
    """Return the permission that a key is about; None for one that this version does not know."""
    try:
        return Permission.parse(key.split("/", 2)[2])
    except PluginValidationError:
        return None
