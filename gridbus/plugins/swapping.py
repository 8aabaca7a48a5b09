"""Reloading: a new generation of a plugin is made beside the one that serves, and takes over between two events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from itertools import count

import attrs

from gridbus.bus import Bus
from gridbus.bus.succession import SHORT, Succession
from gridbus.channels.plugins import PluginState
from gridbus.errors import PeerGone, PluginLoadError, PluginPermissionError, PluginReloadError, PluginStateError
from gridbus.events.system import (
    PLUGIN_DRAINED,
    PLUGIN_RELOADED,
    PLUGIN_RELOADING,
    PluginDrained,
    PluginReloaded,
    PluginReloading,
)
from gridbus.plugins.admission import Admission
from gridbus.plugins.contract import contract_of_scope, differences
from gridbus.plugins.facts import Facts
from gridbus.plugins.failure import described, strip
from gridbus.plugins.granting import Granting
from gridbus.plugins.handover import check, has_state, snapshot, succeed
from gridbus.plugins.leaks import Leaks, belongings
from gridbus.plugins.lifecycle import Lifecycle
from gridbus.plugins.loader import Edition
from gridbus.plugins.record import INITIALIZED, Record
from gridbus.plugins.registry import Registry
from gridbus.plugins.stage import finish
from gridbus.plugins.turns import Change, Turn, Turns


@attrs.frozen(kw_only=True)
class Wish:
    """What to reload, and why."""

    id: str
    reason: str = "asked for"
    files: tuple[str, ...] = ()  #: that changed
    change: Change = lambda recipe: attrs.evolve(recipe, bundle=None)  #: what to make it from
    cascade: bool = False  #: with all that need it


@attrs.define
class _Attempt:
    """One new generation on its way."""

    wish: Wish
    generation: int
    began: float
    stage: str = "load"
    changes: tuple[str, ...] = ()  #: of its channels


class Swapping:
    """Makes new generations of plugins, and lets them take over or goes back."""

    def __init__(
        self,
        bus: Bus,
        registry: Registry,
        facts: Facts,
        lifecycle: Lifecycle,
        admission: Admission,
        granting: Granting,
        leaks: Leaks,
    ) -> None:
        self._bus, self._registry, self._facts = bus, registry, facts
        self._lifecycle, self._admission, self._granting, self._leaks = lifecycle, admission, granting, leaks
        self._numbers: defaultdict[str, count[int]] = defaultdict(lambda: count(2))
        self._turns: dict[str, Turns] = {}

    def turns(self, plugin_id: str) -> Turns:
        """Return whose turn it is to change a plugin."""
        return self._turns.setdefault(plugin_id, Turns(plugin_id))

    def forget(self, plugin_id: str) -> None:
        """Note that a plugin is gone; its modules of old never come again, so their numbers do not either."""
        self._turns.pop(plugin_id, None)

    async def reload(self, wish: Wish) -> Record:
        """Let a new generation take over; return it when the one before has ended.

        Raises:
            PluginReloadError: it could not; the one before goes on. The cause is what was raised.
            PluginStateError: the plugin is going.
        """
        return await self.turns(wish.id).take(wish.change, partial(self._reload, wish))

    async def _reload(self, wish: Wish, turn: Turn) -> Record | None:
        old = self._registry.get(wish.id)
        attempt = _Attempt(wish, old.generation + 1, self._bus.clock.monotonic())
        await self._facts.tell(PLUGIN_RELOADING, PluginReloading(old.id, attempt.generation, wish.reason, wish.files))
        new: Record | None = None
        waiting, pause = 0, 0.0
        try:
            with turn.scope:
                new = await self._made(attempt, old, turn.change)
                if old.state in INITIALIZED:  # otherwise nothing of it runs yet
                    await self._prepare(attempt, old, new)
                    waiting, pause = await self._take_over(attempt, old, new)
                self._replace(old, new)
        except (Exception, SystemExit) as error:
            await self._give_up(new)
            failure = await self._failed(attempt, old, error)
            raise failure from strip(error)
        except BaseException:
            await self._give_up(new)
            raise
        if new is None or self._registry.find(old.id) is not new:  # a newer wish came
            await self._give_up(new)
            return None
        needing = self._registry.needing(new.id)
        affected = needing if attempt.changes or wish.cascade else ()
        fact = PluginReloaded(
            new.id,
            new.generation,
            new.metadata.version,
            old.metadata.version,
            wish.reason,
            self._bus.clock.monotonic() - attempt.began,
            pause,
            waiting,
            attempt.changes,
            kept=() if affected else needing,
            restarted=affected,
        )
        await finish(self._bus, partial(self._end, old, new, fact), name=f"drain {old.id}")
        for other in affected:
            reason = f"{new.id!r}, which it needs, was reloaded: {'; '.join(attempt.changes) or wish.reason}"
            with suppress(PluginReloadError, PluginStateError):  # that was told
                await self.reload(Wish(id=other, reason=reason, cascade=wish.cascade))
        return new

    # --- up to the swap ------------------------------------------------------------------------------------------

    async def _made(self, attempt: _Attempt, old: Record, change: Change) -> Record:
        """Load and configure the new generation."""
        assert old.recipe is not None  # it is registered
        recipe = change(old.recipe)
        known = old.recipe.bundle
        new = await self._admission.load(
            recipe.source,
            recipe.config,
            **recipe.options,
            edition=Edition(number=next(self._numbers[old.id]), bundle=recipe.bundle, known=known),
        )
        new.generation, new.previous, new.rank = attempt.generation, old.recipe, old.rank
        return new

    async def _prepare(self, attempt: _Attempt, old: Record, new: Record) -> None:
        """Initialize the new generation; it hears nothing yet."""
        attempt.stage = "configure"
        self._registry.check_successor(old, new)
        _refuse_changed_extensions(old, new)
        attempt.stage = "permissions"
        new.granted = await self._lifecycle.grant(new.metadata, new.asked)
        _refuse_ungranted(old, new)
        attempt.stage = "initialize"
        new.state = PluginState.INITIALIZING
        await self._lifecycle.prepare(new, live=False)
        new.state = PluginState.RUNNING
        attempt.stage = "health"
        await check(self._bus, new)
        attempt.changes = differences(await _contract(old), await _contract(new))

    async def _take_over(self, attempt: _Attempt, old: Record, new: Record) -> tuple[int, float]:
        """Hand the state over and swap, while no handler runs; return how many events waited, and for how long."""
        assert old.scope is not None
        assert new.scope is not None
        succession = Succession(old.scope, new.scope)
        standstill = succession.standstill
        try:
            attempt.stage = "snapshot"
            await standstill.settle(within=old.metadata.limits.destroy_timeout if has_state(old) else SHORT)
            state = await snapshot(self._bus, old)
            attempt.stage = "restore"
            await succeed(self._bus, new, state, old.metadata.version)
            attempt.stage = "swap"
            return succession.swap(), self._bus.clock.monotonic() - standstill.since
        finally:
            standstill.let_go()

    def _replace(self, old: Record, new: Record) -> None:
        self._registry.replace(old, new)
        if old.state in INITIALIZED:
            old.state = PluginState.DESTROYING
            new.settled.set()

    async def _give_up(self, new: Record | None) -> None:
        """Let nothing of a generation remain that did not take over."""
        if new is not None and new.plugin is not None:
            new.state = PluginState.FAILED
            dismantle = partial(self._dismantle, new, grace=0.0)
            await finish(self._bus, dismantle, name=f"refuse generation {new.generation} of {new.id}")

    async def _failed(self, attempt: _Attempt, old: Record, error: BaseException) -> PluginReloadError:
        """Tell why there is no new generation; return the error for whoever wanted one."""
        seconds = self._bus.clock.monotonic() - attempt.began
        place = await self._facts.reload_failed(old.id, attempt.generation, attempt.stage, error, seconds)
        reason = f"plugin {old.id!r} goes on as generation {old.generation}: {attempt.stage} failed: {described(error)}"
        return PluginReloadError(reason, old.id, stage=attempt.stage, **place)

    # --- after the swap ------------------------------------------------------------------------------------------

    async def _end(self, old: Record, new: Record, fact: PluginReloaded) -> None:
        """Tell that the new generation serves, and let the one before end."""
        began = self._bus.clock.monotonic()
        await self._granting.refresh(new)
        await self._facts.tell(PLUGIN_RELOADED, fact)
        plugin_id, generation = old.id, old.generation
        is_clean, cancelled = await self._dismantle(old)
        seconds = self._bus.clock.monotonic() - began
        await self._facts.tell(PLUGIN_DRAINED, PluginDrained(plugin_id, generation, is_clean, cancelled, seconds))

    async def _dismantle(self, record: Record, *, grace: float | None = None) -> tuple[bool, int]:
        """End a generation, and keep an eye on what it leaves."""
        plugin_id, generation = record.id, record.generation
        left = _own(record)
        try:
            return await self._lifecycle.dismantle(record, grace=grace)
        finally:
            self._leaks.watch(plugin_id, generation, left)


def _own(record: Record) -> list[object]:
    """Return what has to be gone when a generation is: of a folder, all that is in its modules."""
    if record.recipe is None or record.recipe.bundle is None or record.hosted is not None:
        return []  # others may rightly hold what is not imported for this plugin alone
    return belongings(type(record.plugin).__module__.partition(".")[0], record.plugin)


async def _contract(record: Record) -> Mapping[str, str]:
    """Return what the channels promise that a plugin serves."""
    if record.hosted is not None:
        with suppress(PeerGone):
            return await record.hosted.contracts()
    return {} if record.scope is None or record.hosted is not None else contract_of_scope(record.scope)


def _refuse_changed_extensions(old: Record, new: Record) -> None:
    """Refuse compiled code that has changed: a process that has loaded it keeps what it has."""
    one = None if old.recipe is None else old.recipe.bundle
    other = None if new.recipe is None else new.recipe.bundle
    if one is None or other is None or new.hosted is not None:
        return
    changed = [path for path in other.changed_since(one) if path.endswith(tuple(EXTENSION_SUFFIXES))]
    if changed:
        raise PluginLoadError(
            f"{', '.join(changed)} of plugin {new.id!r} is compiled and has changed, which no process can load anew: "
            'restart the application, or run the plugin with isolation="process"',
            new.id,
        )


def _refuse_ungranted(old: Record, new: Record) -> None:
    """Refuse a generation that asks for more than the one before and was not granted it."""
    before = (*old.metadata.permissions, *(one.permission for one in old.asked if one.permission is not None))
    wanted = (*new.metadata.permissions, *(one.permission for one in new.asked if one.permission is not None))
    for permission in wanted:
        is_new = not any(asked.covers(permission) for asked in before)
        if is_new and not any(granted.covers(permission) for granted in new.granted):
            raise PluginPermissionError(
                f"plugin {new.id!r} asks for {str(permission)!r} now, and was not granted it",
                new.id,
                permission=permission,
            )
