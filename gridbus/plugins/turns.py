"""One change of a plugin at a time, and the newest wish first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio
import attrs

from gridbus.errors import PluginReloadError, PluginStateError
from gridbus.plugins.record import Recipe, Record

Change: TypeAlias = Callable[[Recipe], Recipe]
"""Makes the recipe of the next generation out of that of the one that serves."""


@attrs.define(eq=False)
class Turn:
    """One wish to reload a plugin, and what came of it."""

    own: Change
    before: Turn | None = None  #: the older wish whose place it took
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)  #: around what can be given up
    over: anyio.Event = attrs.field(factory=anyio.Event)
    record: Record | None = None
    error: Exception | None = None
    successor: Turn | None = None  #: the newer wish that it gave way to

    def change(self, recipe: Recipe) -> Recipe:
        """Return the recipe with what is wished: by the older wishes too that were given up for this one."""
        before, self.before = self.before, None
        if before is not None and before.over.is_set() and before.record is None and before.error is None:
            recipe = before.change(recipe)
        return self.own(recipe)


class Turns:
    """The wishes of one plugin: a newer one takes the place of those that have not changed anything yet.

    It brings about what those wished for as well, where that is not at odds, and they get what comes of it: new code
    and a new configuration at nearly the same time are one reload with both.
    """

    def __init__(self, plugin_id: str) -> None:
        self._id = plugin_id
        self._lock = anyio.Lock()  #: held by whoever changes the plugin
        self._newest: Turn | None = None
        self._ending = 0  #: how many wait for the end of the plugin, or bring it about

    async def take(self, change: Change, work: Callable[[Turn], Awaitable[Record | None]]) -> Record:
        """Do ``work`` when its turn has come.

        What it does within its ``Turn.scope`` is given up for a newer wish; then it returns None.

        Raises:
            PluginStateError: the plugin is going.
            Exception: what the work raised, this one or the newer one.
        """
        self._refuse_if_ending()
        before = self._newest
        turn = self._newest = Turn(change, before)
        if before is not None:
            before.successor = turn
            before.scope.cancel()
        try:
            async with self._lock:
                if turn.successor is None:
                    self._refuse_if_ending()
                    turn.record = await work(turn)
        except Exception as error:
            turn.error = error
            raise
        finally:
            if self._newest is turn:
                self._newest = None
            turn.over.set()
        return turn.record or await self._result_of_newer(turn)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Let nobody else change the plugin meanwhile; waits for whoever does, and gives up nothing.

        Raises:
            PluginStateError: the plugin is going.
        """
        self._refuse_if_ending()
        async with self._lock:
            self._refuse_if_ending()
            yield

    @asynccontextmanager
    async def ending(self) -> AsyncIterator[None]:
        """Let nobody else change the plugin, which is going: give up what has not changed anything yet."""
        self._ending += 1
        if self._newest is not None:
            self._newest.scope.cancel()
        try:
            async with self._lock:
                yield
        finally:
            self._ending -= 1

    async def _result_of_newer(self, turn: Turn) -> Record:
        while turn.record is None:
            if turn.successor is None:
                self._refuse_if_ending()
                reason = "whoever wanted that gave up" if turn.error is None else str(turn.error)
                details = turn.error.details if isinstance(turn.error, PluginReloadError) else {}
                raise PluginReloadError(f"plugin {self._id!r} is not reloaded: {reason}", self._id, **details)
            turn = turn.successor
            await turn.over.wait()
        return turn.record

    def _refuse_if_ending(self) -> None:
        if self._ending:
            raise PluginStateError(f"plugin {self._id!r} is going, and is not reloaded", self._id)
