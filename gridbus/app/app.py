"""The application: starts what belongs together in order, and stops it in reverse."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio

from gridbus.app.hosting import LazyHost
from gridbus.app.loading import FileLoaded, load_file
from gridbus.app.watching import Watching, grant_as_listed
from gridbus.bus import Bus
from gridbus.clock import Clock
from gridbus.config import AppConfig, GridConfig, StorageConfig, StorageKind, read_config
from gridbus.contracts import StorageBackend
from gridbus.errors import GridbusError, PluginError, PluginValidationError
from gridbus.events import Event
from gridbus.events.system import APP_STARTED, APP_STOPPING, PLUGIN_FAILED, AppStarted, AppStopping, PluginFailed
from gridbus.grid import Grid
from gridbus.health import HealthService
from gridbus.manifest import Permission
from gridbus.plugins import (
    IsolationPolicy,
    PermissionPolicy,
    PluginHost,
    PluginManager,
    PluginSource,
    PluginState,
    grant_declared,
    untrusted_apart,
)
from gridbus.reload import HotReloadManager

if TYPE_CHECKING:
    from signal import Signals

T = TypeVar("T")


class App:
    """One grid, its plugins, and all that they need: ``async with App(...) as app``.

    The bus starts first, then storage, the plugin manager, the grid, the plugins and the health service; at last the
    grid's rows are loaded, so that plugins hear of them. The end goes the other way: what was published is handled
    before plugins are destroyed.

    A plugin that does not start is published as ``plugin:failed`` and listed in ``failures``; the others and the grid
    go on, unless the application is ``strict``.
    """

    def __init__(
        self,
        *,
        name: str = "app",
        grid: GridConfig | None = None,
        rows: Iterable[Mapping[str, Any]] = (),
        plugins: Iterable[PluginSource] = (),
        storage: StorageBackend | StorageConfig | None = None,
        grants: Mapping[str, Iterable[Permission | str]] | None = None,
        strict: bool = False,
        health_interval: float | None = 30.0,
        grace: float = 5.0,
        clock: Clock | None = None,
        trace: Callable[[Event[Any]], object] | None = None,
        isolation: IsolationPolicy = untrusted_apart,
        require_sandbox: bool = True,
        permissions: PermissionPolicy = grant_declared,
        host: PluginHost | None = None,
        watch: bool = False,
    ) -> None:
        """Prepare an application; it starts with ``async with``.

        Args:
            name: what it is called in its events.
            grid: name, columns, id column and file of the grid.
            rows: what to load when all plugins run, where there is no file.
            plugins: instances, classes, ``(class, config)``, ids of installed ones, ``module:Class``, folders.
            storage: where plugins keep their values; in memory by default. One that is given is not closed.
            grants: by plugin id, what it may do in the place of what it asks for.
            strict: raise where a plugin does not start, instead of going on without it.
            health_interval: seconds between two checks of how plugins are; None for none but those that are asked for.
            grace: seconds for what is left to do at the end, at each step.
            clock: where time comes from.
            trace: called with each event from the very first on; must be quick.
            isolation: says where a plugin runs for which nobody did: by default those that are neither the
                application's own nor official get processes of their own.
            require_sandbox: refuse plugins that are not trusted where this machine cannot confine them.
            permissions: who grants what to the plugins that do not stand in ``grants``.
            host: runs plugins in processes of their own, and is not closed here; one is made where it is needed.
            watch: reload plugins when their files change, and follow the file that declares the application. Without
                it, ``manager.enable_hot_reload`` does so for one plugin.
        """
        self._name, self._grid_config = name, grid or GridConfig()
        self._rows, self._sources = rows, tuple(plugins)
        self._ids: tuple[str | None, ...] = (None,) * len(self._sources)  # that the plugins are to have, where told
        self._settings: tuple[dict[str, Any], ...] = ({},) * len(self._sources)  # options of their registration
        self._storage_given = storage
        self._grants: dict[str, Sequence[Permission | str]] = {
            plugin_id: tuple(permissions) for plugin_id, permissions in (grants or {}).items()
        }
        self._strict, self._health_interval = strict, health_interval
        self._grace, self._clock, self._trace = grace, clock, trace
        self._isolation, self._require_sandbox = isolation, require_sandbox
        self._permissions, self._host = permissions, host
        self._watch = watch
        self._declared: tuple[Path, AppConfig] | None = None  # the file, where there is one, and what it said
        self._failures: list[PluginFailed] = []
        self._reason = "the end of its block"
        self._stack = AsyncExitStack()
        self._bus: Bus | None = None
        self._manager: PluginManager | None = None
        self._grid: Grid | None = None
        self._reloader: HotReloadManager | None = None

    @classmethod
    def from_config(cls, config: AppConfig | Path | str, *, strict: bool = False, **options: Any) -> Self:
        """Return the application that a file declares, see ``gridbus.config.AppConfig``; other options as above.

        Raises:
            ConfigError: the file cannot be read, or something in it cannot be used; all problems are listed.
        """
        path = None if isinstance(config, AppConfig) else Path(config)
        if not isinstance(config, AppConfig):
            config = read_config(config)
        enabled = {plugin_id: one for plugin_id, one in config.plugins.items() if one.enabled}
        app = cls(
            name=config.name,
            grid=config.grid,
            plugins=[(one.use or plugin_id, one.config or None) for plugin_id, one in enabled.items()],
            storage=config.storage,
            grants={plugin_id: one.grants for plugin_id, one in enabled.items() if one.grants is not None},
            strict=strict,
            **{
                "health_interval": config.health_interval,
                "require_sandbox": config.isolation.require,
                **options,
            },
        )
        app._declared = None if path is None else (path, config)
        app._ids = tuple(enabled)
        app._settings = tuple(
            {"isolation": one.isolation, "limits": one.limits or None, "site": one.site} for one in enabled.values()
        )
        return app

    @property
    def name(self) -> str:
        """What it is called in its events."""
        return self._name

    @property
    def bus(self) -> Bus:
        """The bus."""
        return _started(self._bus)

    @property
    def manager(self) -> PluginManager:
        """The plugin manager."""
        return _started(self._manager)

    @property
    def grid(self) -> Grid:
        """The grid."""
        return _started(self._grid)

    @property
    def reloader(self) -> HotReloadManager:
        """What reloads plugins when their files change."""
        return _started(self._reloader)

    @property
    def plugins(self) -> tuple[str, ...]:
        """The ids of the plugins that run."""
        return tuple(info.id for info in self.manager.list_plugins(state="running"))

    @property
    def failures(self) -> tuple[PluginFailed, ...]:
        """What failed in the life of a plugin, in order: loading, configuring, initializing, destroying."""
        return tuple(self._failures)

    async def __aenter__(self) -> Self:
        """Start everything.

        Raises:
            GridbusError: something could not start, and what had started is stopped again; or it was started before.
        """
        if self._bus is not None:
            raise GridbusError(f"application {self._name!r} starts once: make another")
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything, in reverse; what was published by then is handled."""
        if error is not None:
            self._reason = f"{type(error).__name__}: {error}".rstrip(": ")
        await self._stop()

    async def load(self, path: str | os.PathLike[str]) -> FileLoaded:
        """Load a file into the empty grid; it can be cancelled, and ``data:progress`` tells how far it is.

        Raises:
            FileReadError, FileFormatError: it cannot be read, or is no table.
            GridError: the grid does not take it.
        """
        return await load_file(self.grid, self.bus, path)

    async def run_until_signal(self) -> Signals:
        """Wait for Ctrl-C or SIGTERM and return which it was; leaving the block then drains and closes."""
        import signal

        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            async for number in received:
                self._reason = number.name
                return number
        raise AssertionError("the receiver of signals ended by itself")

    async def _start(self) -> None:
        stack = self._stack
        bus = self._bus = await stack.enter_async_context(Bus(clock=self._clock, grace=self._grace))
        if self._trace is not None:
            bus.trace(self._trace)
        bus.on(PLUGIN_FAILED, lambda event: self._failures.append(event.payload), name="failures")
        storage = self._open_storage()
        host = self._host
        if host is None:
            host = own = LazyHost(bus, require_sandbox=self._require_sandbox)
            stack.push_async_callback(own.aclose)
        permissions = grant_as_listed(self._grants, self._permissions)
        self._manager = await stack.enter_async_context(
            PluginManager(bus, storage=storage, permissions=permissions, host=host, isolation=self._isolation)
        )
        self._reloader = await stack.enter_async_context(HotReloadManager(bus))
        config = self._grid_config
        self._grid = Grid(bus, name=config.name, columns=config.columns, id_column=config.id_column)
        await stack.enter_async_context(self._grid)
        stack.push_async_callback(self._manager.aclose)
        await self._start_plugins(self._manager)
        if self._watch:
            await self._start_watching(bus, self._manager, self._reloader)
        if self._health_interval is not None:
            await stack.enter_async_context(HealthService(bus, interval=self._health_interval))
        stack.push_async_callback(self._drain)
        if config.file is not None:
            await self.load(config.file)
        elif self._rows:
            await self._grid.load(config.columns or None, self._rows)
        await bus.publish(APP_STARTED, AppStarted(self._name, self.plugins))

    async def _start_plugins(self, manager: PluginManager) -> None:
        """Start the plugins in the order of their dependencies; one that fails does not keep the others from it."""
        errors: list[PluginError] = []
        ids: list[str] = []
        for source, plugin_id, settings in zip(self._sources, self._ids, self._settings, strict=True):
            try:
                info = await manager.register(source, **settings)
                if plugin_id not in (None, info.id):
                    await self._refuse_other(manager, info.id, str(plugin_id))
                ids.append(info.id)
            except PluginError as error:
                errors.append(error)
        for plugin_id in ids:
            try:
                if manager.get_plugin(plugin_id).state is PluginState.REGISTERED:  # it may have come up for another
                    await manager.initialize(plugin_id)
            except PluginError as error:
                errors.append(error)
        if errors and self._strict:
            raise errors[0] if len(errors) == 1 else ExceptionGroup(f"{len(errors)} plugins did not start", errors)

    async def _start_watching(self, bus: Bus, manager: PluginManager, reloader: HotReloadManager) -> None:
        watching = Watching(bus, manager, reloader)
        self._stack.push_async_callback(watching.aclose)
        await watching.start()
        if self._declared is not None:
            watching.follow(*self._declared, self._grants)

    async def _refuse_other(self, manager: PluginManager, found: str, expected: str) -> None:
        """Refuse a plugin that calls itself otherwise than the application does: its grants would go astray."""
        await manager.unregister_and_destroy(found)
        error = PluginValidationError(f"the plugin that is configured as {expected!r} is {found!r}", expected)
        fact = PluginFailed(expected, "configure", type(error).__name__, str(error))
        await self.bus.publish(PLUGIN_FAILED, fact, source="app")
        raise error

    def _open_storage(self) -> StorageBackend:
        """Return where plugins keep their values; one that is made here is closed here."""
        given = self._storage_given
        if given is not None and not isinstance(given, StorageConfig):
            return given
        from gridbus.storage import MemoryStorage, SQLiteStorage

        storage: StorageBackend
        if given is not None and given.kind is StorageKind.SQLITE and given.path is not None:
            storage = SQLiteStorage(given.path, durable=given.durable)
        else:
            storage = MemoryStorage()
        self._stack.push_async_callback(storage.aclose)
        return storage

    async def _drain(self) -> None:
        """Tell that the end has come, and let plugins handle what was published."""
        await self.bus.publish(APP_STOPPING, AppStopping(self._name, self._reason))
        with anyio.move_on_after(self._grace):
            await self.bus.drain()

    async def _stop(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._stack.aclose()


def _started(part: T | None) -> T:
    if part is None:
        raise GridbusError("the application has not started: async with App(...) as app")
    return part
