"""What stands in the application for a plugin that runs in a process of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import anyio
import msgspec

from gridbus.bus import Job
from gridbus.channels.plugins import PluginState
from gridbus.errors import (
    BusClosed,
    GridbusError,
    IsolationError,
    MailboxFull,
    PeerGone,
    PluginCrashed,
    PluginQuarantined,
    PluginValidationError,
)
from gridbus.events import Topic
from gridbus.events.system import (
    PLUGIN_CRASHED,
    PLUGIN_LIMIT_REACHED,
    PLUGIN_QUARANTINED,
    PLUGIN_RESTARTED,
    PluginLimitReached,
    PluginRestarted,
)
from gridbus.events.system import PluginCrashed as CrashedFact
from gridbus.events.system import PluginQuarantined as QuarantinedFact
from gridbus.hosting.parent.calls import Calls
from gridbus.hosting.parent.event_relay import Numbered
from gridbus.hosting.parent.exits import Verdict
from gridbus.hosting.parent.life import Life
from gridbus.hosting.parent.relays import Relays
from gridbus.hosting.parent.restarts import Restarts
from gridbus.hosting.parent.surroundings import Surroundings
from gridbus.hosting.protocol import Start as StartCall
from gridbus.hosting.protocol import Succeed
from gridbus.isolation.meter import ProcessUsage, Reached
from gridbus.isolation.wire import Peer, pack, unpack
from gridbus.manifest import Permission, PluginHealth, PluginMetadata
from gridbus.plugins import HostedDeclaration, PluginContext
from gridbus.plugins.hosting import PackedState

Start: TypeAlias = Callable[[Any, tuple[Permission, ...] | None], Awaitable[Life]]

_REST = 0.03  # seconds until the next spare process is made, where a reload comes first
_GRACE = 1.0  # seconds that a process is given to end after its plugin was destroyed


class HostedPlugin:
    """The application's end of one plugin: its context, its handlers on the bus, and whatever process it has now.

    To the manager it is a plugin like any other. When its process goes, the handlers stay and keep what arrives; the
    next process takes them up.
    """

    metadata: PluginMetadata
    config: Any
    ctx: PluginContext
    declared: tuple[HostedDeclaration, ...]
    hooks: tuple[str, ...]
    confinement: Mapping[str, str]

    def __init__(self, around: Surroundings, start: Start, *, plugin_id: str) -> None:
        """Prepare; ``start`` starts a process, makes it load the plugin and returns both.

        Args:
            around: what it shares with the others.
            start: returns a ``Life`` whose plugin is loaded; gets its configuration, and what is granted now, None at
                first.
            plugin_id: its id.
        """
        self.id = plugin_id
        self._around, self._start = around, start
        self._bus, self._clock = around.bus, around.bus.clock
        self._restarts = Restarts(around.restarts)
        self._life: Life | None = None
        self._relays: Relays | None = None
        self._given: tuple[bytes | None, str] = (None, "")
        self._changed = anyio.Event()
        self._ended: IsolationError | None = None
        self._is_ending = False
        self._lives = 0  #: processes that have gone
        self._watching: Job | None = None
        self.peer: Peer | None = None  #: of the process that is there; None while there is none
        self.on_state: Callable[[PluginState], object] = _ignore

    # --- as a plugin ---------------------------------------------------------------------------------------------

    async def load(self, config: Any) -> None:
        """Start the first process, and take what it says about the plugin.

        Raises:
            PluginLoadError, PluginValidationError: as inline.
            IsolationError: the process did not come up.
        """
        self._life = await self._start(config, None)
        loaded = self._life.loaded
        self.config, self.confinement, self.hooks = config, loaded.confinement, loaded.hooks
        try:
            self.metadata = msgspec.convert(loaded.metadata, PluginMetadata)
            self.declared = tuple(
                HostedDeclaration(
                    declared.kind,
                    declared.subject,
                    None if declared.permission is None else Permission.parse(declared.permission),
                )
                for declared in loaded.declared
            )
        except (msgspec.MsgspecError, GridbusError) as error:
            raise PluginValidationError(f"plugin {self.id!r} says of itself what cannot be: {error}", self.id) from None
        self.id = self.metadata.id

    async def initialize(self, ctx: PluginContext, *, live: bool) -> None:
        """Initialize the plugin in its process; what it declares is live when this returns, or made to take over."""
        life = self._life
        assert life is not None  # it was loaded before
        self.ctx = ctx
        self._relays = Relays(ctx, self, self._around.packed)
        await self._begin(life)
        if live:
            self._around.started()
        else:
            self._clock.call_later(_REST, self._around.started)
        self._watching = self._bus.start_job(self._watch, name=f"process of {self.id}", owner="manager")

    async def destroy(self) -> None:
        """Destroy the plugin in its process, and end the process."""
        self._is_ending = True
        life = self._life
        try:
            if life is not None and self.peer is not None:
                await life.peer.call("destroy", None)
        except PeerGone:
            pass  # it is gone already
        finally:
            self._end(PluginCrashed(f"plugin {self.id!r} was destroyed", self.id))
            if life is not None:
                await life.end(grace=_GRACE)

    async def health_check(self) -> PluginHealth:
        """Ask the plugin how it is; a process that is not there is a warning while it is started again."""
        peer = self.peer
        if self._ended is not None:
            return PluginHealth.error(str(self._ended))
        if peer is None:
            return PluginHealth.warning(f"its process is gone and is started again ({self._restarts.recent} of late)")
        health: PluginHealth = unpack(await peer.call("health", None), PluginHealth)
        return health

    async def snapshot_state(self) -> PackedState | None:
        """Return the plugin's state, packed; None where it has none."""
        data = None if self.peer is None else await self.peer.call("snapshot", None)
        return None if data is None else PackedState(data, partial(unpack, data, object))

    async def succeed(self, state: Any, from_version: str) -> PluginHealth:
        """Restore what an earlier generation left, here or elsewhere, do what remains, and ask the plugin how it is."""
        data = state.data if isinstance(state, PackedState) else None if state is None else pack(state)
        packed = await self._there().call("succeed", Succeed(data, from_version))
        health: PluginHealth = unpack(packed, PluginHealth)
        return health

    async def contracts(self) -> Mapping[str, str]:
        """Return what the channels promise that the plugin serves; nothing where its process is gone."""
        return {} if self.peer is None else await self.peer.call("contracts", None)

    async def reconfigure(self, config: Any) -> bool:
        """Give the plugin another configuration; return whether it took it as it runs."""
        is_taken: bool = await self._there().call("configure", config)
        if is_taken:
            self.config = config  # the next process begins with it
        return is_taken

    def release(self) -> None:
        """Let go of the process, however it is."""
        self._is_ending = True
        self._end(PluginCrashed(f"plugin {self.id!r} is gone", self.id))
        life, self._life = self._life, None
        if life is not None:
            life.drop()
        self.on_state = _ignore
        self._around.forget(self)

    def process_usage(self) -> Mapping[str, Any]:
        """Return what its process uses: fields of ``ResourceUsage``."""
        usage = ProcessUsage() if self._life is None else self._life.usage
        return {
            "pid": 0 if self._life is None else self._life.pid,
            "cpu_seconds": usage.cpu_seconds,
            "cpu_percent": usage.cpu_percent,
            "memory_bytes": usage.rss_bytes,
            "threads": usage.threads,
            "file_bytes": usage.file_bytes,
        }

    # --- while it runs -------------------------------------------------------------------------------------------

    def ping(self) -> None:
        """Give a process that has nothing to do something that it answers at once."""
        peer = self.peer
        if peer is None or peer.pending:
            return

        async def ask() -> None:
            with suppress(IsolationError):
                await peer.call("ping", None)

        self.poke()
        self._bus.start_job(ask, name=f"ping of {self.id}", owner="manager")

    def poke(self) -> None:
        """Note that the process got work after it had none."""
        if self._life is not None:
            self._life.poke()

    async def up(self, relay: Numbered) -> Peer:
        """Return the peer as soon as a process has taken up a relay.

        Raises:
            PluginCrashed: none ever will.
        """
        while True:
            if self._ended is not None:
                raise PluginCrashed(str(self._ended), self.id)
            if self.peer is not None and relay.number:
                return self.peer
            await self._changed.wait()

    async def apply_grants(self, granted: tuple[Permission, ...], *, restart: bool) -> None:
        """Tell the process what is granted now; what its sandbox holds changes only with a new process.

        Args:
            granted: all of it.
            restart: end the process, so that the next one gets the sandbox that fits.
        """
        if restart and self._life is not None:
            with suppress(Exception):  # what it cannot tell, it cannot keep
                state = await self.snapshot_state()
                self._given = (None if state is None else state.data, self.metadata.version)
            self.peer = None
            self._life.end_for(Verdict("grants", "its permissions changed, which takes a new process"))
            while self.peer is None and self._ended is None:
                await self._changed.wait()
        elif self.peer is not None:
            await self.peer.call("grants", tuple(map(str, granted)))

    def _there(self) -> Peer:
        if self.peer is None:
            raise PluginCrashed(f"the process of plugin {self.id!r} is gone", self.id)
        return self.peer

    async def _begin(self, life: Life) -> None:
        relays = self._relays
        assert relays is not None
        calls = Calls(self.ctx, relays, life.pass_descriptor)
        life.serve(calls.handlers(), relays, limit_reached=self._limit_reached, gone=self._gone)
        self.peer = life.peer
        granted = tuple(map(str, self.ctx.granted))
        state, from_version = self._given
        ready = await life.peer.call("start", StartCall(granted, state, from_version))
        for wanted in ready.subscriptions:
            relays.subscribe(wanted)
        self._given = (None, "")  # a later life must not go back to it
        self._note_change()
        relays.nudge()

    def _gone(self, peer: Peer) -> None:
        """Hand nothing more to a process that is dying: what is not in it yet waits for the next."""
        if self.peer is peer:
            self.peer = None

    async def _watch(self) -> None:
        """Start a new process whenever one is gone, until it is enough."""
        while self._life is not None and not self._is_ending and self._ended is None:
            verdict: Verdict | None = await self._life.ended()
            while verdict is not None and not self._is_ending and self._ended is None:
                verdict = await self._again(verdict)

    async def _again(self, verdict: Verdict) -> Verdict | None:
        """Tell that a process is gone and start the next; return why that did not work, None where it did."""
        life, relays = self._life, self._relays
        assert life is not None
        assert relays is not None
        self.peer = None
        lost = relays.lose()
        self._lives += 1
        is_wanted = verdict.reason == "grants"
        delay = 0.0 if is_wanted else None if verdict.is_final else self._restarts.failed(self._clock.monotonic())
        if not is_wanted:
            await self._tell(PLUGIN_CRASHED, self._crashed(life, verdict, lost, delay))
        if delay is None:
            await self._quarantine(relays, verdict)
            return None
        self.on_state(PluginState.RESTARTING)
        await self._clock.sleep(delay)
        if self._is_ending:
            return None
        began = self._clock.monotonic()
        waiting = relays.waiting
        try:
            with anyio.fail_after(self.metadata.limits.initialize_timeout):
                self._life = await self._start(self.config, self.ctx.granted)
                self.confinement = self._life.loaded.confinement
                await self._begin(self._life)
        except Exception as error:  # whatever its modules or its ``initialize`` raise
            return await self._why_not(error)
        relays.drop_orphans()
        self._around.started()
        self.on_state(PluginState.RUNNING)
        seconds = self._clock.monotonic() - began
        await self._tell(PLUGIN_RESTARTED, PluginRestarted(self.id, self._restarts.recent, waiting, seconds))
        return None

    async def _why_not(self, error: Exception) -> Verdict:
        """Return why a new process did not come up; one that ended by itself has a reason of its own."""
        life, reason = self._life, "exit"
        if isinstance(error, PeerGone) and life is not None:
            return await life.ended()
        if isinstance(error, PluginCrashed):
            reason = error.details.get("reason", reason)
        if life is not None:
            life.drop()
        return Verdict(reason, f"it did not come up again: {type(error).__name__}: {error}")

    async def _quarantine(self, relays: Relays, verdict: Verdict) -> None:
        dropped = relays.waiting
        relays.drop_orphans(keep_guards=True)
        reason = f"plugin {self.id!r} is in quarantine: {verdict.message}; reload it when that is repaired"
        self._end(PluginQuarantined(reason, self.id))
        self.on_state(PluginState.QUARANTINED)
        await self._tell(PLUGIN_QUARANTINED, QuarantinedFact(self.id, verdict.reason, verdict.message, dropped))

    def _crashed(self, life: Life, verdict: Verdict, lost: int, delay: float | None) -> CrashedFact:
        return CrashedFact(
            self.id,
            verdict.reason,
            verdict.message,
            lost,
            self._lives,
            delay,
            life.cpu_seconds,
            life.max_memory_bytes,
        )

    def _limit_reached(self, reached: Reached) -> None:
        fact = PluginLimitReached(self.id, reached.limit, reached.allowed, reached.action)
        with suppress(BusClosed):  # nobody would hear it
            self._bus.start_job(self._tell, PLUGIN_LIMIT_REACHED, fact, name="limit reached", owner="manager")

    def _end(self, error: IsolationError) -> None:
        self.peer = None
        if self._ended is None:
            self._ended = error
        if self._is_ending and self._watching is not None:
            self._watching.cancel()
        self._note_change()

    def _note_change(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _tell(self, topic: Topic[Any], fact: Any) -> None:
        try:
            self._bus.publish_nowait(topic, fact, source="manager")
        except MailboxFull:
            await self._bus.publish(topic, fact, source="manager")


def _ignore(state: PluginState) -> None:
    """Stand for somebody who wants to know the state."""
