"""Hot reload: plugins are reloaded when their files change, by whoever manages them on the same bus."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import attrs

from gridbus.bus import Bus, Job
from gridbus.channels.plugins import (
    PLUGIN_CODE,
    PLUGIN_LIST,
    PLUGIN_REGISTER,
    PLUGIN_RELOAD,
    RELOAD_WATCH,
    ListPlugins,
    PluginCode,
    PluginInfo,
    RegisterPlugin,
    ReloadPlugin,
    WatchPlugin,
)
from gridbus.errors import BusError, ChannelError, GridbusError, PluginError, PluginReloadError, RemoteError
from gridbus.events import Event
from gridbus.events.system import PLUGIN_RELOADED, PLUGIN_UNREGISTERED, PluginReloaded, PluginUnregistered
from gridbus.reload.follower import Follower
from gridbus.reload.lookout import Lookout
from gridbus.reload.replies import plugin_error
from gridbus.reload.sources import FileSources
from gridbus.reload.watcher import FileWatcher, WatchfilesWatcher

logger = logging.getLogger("gridbus.reload")

_SIDE_BY_SIDE = 4  # requests to watch: reading one large folder must not keep the others waiting
_GRACE = 1.0  # seconds for those in hand when everything ends

Loader = Callable[[], Any]
"""Returns what a plugin is to be taken from, plain or async: an id, ``module:Class``, a folder, a class or instance."""


@attrs.frozen(eq=False)
class _Watched:
    """One plugin that is followed."""

    follower: Follower
    job: Job


@attrs.frozen
class _Loading:
    """What the program gave for one plugin."""

    loader: Loader
    paths: tuple[Path, ...]


class HotReloadManager:
    """Reloads plugins as their files are saved: ``async with HotReloadManager(bus) as reloader``.

    It meets the plugin manager on the bus: it asks where a plugin's code is, watches the files there, and asks for a
    reload once they have settled. Others ask it on ``reload:watch``. What comes of a reload is told by the manager, as
    ``plugin:reloaded`` or ``plugin:reload_failed``.
    """

    def __init__(
        self, bus: Bus, *, watcher: FileWatcher | None = None, quiet: float = 0.005, max_wait: float = 5.0
    ) -> None:
        """Prepare it.

        Args:
            bus: an open one, by the time it starts.
            watcher: tells of changes; the operating system's by default.
            quiet: seconds for which a changed file must have been left alone.
            max_wait: seconds after which a warning tells that files do not settle.
        """
        self._bus, self._quiet, self._max_wait = bus, quiet, max_wait
        self._scope = bus.scope("reloader")
        self._lookout = Lookout(watcher or WatchfilesWatcher())
        self._watched: dict[str, _Watched] = {}
        self._loadings: dict[str, _Loading] = {}
        self._asked: dict[str, str] = {}  #: digests of what was asked for last, of plugins no longer followed as well
        self._changing = anyio.Lock()

    async def __aenter__(self) -> Self:
        """Begin to reply on ``reload:watch``.

        Raises:
            BusClosed: the bus is not open.
            AlreadyServed: another one runs on this bus.
        """
        self._scope.serve(RELOAD_WATCH, self._reply, concurrency=_SIDE_BY_SIDE)
        self._scope.on(PLUGIN_RELOADED, self._reloaded)
        self._scope.on(PLUGIN_UNREGISTERED, self._unregistered)
        self._scope.start_soon(self._lookout.run, name="watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Watch nothing more."""
        await self.destroy()

    @property
    def watched(self) -> tuple[str, ...]:
        """The ids of the plugins that are reloaded when their files change."""
        return tuple(self._watched)

    async def enable_hot_reload(self, plugin_id: str) -> bool:
        """Reload a plugin whenever its files have changed; return False where that was so already.

        The files are watched when this returns.

        Raises:
            PluginNotFoundError: there is no plugin of this id.
            PluginReloadError: it cannot be reloaded from changed files; the message tells why.
            NoServer, AskTimeout: nobody manages plugins on this bus, or they do not reply.
        """
        async with self._changing:
            if plugin_id in self._watched:
                return False
            await self._follow(await self._code(plugin_id))
            return True

    async def disable_hot_reload(self, plugin_id: str) -> bool:
        """Leave a plugin as it is, whatever happens to its files; return False where that was so already."""
        async with self._changing:
            return self._leave(plugin_id)

    def register_plugin_loader(self, plugin_id: str, loader: Loader, *, paths: Iterable[str | Path] = ()) -> None:
        """Take a plugin from what ``loader`` returns whenever it is reloaded from here.

        That makes plugins reloadable which the program itself makes. It holds for the plugins that are watched from now
        on: enable those again that are watched already.

        Args:
            plugin_id: of a plugin that is registered, or will be.
            loader: called on the event loop for each reload, plain or async; returns an id, ``module:Class``, a folder,
                a class or an instance. What it raises is why the reload fails.
            paths: files and folders to watch, beside those that the plugin manager knows.
        """
        self._loadings[plugin_id] = _Loading(loader, tuple(Path(path).absolute() for path in paths))

    async def load_plugin(self, source: Any, config: Any = None, *, watch: bool = True) -> PluginInfo:
        """Register and initialize a plugin and, with ``watch``, reload it whenever its files have changed.

        One that cannot be watched is loaded all the same; a warning in the log tells why it is not watched.

        Raises:
            PluginError: it did not come up.
            NoServer: nobody manages plugins on this bus.
        """
        try:
            info = await self._scope.ask(PLUGIN_REGISTER, RegisterPlugin(source, config), timeout=None)
        except RemoteError as error:
            raise plugin_error(error) from error
        if watch:
            try:
                await self.enable_hot_reload(info.id)
            except PluginReloadError as error:
                logger.warning("%r is loaded, and not watched: %s", info.id, error)
        return info

    async def reload_plugin(self, plugin_id: str, *, cascade: bool = False) -> PluginInfo:
        """Reload a plugin now, whether its files changed or not; with ``cascade`` also those that need it.

        Raises:
            PluginError: it was not reloaded, and goes on as it was; the error tells why.
            NoServer: nobody manages plugins on this bus.
        """
        return await self._reload(ReloadPlugin(plugin_id, cascade))

    async def reload_all_plugins(self) -> dict[str, PluginInfo | PluginError]:
        """Reload each registered plugin, in the order in which they were; return by id what came of it.

        Raises:
            NoServer: nobody manages plugins on this bus.
        """
        results: dict[str, PluginInfo | PluginError] = {}
        for info in await self._scope.ask(PLUGIN_LIST, ListPlugins()):
            try:
                results[info.id] = await self.reload_plugin(info.id)
            except PluginError as error:
                results[info.id] = error
        return results

    async def destroy(self) -> None:
        """Watch nothing more and reply to nobody; reloads that were asked for go on at the manager's."""
        self._watched.clear()
        self._lookout.close()
        for job in self._scope.jobs:  # first, so that nobody is waited for who waits for one of them
            job.cancel()
        await self._scope.aclose(grace=_GRACE)

    aclose = destroy

    async def _code(self, plugin_id: str) -> PluginCode:
        try:
            return await self._scope.ask(PLUGIN_CODE, plugin_id)
        except RemoteError as error:
            raise plugin_error(error, plugin_id) from error

    async def _follow(self, code: PluginCode) -> None:
        loading = self._loadings.get(code.id)
        if code.obstacle is not None and loading is None:
            raise _unwatchable(code.id, code.obstacle)
        sources = self._sources(code)
        if sources.is_empty:
            raise _unwatchable(
                code.id, f"{code.id!r} has no files to watch: name some to register_plugin_loader, as paths"
            )
        follower = Follower(
            code,
            sources,
            self._bus.clock,
            quiet=self._quiet,
            max_wait=self._max_wait,
            ask=lambda reason, files: self._begin_reload(follower, reason, files),
            moved=lambda places: self._lookout.move(code.id, places),
        )
        try:
            await self._lookout.follow(code.id, await follower.survey(), follower.notify)
            await follower.begin(self._asked.get(code.id, ""))
            job = self._scope.start_soon(follower.run, name=f"follow {code.id}")
        except BaseException as error:
            self._lookout.forget(code.id)
            if isinstance(error, GridbusError | OSError) and not isinstance(error, BusError):
                raise _unwatchable(code.id, f"the files of {code.id!r} cannot be watched: {error}") from error
            raise
        self._watched[code.id] = _Watched(follower, job)

    def _sources(self, code: PluginCode) -> FileSources:
        loading = self._loadings.get(code.id)
        return FileSources(code, self._bus.clock, loading.paths if loading is not None else ())

    def _leave(self, plugin_id: str) -> bool:
        watched = self._watched.pop(plugin_id, None)
        if watched is None:
            return False
        watched.job.cancel()
        self._lookout.forget(plugin_id)
        if watched.follower.last is not None:
            self._asked[plugin_id] = watched.follower.last.digest
        return True

    def _begin_reload(self, follower: Follower, reason: str, files: tuple[str, ...]) -> None:
        if self._scope.is_closed:
            return
        follower.in_flight += 1
        follower.asked += 1
        self._scope.start_soon(
            self._run_reload, follower, follower.asked, reason, files, name=f"reload {follower.code.id}"
        )

    async def _run_reload(self, follower: Follower, number: int, reason: str, files: tuple[str, ...]) -> None:
        plugin_id = follower.code.id
        try:
            await self._reload(ReloadPlugin(plugin_id, reason=reason, files=files))
            await self._look_up(follower)
        except PluginReloadError:
            pass  # that was told by the manager, or by ``_load``
        except (PluginError, ChannelError, BusError) as error:
            if number == follower.asked:  # otherwise there is newer code on its way
                logger.warning("%r goes on as it was, %s: %s", plugin_id, reason, error)
        finally:
            follower.in_flight -= 1

    async def _reload(self, message: ReloadPlugin) -> PluginInfo:
        loading = self._loadings.get(message.id)
        if loading is not None:
            message = attrs.evolve(message, source=await self._load(message.id, loading))
        try:
            return await self._scope.ask(PLUGIN_RELOAD, message, timeout=None)
        except RemoteError as error:
            raise plugin_error(error, message.id) from error

    async def _load(self, plugin_id: str, loading: _Loading) -> Any:
        try:
            source = loading.loader()
            return await source if inspect.isawaitable(source) else source
        except Exception as error:
            text = f"the loader of {plugin_id!r} failed: {type(error).__name__}: {error}"
            logger.warning("%r goes on as it was: %s", plugin_id, text)
            raise PluginReloadError(text, plugin_id, stage="load", file=None, line=None) from error

    async def _look_up(self, follower: Follower) -> None:
        """Learn where the code of the generation that serves is."""
        try:
            code = await self._code(follower.code.id)
        except (PluginError, ChannelError) as error:  # it is unregistered, or its manager closes
            logger.info("where the code of %r is was not told: %s", follower.code.id, error)
            return
        follower.serves(code, self._sources(code))

    async def _reloaded(self, event: Event[PluginReloaded]) -> None:
        watched = self._watched.get(event.payload.id)
        if watched is not None:
            await self._look_up(watched.follower)

    async def _unregistered(self, event: Event[PluginUnregistered]) -> None:
        async with self._changing:
            self._leave(event.payload.id)
            self._asked.pop(event.payload.id, None)

    async def _reply(self, message: WatchPlugin) -> bool:
        return await (self.enable_hot_reload if message.wanted else self.disable_hot_reload)(message.id)


def _unwatchable(plugin_id: str, message: str) -> PluginReloadError:
    return PluginReloadError(message, plugin_id, stage="read", file=None, line=None)
