"""New generations of plugins that run."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import attrs

from gridbus.bus import Bus, BusState
from gridbus.channels.plugins import RELOAD_WATCH, PluginCode, PluginInfo, WatchPlugin
from gridbus.errors import BusClosed, NoServer, PluginReloadError, PluginStateError, RemoteError
from gridbus.events.system import PLUGIN_LEAKED, PluginLeaked
from gridbus.plugins.configuring import Configuring
from gridbus.plugins.directory import Directory
from gridbus.plugins.leaks import Leaks
from gridbus.plugins.loader import PluginSource
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.record import Recipe
from gridbus.plugins.swapping import Swapping, Wish
from gridbus.plugins.whereabouts import code_of


class Renewal(Directory):
    """Reloads plugins, returns to what was before, and changes their configuration; part of ``PluginManager``."""

    _swapping: Swapping
    _configuring: Configuring

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._scope = bus.scope("manager")
        self._leaks = Leaks(bus.clock, tell=partial(self._facts.tell_now, PLUGIN_LEAKED))
        self._closed = False

    async def reload_plugin(
        self,
        plugin_id: str,
        *,
        cascade: bool = False,
        source: PluginSource | None = None,
        config: Any = None,
        reason: str = "asked for",
        files: Iterable[str] = (),
        **options: Any,
    ) -> PluginInfo:
        """Let a new generation of a plugin take over while events flow; return when the one before has ended.

        The new one is loaded, configured and initialized beside the one that serves. Then that finishes what it has in
        hand, ``snapshot_state`` of it goes to ``restore_state`` of the new one, and the new one takes its mailboxes
        over: nothing is lost, handled twice or out of order. Where any of this fails, the one that served goes on.

        A folder's code is read anew; a class, and an inline plugin's module, stay as they were imported. A wish that
        has not changed anything yet gives way to a newer one, and returns what comes of that.

        Args:
            plugin_id: the plugin.
            cascade: reload the plugins that need it as well, after it; those whose channels to it change are anyway.
            source: what to take it from instead of the place where it was.
            config: its new configuration; as it was if None.
            reason: for people, told in the events.
            files: that changed, likewise.
            options: ``isolation``, ``limits``, ``site`` as ``register``; as they were where not given.

        Raises:
            PluginNotFoundError: it is not registered.
            PluginReloadError: it is not reloaded, and goes on; the cause is what went wrong.
            PluginStateError: it is on its way up or down.
            ReentrancyError: one of its own handlers waits for this.
        """
        self._check_open()
        self._registry.check_reload(plugin_id)

        def change(recipe: Recipe) -> Recipe:
            return attrs.evolve(
                recipe,
                source=recipe.source if source is None else source,
                config=None if isinstance(source, Plugin | tuple) else recipe.config if config is None else config,
                options={**recipe.options, **options},
                bundle=None,
            )

        wish = Wish(id=plugin_id, reason=reason, files=tuple(files), change=change, cascade=cascade)
        return (await self._swapping.reload(wish)).info()

    async def rollback_plugin(self, plugin_id: str) -> PluginInfo:
        """Return to the generation of a plugin before the one that serves: its code, configuration and options.

        It takes over as a new generation, with the state of the one that serves.

        Raises:
            PluginStateError: there is none before it.
            PluginError: as ``reload_plugin``.
        """
        self._check_open()
        record = self._registry.check_reload(plugin_id)
        previous = record.previous
        if previous is None:
            raise PluginStateError(f"plugin {plugin_id!r} has no generation before this one to return to", plugin_id)
        wish = Wish(id=plugin_id, reason=f"roll back of generation {record.generation}", change=lambda _: previous)
        return (await self._swapping.reload(wish)).info()

    async def configure_plugin(self, plugin_id: str, config: Any) -> PluginInfo:
        """Give a running plugin another configuration: it takes it as it runs, or a new generation starts with it.

        Args:
            plugin_id: the plugin.
            config: as ``register``; the defaults if None.

        Raises:
            PluginReloadError: the plugin goes on with the configuration that it had; the cause is why.
            PluginError: as ``reload_plugin``.
        """
        self._check_open()
        self._registry.check_reload(plugin_id)
        return (await self._configuring.configure(plugin_id, {} if config is None else config)).info()

    async def enable_hot_reload(self, plugin_id: str) -> bool:
        """Reload a plugin whenever its files have changed; return whether that is new.

        Raises:
            PluginNotFoundError: it is not registered.
            PluginReloadError: its code cannot be reloaded from changed files; the message says why.
            PluginStateError: nobody watches files on this bus.
        """
        return await self._watch(plugin_id, wanted=True)

    async def disable_hot_reload(self, plugin_id: str) -> bool:
        """Leave a plugin as it is when its files change; return whether that is new.

        Raises:
            PluginNotFoundError, PluginStateError: as ``enable_hot_reload``.
        """
        return await self._watch(plugin_id, wanted=False)

    def code_of(self, plugin_id: str) -> PluginCode:
        """Return where the code of a plugin is.

        Raises:
            PluginNotFoundError: it is not registered.
        """
        return code_of(self._registry.get(plugin_id))

    async def check_leaks(self) -> tuple[PluginLeaked, ...]:
        """Return what of earlier generations should be gone and is not, each once; stops the loop while it looks."""
        return await self._leaks.check()

    def _check_open(self) -> None:
        if self._closed:
            raise PluginStateError("the plugin manager is closed and takes no more plugins: make a new one")
        if self._bus.state is not BusState.OPEN:
            raise BusClosed(f"the bus is {self._bus.state.value}, plugins need an open one: async with Bus() as bus")

    async def _watch(self, plugin_id: str, *, wanted: bool) -> bool:
        self._registry.get(plugin_id)
        try:
            return await self._scope.ask(RELOAD_WATCH, WatchPlugin(plugin_id, wanted), timeout=None)
        except NoServer:
            raise PluginStateError(
                "nobody watches files on this bus: start a HotReloadManager(bus), or an App(watch=True)", plugin_id
            ) from None
        except RemoteError as error:
            raise PluginReloadError(error.message, plugin_id) from None
