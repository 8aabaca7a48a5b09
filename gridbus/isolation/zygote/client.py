"""What the application gets children from."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

import anyio

from gridbus.errors import ZygoteError
from gridbus.isolation.zygote.child import GONE_TIMEOUT, Child
from gridbus.isolation.zygote.launch import Plan, can_fork, check_platform, places
from gridbus.isolation.zygote.life import Life
from gridbus.isolation.zygote.output import logger
from gridbus.isolation.zygote.spawner import Spawner

START_GRACE = 5  #: seconds that a zygote may import after we have given it up: it ends by itself if we are gone


class Zygote:
    """A warm process that forks a child on request, and is started again when it died.

    Args:
        entry: ``module:function``, called in each child as ``function(sock, descriptors)``. Its return ends the
            process with 0, ``SystemExit`` with its code, another error with 70 (MemoryError: 71).
        preload: modules that are imported before the first fork; ``module:function`` is called too. They must start
            no thread. ``gridbus.isolation.zygote.warm:event_loop`` saves each child 1 ms.
        paths: where modules are found, after the standard library and before installed packages.
        use_fork: False starts an interpreter for each child, as happens by itself where there is no fork server.
        start_timeout: seconds for all imports.
        spawn_timeout: seconds for one child.

    Nothing secret is told to the zygote: each child could read it. It and its children die with the application.
    """

    on_death: Callable[[ZygoteError], None] | None
    """Called when the zygote died by itself; its children are dying then, and the next ``spawn`` starts another."""

    def __init__(
        self,
        *,
        entry: str,
        preload: Sequence[str],
        paths: Sequence[str] = (),
        use_fork: bool = True,
        start_timeout: float = 30.0,
        spawn_timeout: float = 10.0,
    ) -> None:
        self.on_death = None
        self.is_forking = use_fork and can_fork()  #: whether children are forked rather than started
        self._entry, self._preload, self._paths = entry, tuple(preload), tuple(paths)
        self._start_timeout, self._spawn_timeout = start_timeout, spawn_timeout
        self._backend: Life | Spawner | None = None
        self._starting: Life | None = None
        self._lock = anyio.Lock()
        self._children: set[Child] = set()
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """The zygote's process; None where there is none."""
        return self._backend.pid if isinstance(self._backend, Life) and self._backend.error is None else None

    async def start(self) -> None:
        """Start the zygote and wait until it takes requests; nothing if it does already.

        Raises:
            ZygoteError: with what it wrote, if something cannot be imported or takes too long.
        """
        await self._started()

    async def spawn(self) -> Child:
        """Return a new child. Cancelled, none is left.

        Raises:
            ZygoteError: the zygote cannot be started, died, refused, or does not answer.
        """
        backend = await self._started()
        try:
            with anyio.fail_after(self._spawn_timeout):
                child = await backend.spawn()
        except TimeoutError as error:
            raise ZygoteError(f"the zygote made no child within {self._spawn_timeout:g} s") from error
        if self._is_closed:
            child.kill()
            child.close()
            raise ZygoteError("the zygote was closed")
        self._children.add(child)
        return child

    async def aclose(self) -> None:
        """Kill all children, reap them and the zygote, and close every descriptor."""
        self._is_closed = True
        if self._starting is not None:
            self._starting.kill()
        with anyio.CancelScope(shield=True):
            async with self._lock:
                backend, self._backend = self._backend, None
            for child in self._children:
                child.kill()
            if backend is not None:
                await backend.aclose()
            with anyio.move_on_after(GONE_TIMEOUT):
                for child in tuple(self._children):
                    await child.wait()
            for child in tuple(self._children):
                if child.exit is None:
                    logger.error("process %d was killed %g s ago and is not gone", child.pid, GONE_TIMEOUT)
                child.close()

    async def _started(self) -> Life | Spawner:
        if self._backend is not None and self._backend.error is None and not self._is_closed:
            return self._backend
        check_platform()
        async with self._lock:
            if self._is_closed:
                raise ZygoteError("the zygote was closed")
            if self._backend is None or self._backend.error is not None:
                self._backend = await (self._fork_server() if self.is_forking else self._spawner())
            return self._backend

    async def _fork_server(self) -> Life:
        life = await Life.begin(self._plan(), on_death=self._died, forget=self._children.discard)
        self._starting = life
        try:
            if self._is_closed:
                life.kill()
            await life.until_ready(self._start_timeout)
        finally:
            self._starting = None
        return life

    async def _spawner(self) -> Spawner:
        spawner = Spawner(self._plan(), forget=self._children.discard)
        try:
            with anyio.fail_after(self._start_timeout):
                await spawner.check()
        except TimeoutError as error:
            await spawner.aclose()
            raise ZygoteError(
                f"a plugin's process took more than {self._start_timeout:g} s to import {', '.join(self._preload)}"
            ) from error
        except BaseException:
            await spawner.aclose()
            raise
        return spawner

    def _plan(self) -> Plan:
        return Plan(
            self._entry, self._preload, places(self._paths), os.getpid(), math.ceil(self._start_timeout) + START_GRACE
        )

    def _died(self, error: ZygoteError) -> None:
        logger.error("%s", error)
        if self.on_death is None:
            return
        try:
            self.on_death(error)
        except Exception:
            logger.exception("on_death failed")
