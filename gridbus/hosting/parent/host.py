"""The front of it all: runs plugins in processes of their own."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from gridbus.bus import Bus, Job
from gridbus.errors import SandboxError
from gridbus.hosting.coding import pack_code
from gridbus.hosting.parent.life import Life
from gridbus.hosting.parent.nursery import Nursery
from gridbus.hosting.parent.places import app_paths, readable_places
from gridbus.hosting.parent.restarts import RestartPolicy
from gridbus.hosting.parent.stand_in import HostedPlugin
from gridbus.hosting.parent.surroundings import Surroundings
from gridbus.hosting.protocol import PROTOCOL, Code, Hello
from gridbus.isolation.meter import Meter
from gridbus.isolation.sandbox import SandboxReport, SandboxSpec, probe
from gridbus.isolation.zygote import Zygote
from gridbus.manifest import Permission, PermissionKind
from gridbus.plugins.hosting import HostRequest

logger = logging.getLogger("gridbus.hosting")

ENTRY = "gridbus.hosting.child.main:run"
PRELOAD = ("gridbus.isolation.zygote.warm:event_loop", "gridbus.hosting.child.main", "gridbus.hosting.child.warm:warm")


_probe_once = cache(probe)


class ProcessHost:
    """Starts a sandboxed process for each plugin, and a new one when it is gone.

    One warm process (the zygote) is started with the first plugin; those of plugins are forked from it.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        require_sandbox: bool = True,
        restarts: RestartPolicy | None = None,
        heartbeat: float = 10.0,
        hang_after: float = 45.0,
        load_timeout: float = 30.0,
        use_fork: bool | None = None,
        confined: bool = True,
    ) -> None:
        """Prepare a host; nothing is started yet.

        Args:
            bus: where the plugins live.
            require_sandbox: refuse plugins that are not trusted where a layer of the sandbox is missing.
            restarts: how often and how soon a plugin is started again.
            heartbeat: seconds between two questions whether a process that has nothing to do still answers.
            hang_after: seconds without any progress after which a process is ended; at least the plugin's own
                ``handler_timeout`` and a few more.
            load_timeout: seconds that a process may take until its plugin is loaded.
            use_fork: fork from a warm process; by default where the platform can.
            confined: False leaves the sandbox off: processes are apart, and that is all.
        """
        self._bus, self._heartbeat = bus, heartbeat
        self._plugins: set[HostedPlugin] = set()
        fork = sys.platform == "linux" if use_fork is None else use_fork
        self._nursery = Nursery(Zygote(entry=ENTRY, preload=PRELOAD, use_fork=fork), bus)
        self._around = Surroundings(
            bus=bus,
            meter=Meter(bus.clock, start=partial(bus.start_job, owner="manager")),
            restarts=restarts or RestartPolicy(),
            hang_after=hang_after,
            load_timeout=load_timeout,
            started=self._nursery.refill,  # not before: they would compete for the processor
            forget=self._plugins.discard,
        )
        self._is_confined, self._require = confined, require_sandbox
        self._report: SandboxReport | None = None
        self._probing = anyio.Lock()
        self._beating: Job | None = None

    async def sandbox(self) -> SandboxReport:
        """Return what holds on this machine; found out once in a process."""
        async with self._probing:
            if self._report is None:
                self._report = await anyio.to_thread.run_sync(_probe_once)
        return self._report

    async def warm_up(self) -> None:
        """Start the zygote now, so that the first plugin need not wait for it."""
        await self._nursery.start()

    async def load(self, request: HostRequest) -> HostedPlugin:
        """Start a process that confines itself, imports a plugin and reads its configuration.

        Raises:
            SandboxError: the plugin is not trusted, and a layer of the sandbox is missing.
            PluginLoadError, PluginValidationError: as inline.
            IsolationError: the process did not come up.
        """
        report = await self.sandbox()
        name = request.metadata.id
        if not report.holds and not request.trusted and self._require:
            missing = "; ".join(f"{layer.name}: {layer.detail}" for layer in report.missing)
            raise SandboxError(
                f"plugin {name!r} is not trusted, and this machine cannot confine it ({missing}); run gridbus doctor, "
                "or allow it with require_sandbox=False",
                name,
            )
        if not report.holds:
            logger.warning("plugin %r runs without a whole sandbox: see gridbus doctor", name)
        if self._beating is None:
            self._beating = self._bus.start_job(self._beat, name="heartbeat of processes", owner="manager")
        start = partial(self._start, request, report.holds and self._is_confined)
        plugin = HostedPlugin(self._around, start, plugin_id=name)
        try:
            self._plugins.add(plugin)
            await plugin.load(request.config)
        except BaseException:
            plugin.release()
            raise
        return plugin

    async def aclose(self) -> None:
        """End all processes, the zygote at last."""
        if self._beating is not None:
            self._beating.cancel()
        await self._around.meter.aclose()
        await self._nursery.aclose()

    async def _beat(self) -> None:
        """Ask processes that have nothing to do whether they still answer; the meter notices those that do not."""
        while True:
            await self._bus.clock.sleep(self._heartbeat)
            for plugin in tuple(self._plugins):
                plugin.ping()

    async def _start(
        self, request: HostRequest, confined: bool, config: Any, granted: tuple[Permission, ...] | None
    ) -> Life:
        spec = self._spec(request, confined, request.granted if granted is None else granted)
        code = Code(
            request.entry,
            None if request.folder is None else str(request.folder),
            request.main,
            tuple(map(str, filter(None, (request.site, *app_paths(request))))),
        )
        hello = Hello(
            PROTOCOL,
            PROTOCOL,
            request.metadata.id,
            code,
            config,
            msgspec.to_builtins(request.metadata) if request.is_known else None,
            spec,
            logging.getLogger("gridbus.plugin").getEffectiveLevel(),
            vars(sys.modules["gridbus"])["__version__"],
        )
        packed = None if request.bundle is None else await anyio.to_thread.run_sync(pack_code, request.bundle)
        child = await self._nursery.take()
        life = Life(self._around, request, child, hello)
        try:
            if packed is not None:
                life.pass_file(packed)
            await life.load()
        except BaseException:
            life.drop()
            raise
        return life

    def _spec(self, request: HostRequest, confined: bool, granted: tuple[Permission, ...]) -> SandboxSpec:
        limits = request.limits
        base = request.folder or Path.cwd()
        paths: dict[PermissionKind, list[str]] = {PermissionKind.FS_READ: [], PermissionKind.FS_WRITE: []}
        threads = False
        for permission in granted:
            if permission.kind in paths:
                target = "/" if permission.target == "*" else permission.target
                paths[permission.kind].append(os.path.realpath(base / target))
            threads = threads or permission.kind is PermissionKind.THREADS
        return SandboxSpec(
            read=(*readable_places(request), *paths[PermissionKind.FS_READ]),
            write=tuple(paths[PermissionKind.FS_WRITE]),
            threads=threads,
            max_threads=limits.threads,
            memory_bytes=limits.memory_bytes,
            file_bytes=limits.file_bytes,
            open_files=limits.open_files,
            cpu_seconds=limits.cpu_seconds_per_event,
            enforce=confined,
        )
