"""The plugin manager: registers, initializes, watches and destroys plugins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gridbus.bus import Bus
from gridbus.channels.plugins import PluginInfo, PluginState
from gridbus.contracts import StorageBackend
from gridbus.errors import (
    GridbusError,
    PluginError,
    PluginLoadError,
    PluginNotFoundError,
    PluginStateError,
    PluginValidationError,
)
from gridbus.events.system import PLUGIN_REGISTERED, PluginRegistered
from gridbus.manifest import (
    Isolation,
    Permission,
    ResourceLimits,
    ValidationResult,
)
from gridbus.plugins import serving
from gridbus.plugins.admission import Admission
from gridbus.plugins.apart import Apart
from gridbus.plugins.boarding import Boarding
from gridbus.plugins.config import check_config, plugin_name
from gridbus.plugins.configuring import Configuring
from gridbus.plugins.granting import Granting
from gridbus.plugins.hosting import PluginHost
from gridbus.plugins.lifecycle import Lifecycle
from gridbus.plugins.loader import Loader, PluginSource
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.policy import PermissionPolicy, grant_declared, grant_listed
from gridbus.plugins.record import Record
from gridbus.plugins.renewal import Renewal
from gridbus.plugins.swapping import Swapping
from gridbus.plugins.trust import IsolationPolicy, by_manifest
from gridbus.plugins.watch import Watch


class PluginManager(Renewal):
    """Keeps the plugins of one bus: ``async with PluginManager(bus) as manager``.

    It answers on the channels of ``gridbus.channels.plugins`` from the first registration, or the beginning of the
    block, on. Leaving the block destroys all plugins, in reverse order. What happens is told by ``plugin:*`` topics.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        storage: StorageBackend | None = None,
        permissions: PermissionPolicy | Mapping[str, Iterable[Permission | str]] = grant_declared,
        load_timeout: float = 30.0,
        host: PluginHost | None = None,
        isolation: IsolationPolicy = by_manifest,
    ) -> None:
        """Prepare a manager.

        Args:
            bus: where plugins live; an open one, by the time of the first registration.
            storage: where plugins keep their values; without one, ``ctx.storage`` is an error.
            permissions: who grants permissions, or a table of plugin ids and what each is granted; plugins that do not
                stand there get what they declare.
            load_timeout: seconds that importing a plugin's code may take.
            host: runs plugins in processes of their own; without one, all run inline.
            isolation: says where a plugin runs for which nobody said so at its registration.
        """
        policy = grant_listed(permissions) if isinstance(permissions, Mapping) else permissions
        super().__init__(bus)
        self._store = storage
        self._lifecycle = Lifecycle(
            bus,
            self._facts,
            store=storage,
            policy=policy,
            forget=self._registry.forget,
        )
        self._boarding = Boarding(self._registry, self._lifecycle, self._check_open)
        self._admission = Admission(Loader(timeout=load_timeout), Apart(host, self._lifecycle.grant), isolation)
        self._permissions = Granting(self._registry, self._facts, self._lifecycle.decisions)
        self._swapping = Swapping(
            bus, self._registry, self._facts, self._lifecycle, self._admission, self._permissions, self._leaks
        )
        self._configuring = Configuring(bus, self._registry, self._facts, self._swapping)
        self._started = False

    async def __aenter__(self) -> Self:
        """Begin to answer on the manager's channels."""
        self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Destroy all plugins."""
        await self.aclose()

    async def aclose(self) -> None:
        """Destroy all plugins in reverse order, the last that came up first, and leave the channels."""
        self._closed = True
        for record in self._registry:
            if record.state is PluginState.INITIALIZING:
                await record.settled.wait()
        for record in sorted(self._registry, key=lambda record: record.rank, reverse=True):
            await self._end(record)
        self._leaks.close()
        await self._scope.aclose()

    # --- coming up -----------------------------------------------------------------------------------------------

    async def register(
        self,
        plugin: PluginSource,
        config: Any = None,
        *,
        isolation: Isolation | str | None = None,
        limits: ResourceLimits | Mapping[str, Any] | None = None,
        site: Path | str | None = None,
    ) -> PluginInfo:
        """Load, configure and check a plugin; nothing of it runs before ``initialize``.

        Args:
            plugin: an instance, a class, ``module:Class``, a folder with a manifest, or the id of an installed one.
            config: a configuration, or plain values to make one of; not for instances, which have theirs.
            isolation: where it runs, whatever it says itself; the manager's policy decides where None.
            limits: what it may use, whatever it says itself; or some of the limits, by name.
            site: a folder with libraries of its own, which its process finds before all others.

        Raises:
            PluginNotFoundError, PluginLoadError: its code is not there, or cannot be imported.
            PluginValidationError: metadata or configuration cannot be used; the message lists each problem.
            PluginConflictError: its id or one of its namespaces is taken; the message names both plugins.
            PluginDependencyError: it needs another version of gridbus.
            PluginPermissionError: it was granted to start programs from a process of its own.
            IsolationError: it cannot be run in a process of its own here.
            PluginStateError: the manager is closed.
        """
        self._start()
        try:
            record = await self._admission.load(plugin, config, isolation=isolation, limits=limits, site=site)
        except PluginError as error:
            stage = "load" if isinstance(error, PluginLoadError | PluginNotFoundError) else "configure"
            await self._facts.failed(error.plugin_id or _name_of(plugin), stage, error)
            raise
        try:
            self._start()  # it may have been closed meanwhile
            self._registry.add(record)
        except GridbusError:
            record.release()
            raise
        metadata = record.metadata
        fact = PluginRegistered(metadata.id, metadata.version, metadata.name, metadata.category)
        try:
            await self._facts.tell(PLUGIN_REGISTERED, fact)
        except BaseException:
            await self._lifecycle.deactivate(record)
            raise
        return record.info()

    async def initialize(self, plugin_id: str) -> PluginInfo:
        """Bring up a registered plugin, and before it those registered ones that it depends on.

        Where this fails or is cancelled, nothing of the plugin remains; plugins that it depends on and that came up
        stay.

        Raises:
            PluginNotFoundError: it is not registered.
            PluginStateError: it is beyond being initialized.
            PluginDependencyError: a dependency is missing, does not fit or did not come up, or they form a circle; the
                message names the path.
            PluginInitializationError: ``initialize`` or one of its handlers failed; the cause is what it raised.
            PluginPermissionError: it was not granted what its handlers need.
        """
        record = self._registry.get(plugin_id)
        if record.state is not PluginState.REGISTERED:
            raise PluginStateError(f"plugin {plugin_id!r} is {record.state.value}, not registered", plugin_id)
        errors = await self._boarding.bring_up([plugin_id])
        if plugin_id in errors:
            raise errors[plugin_id]
        return record.info()

    async def register_and_initialize(self, plugin: PluginSource, config: Any = None, **options: Any) -> PluginInfo:
        """Register a plugin and bring it up; options as ``register``; raises what that and ``initialize`` raise."""
        return await self.initialize((await self.register(plugin, config, **options)).id)

    async def register_and_initialize_all(self, plugins: Iterable[PluginSource]) -> tuple[PluginInfo, ...]:
        """Register plugins and bring them up in the order of their dependencies.

        Raises:
            ExceptionGroup: of one ``PluginError`` for each plugin that failed; the others run.
        """
        errors: list[Exception] = []
        ids: list[str] = []
        try:
            for plugin in plugins:
                try:
                    ids.append((await self.register(plugin)).id)
                except PluginError as error:
                    errors.append(error)
            errors += (await self._boarding.bring_up(ids)).values()
        except BaseException:
            await self._boarding.give_up(ids)
            raise
        if errors:
            raise ExceptionGroup(f"{len(errors)} plugins did not come up", errors)
        return tuple(self.get_plugin(plugin_id) for plugin_id in ids)

    # --- going down ----------------------------------------------------------------------------------------------

    async def unregister_and_destroy(self, plugin_id: str, *, cascade: bool = False) -> tuple[str, ...]:
        """Destroy a plugin and forget it; return the ids that are gone, in the order in which they went.

        Its handlers finish what waits, ``destroy`` runs, its tasks are cancelled and its clean-ups run, each within
        the plugin's ``destroy_timeout``. What fails or hangs is published as ``plugin:failed``; the plugin goes anyway.

        Args:
            plugin_id: the plugin.
            cascade: destroy those that need it as well, before it.

        Raises:
            PluginNotFoundError: it is not registered.
            PluginDependencyError: others need it; the message names them.
            PluginStateError: it is on its way up or down.
            ReentrancyError: one of its own handlers waits for this.
        """
        going = self._registry.going(plugin_id, cascade=cascade)
        for record in going:
            await self._end(record)
        return tuple(record.id for record in going)

    # --- permissions ---------------------------------------------------------------------------------------------

    async def grant_permission(self, plugin_id: str, permission: Permission | str) -> None:
        """Grant a running plugin one more permission; a process gets what its sandbox holds by starting anew.

        Raises:
            PluginNotFoundError: it is not registered.
            PluginStateError: it does not run.
            PluginPermissionError: no plugin in a process of its own may have it.
        """
        await self._permissions.grant(plugin_id, permission)

    async def revoke_permission(self, plugin_id: str, permission: Permission | str) -> None:
        """Take a permission from a running plugin: what is open and needs it is closed, and its next uses are refused.

        Each granted permission goes that has anything in common with it: ``subscribe:*`` goes whole where
        ``subscribe:row:*`` is revoked. It stays revoked while this manager lives, whatever the plugin asks for.

        Raises:
            PluginNotFoundError, PluginStateError: as ``grant_permission``.
            StorageError: it is revoked, but an answer of an earlier run could not be erased.
        """
        await self._permissions.revoke(plugin_id, permission)

    # --- configuration -------------------------------------------------------------------------------------------

    async def validate_plugin_config(self, plugin: PluginSource, config: Any) -> ValidationResult:
        """Tell whether a configuration would do for a plugin, registered or not.

        Raises:
            PluginNotFoundError, PluginLoadError: its code is not there, or cannot be imported.
        """
        record = self._registry.find(plugin) if isinstance(plugin, str) else None
        known = plugin if record is None else record.plugin
        recipe = None if record is None else record.recipe
        source = type(known) if isinstance(known, Plugin) else plugin if recipe is None else recipe.source
        options = {} if recipe is None else recipe.options
        try:
            loaded = await self._admission.load(source, config, **options)
        except PluginValidationError as error:
            return ValidationResult(False, error.details.get("problems") or (f"{error} @ $",))
        try:
            made = loaded.plugin
            return check_config(made, made.config) if isinstance(made, Plugin) else ValidationResult(True)
        finally:
            loaded.release()

    # --- within --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._check_open()
        if not self._started:
            serving.serve(self._scope, self)
            Watch(self._scope, self._registry)
            self._started = True

    async def _end(self, record: Record) -> None:
        """Destroy a plugin, whatever generation of it serves by then, or wait for whoever does."""
        async with self._swapping.turns(record.id).ending():
            record = self._registry.find(record.id) or record
            if record.state is PluginState.DESTROYING:
                await record.settled.wait()
            elif record.plugin is not None:
                await self._lifecycle.deactivate(record)
            self._swapping.forget(record.id)


def _name_of(source: Any) -> str:
    """Name what could not be loaded."""
    return plugin_name(source) if isinstance(source, type) else str(source)
