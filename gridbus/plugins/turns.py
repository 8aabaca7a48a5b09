"""One change of a plugin at a time, and the newest wish first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import attrs

from gridbus.errors import PluginReloadError, PluginStateError
from gridbus.plugins.record import Record


@attrs.define(eq=False)
class Turn:
    """One wish to reload a plugin, and what came of it."""

    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)  #: around what can be given up
    over: anyio.Event = attrs.field(factory=anyio.Event)
    record: Record | None = None
    error: Exception | None = None
    successor: Turn | None = None  #: the newer wish that it gave way to


class Turns:
    """The wishes of one plugin: a newer one takes the place of those that have not changed anything yet.

    Whoever wished for an older one gets what came of the newest.
    """

    def __init__(self, plugin_id: str) -> None:
        self._id = plugin_id
        self.lock = anyio.Lock()  #: held by whoever changes the plugin
        self._newest: Turn | None = None
        self._is_ending = False

    def end(self) -> None:
        """Give up what has not changed anything yet, and take no more wishes: the plugin is going."""
        self._is_ending = True
        if self._newest is not None:
            self._newest.scope.cancel()

    async def take(self, work: Callable[[Turn], Awaitable[Record | None]]) -> Record:
        """Do ``work`` when its turn has come.

        What it does within its ``Turn.scope`` is given up for a newer wish; then it returns None.

        Raises:
            PluginStateError: the plugin is going.
            Exception: what the work raised, this one or the newer one.
        """
        turn, before = Turn(), self._newest
        self._refuse_if_ending()
        self._newest = turn
        if before is not None:
            before.successor = turn
            before.scope.cancel()
        try:
            async with self.lock:
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
        if self._is_ending:
            raise PluginStateError(f"plugin {self._id!r} is going, and is not reloaded", self._id)
