"""Brings a running application to what its changed file declares, as far as that goes without a restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from anyio import to_thread

from gridbus.app.changes import Change, Outcome, log_change, permissions_text, unusable
from gridbus.config import AppConfig, PluginConfig, read_config
from gridbus.errors import ConfigError, GridbusError, PluginDependencyError, PluginValidationError
from gridbus.manifest import Permission
from gridbus.plugins import PluginManager, PluginState

if TYPE_CHECKING:
    from gridbus.reload import FileWatcher

_FIXED = ("name", "grid", "storage", "isolation", "health_interval")
_REMADE = ("use", "isolation", "limits", "site")  # of a plugin: a new generation of it is made
_BACK = 0.5  # seconds between two looks whether a folder that went away is there again
_LOOKS = 100  # at a file that changes all the time, before it is read as it is


class Reconfiguring:
    """Keeps a running application in step with its file, plugin by plugin; what cannot be applied leaves all as it was.

    What was applied is kept, so that the next change is a difference to what runs, and what failed is tried again.
    """

    def __init__(
        self,
        manager: PluginManager,
        path: Path | str,
        config: AppConfig,
        *,
        tell: Callable[[Change], object] | None = None,
        grants: MutableMapping[str, Sequence[Permission | str]] | None = None,
        quiet: float = 0.05,
    ) -> None:
        """Prepare.

        Args:
            manager: has the plugins.
            path: the application's file.
            config: what runs now.
            tell: called with each change, applied or not; they are logged where it is None.
            grants: by plugin id, what the manager's policy grants; kept up to date here, so that the policy has to read
                it anew each time. Without it, plugins that are added cannot be granted other than what they ask for.
            quiet: seconds for which a changed file has to stay as it is before it is read.
        """
        self._manager, self._path = manager, Path(path)
        self._tell = log_change if tell is None else tell
        self._grants, self._quiet = grants, quiet
        self._running = self._seen = config
        self._reading = anyio.Lock()

    @property
    def running(self) -> AppConfig:
        """What runs: what was there at the start, with all that was applied since."""
        return self._running

    async def run(self, watcher: FileWatcher) -> None:
        """Apply the file whenever it has changed, until this is cancelled."""
        real = Path(await anyio.Path(self._path).resolve())  # an editor follows the link, a rename replaces it
        names = {self._path.name, real.name}
        folders = {self._path.absolute().parent, real.parent}
        async with anyio.create_task_group() as group:
            group.start_soon(self._read_settled)  # it may have changed before it was watched
            while True:
                async with aclosing(watcher.changes(folders)) as batches:
                    async for paths in batches:
                        if not paths or any(path.name in names for path in paths):  # none: some may have been missed
                            await self._read_settled()
                        if not folders.isdisjoint(paths):
                            break  # a folder went away, and with it what watched it
                while not all([await anyio.Path(folder).is_dir() for folder in folders]):  # noqa: ASYNC110 - nobody tells
                    await anyio.sleep(_BACK)

    async def reread(self) -> tuple[Change, ...]:
        """Read the file and apply it; where it cannot be used, all stays as it was, and that is told."""
        try:
            config = await to_thread.run_sync(read_config, self._path)
        except ConfigError as error:
            changes = tuple(unusable(self._path, problem) for problem in error.problems)
            for change in changes:
                self._tell(change)
            return changes
        return await self.apply(config)

    async def apply(self, new: AppConfig) -> tuple[Change, ...]:
        """Bring what runs to a configuration; return what that changed, and what it could not change.

        Plugins that are no longer there go first, then new ones come, then the others change. A step that fails is told
        and keeps no other step from being done.
        """
        changes: list[Change] = []

        def note(key: str, outcome: Outcome, text: str, plugin: str | None = None) -> None:
            changes.append(Change(key, outcome, text, plugin))
            self._tell(changes[-1])

        for key in _FIXED:
            wanted = getattr(new, key)
            if wanted not in (getattr(self._running, key), getattr(self._seen, key)):
                note(key, Outcome.NEXT_START, "takes effect at the next start")
        before, after = _enabled(self._running), _enabled(new)
        await self._remove([plugin_id for plugin_id in before if plugin_id not in after], note)
        there = [plugin_id for plugin_id, one in after.items() if self._is_there(plugin_id, one)]
        await self._add({plugin_id: one for plugin_id, one in after.items() if plugin_id not in there}, note)
        for plugin_id in there:
            if before[plugin_id] != after[plugin_id]:
                await self._change(plugin_id, before[plugin_id], after[plugin_id], note)
        self._seen = new
        return tuple(changes)

    # --- plugins -------------------------------------------------------------------------------------------------

    async def _remove(self, going: list[str], note: _Note) -> None:
        """Destroy plugins; one that others need waits for those of them that go as well."""
        while going:
            refused: dict[str, str] = {}
            for plugin_id in going:
                try:
                    if self._is_registered(plugin_id):
                        await self._manager.unregister_and_destroy(plugin_id, cascade=False)
                        note(f"plugins.{plugin_id}", Outcome.APPLIED, "removed", plugin_id)
                    self._keep(plugin_id, None)
                    self._list_grants(plugin_id, None)
                except PluginDependencyError as error:
                    refused[plugin_id] = str(error)
                except GridbusError as error:
                    note(f"plugins.{plugin_id}", Outcome.FAILED, f"not removed: {error}", plugin_id)
            if len(refused) == len(going):
                for plugin_id, reason in refused.items():
                    note(f"plugins.{plugin_id}", Outcome.FAILED, f"not removed: {reason}", plugin_id)
                return
            going = list(refused)

    async def _add(self, coming: Mapping[str, PluginConfig], note: _Note) -> None:
        """Register plugins, and bring them up when all are registered, as they may need each other."""
        registered = []
        for plugin_id, one in coming.items():
            if await self._step(plugin_id, "", note, "not added", self._register, plugin_id, one):
                registered.append(plugin_id)
        for plugin_id in registered:
            if await self._step(plugin_id, "", note, "not added", self._bring_up, plugin_id):
                self._keep(plugin_id, coming[plugin_id])
                note(f"plugins.{plugin_id}", Outcome.APPLIED, "added", plugin_id)

    async def _register(self, plugin_id: str, one: PluginConfig) -> None:
        if one.grants is not None and self._grants is None:
            raise PluginValidationError("its grants are not known to this application: it can come at the next start")
        self._list_grants(plugin_id, one)
        info = await self._manager.register(
            one.use or plugin_id,
            dict(one.config) or None,
            isolation=one.isolation,
            limits=one.limits or None,
            site=one.site,
        )
        if info.id != plugin_id:  # its grants would go astray
            await self._manager.unregister_and_destroy(info.id)
            raise PluginValidationError(f"the plugin that is configured as {plugin_id!r} is {info.id!r}", plugin_id)

    async def _bring_up(self, plugin_id: str) -> None:
        if self._manager.get_plugin(plugin_id).state is PluginState.REGISTERED:  # else it came up for another
            await self._manager.initialize(plugin_id)

    async def _change(self, plugin_id: str, old: PluginConfig, new: PluginConfig, note: _Note) -> None:
        """Bring one plugin that runs to what the file says: permissions, then place and limits, or configuration."""
        if old.grants != new.grants:
            old = await self._change_grants(plugin_id, old, new, note)
        remade = [key for key in _REMADE if getattr(old, key) != getattr(new, key)]
        has_config = old.config != new.config
        if remade:
            changed: dict[str, Any] = {key: getattr(new, key) or None for key in remade if key != "use"}
            if "use" in remade:
                changed["source"] = new.use or plugin_id
            if has_config:
                changed["config"] = dict(new.config)  # empty: the defaults, where None would keep it as it is
            keys = ", ".join([*remade, *(["config"] if has_config else [])])
            reload = partial(self._manager.reload_plugin, plugin_id, **changed)
            if await self._step(plugin_id, "", note, f"{keys} not applied", reload):
                note(f"plugins.{plugin_id}", Outcome.APPLIED, f"reloaded with its new {keys}", plugin_id)
                self._keep(plugin_id, attrs.evolve(new, grants=old.grants))
        elif has_config:
            configure = partial(self._manager.configure_plugin, plugin_id, dict(new.config) or None)
            if await self._step(plugin_id, ".config", note, "not applied", configure):
                note(f"plugins.{plugin_id}.config", Outcome.APPLIED, "applied", plugin_id)
                self._keep(plugin_id, attrs.evolve(new, grants=old.grants))

    async def _change_grants(self, plugin_id: str, old: PluginConfig, new: PluginConfig, note: _Note) -> PluginConfig:
        """Take away and grant what differs; return what runs now."""
        before, after = old.permissions, new.permissions
        key = f"plugins.{plugin_id}.grants"
        if before is None or after is None:
            seen = self._seen.plugins.get(plugin_id)
            if seen is None or seen.grants != new.grants:
                reason = "from what the plugin asks for to a list, or back, they change at the next start"
                note(key, Outcome.NEXT_START, reason, plugin_id)
            return old
        gone = [permission for permission in before if permission not in after]
        # What is taken away takes all that overlaps with it along, and some of that may be listed on.
        more = [p for p in after if p not in before or any(p.overlaps(other) for other in gone)]
        done = True
        for permission in gone:
            revoke = partial(self._manager.revoke_permission, plugin_id, permission)
            done &= await self._step(plugin_id, ".grants", note, f"{permission} not revoked", revoke)
        for permission in more:
            grant = partial(self._manager.grant_permission, plugin_id, permission)
            done &= await self._step(plugin_id, ".grants", note, f"{permission} not granted", grant)
        if not done:
            return old
        note(key, Outcome.APPLIED, permissions_text(gone, [p for p in after if p not in before]), plugin_id)
        kept = attrs.evolve(old, grants=new.grants)
        self._list_grants(plugin_id, new)
        self._keep(plugin_id, kept)
        if any(permission.overlaps(other) for permission in more for other in gone):
            await self._reopen(plugin_id, note)
        return kept

    async def _reopen(self, plugin_id: str, note: _Note) -> None:
        """Make a new generation: what was closed for what is gone may be open for what is left."""
        await self._step(plugin_id, ".grants", note, "not reloaded", self._manager.reload_plugin, plugin_id)

    async def _step(
        self, plugin_id: str, key: str, note: _Note, failure: str, do: Callable[..., Awaitable[object]], *args: Any
    ) -> bool:
        """Do one thing; tell where it fails."""
        try:
            await do(*args)
        except Exception as error:
            note(f"plugins.{plugin_id}{key}", Outcome.FAILED, f"{failure}: {error}", plugin_id)
            return False
        return True

    # --- what runs -----------------------------------------------------------------------------------------------

    def _is_there(self, plugin_id: str, one: PluginConfig) -> bool:
        """Tell whether a plugin is there to be changed, or failed to come up from this very configuration."""
        before = _enabled(self._running).get(plugin_id)
        return before is not None and (before == one or self._is_registered(plugin_id))

    def _is_registered(self, plugin_id: str) -> bool:
        return any(info.id == plugin_id for info in self._manager.list_plugins())

    def _keep(self, plugin_id: str, one: PluginConfig | None) -> None:
        """Take note of what runs."""
        plugins = {key: kept for key, kept in self._running.plugins.items() if key != plugin_id or one is not None}
        if one is not None:
            plugins[plugin_id] = one
        self._running = attrs.evolve(self._running, plugins=plugins)

    def _list_grants(self, plugin_id: str, one: PluginConfig | None) -> None:
        """Let the manager's policy know."""
        if self._grants is None:
            return
        if one is None or one.grants is None:
            self._grants.pop(plugin_id, None)
        else:
            self._grants[plugin_id] = one.grants

    async def _read_settled(self) -> None:
        async with self._reading:
            await self._settled()
            await self.reread()

    async def _settled(self) -> None:
        """Wait until the file stays as it is for a moment: editors write in several steps."""
        before = await to_thread.run_sync(_state_of, self._path)
        for _ in range(_LOOKS):
            await anyio.sleep(self._quiet)
            now = await to_thread.run_sync(_state_of, self._path)
            if now == before and now is not None and now[0]:
                return
            before = now


_Note = Callable[..., None]


def _enabled(config: AppConfig) -> dict[str, PluginConfig]:
    return {plugin_id: one for plugin_id, one in config.plugins.items() if one.enabled}


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """Return size, time and inode of a file; None where there is none just now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
