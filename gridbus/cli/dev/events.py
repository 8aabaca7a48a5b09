"""What the bus tells of the plugin that its author works on."""

from __future__ import annotations

from collections.abc import Iterator

from gridbus.bus import Bus
from gridbus.cli.dev.board import Board
from gridbus.cli.dev.facts import drained_lines, leaked_lines, reconfigured_lines, reload_failed_lines, reloaded_lines
from gridbus.cli.dev.trouble import of_handler, of_reload, of_stage, of_task
from gridbus.events import Event
from gridbus.events.system import (
    BUS_HANDLER_FAILED,
    BUS_TASK_FAILED,
    HEALTH_CHANGE,
    PLUGIN_CRASHED,
    PLUGIN_DRAINED,
    PLUGIN_FAILED,
    PLUGIN_LEAKED,
    PLUGIN_LIMIT_REACHED,
    PLUGIN_QUARANTINED,
    PLUGIN_RECONFIGURED,
    PLUGIN_RELOAD_FAILED,
    PLUGIN_RELOADED,
    PLUGIN_RESTARTED,
    HandlerFailed,
    HealthChanged,
    PluginCrashed,
    PluginFailed,
    PluginLimitReached,
    PluginQuarantined,
    PluginReloaded,
    PluginReloadFailed,
    PluginRestarted,
    TaskFailed,
)
from gridbus.manifest import PluginHealth

_COMING_UP = ("load", "configure", "initialize")  # what fails there is told by whoever asked for it


class Events:
    """Brings what happens to a plugin to the board, for as long as the bus is open."""

    def __init__(self, bus: Bus, board: Board) -> None:
        """Begin to listen."""
        self._board, self._folder = board, board.folder
        bus.on(PLUGIN_RELOADED, self._reloaded)
        bus.on(PLUGIN_RELOAD_FAILED, self._reload_failed)
        bus.on(PLUGIN_LEAKED, lambda event: self._tell(leaked_lines(event.payload)), name="leaked")
        bus.on(PLUGIN_DRAINED, lambda event: self._tell(drained_lines(event.payload)), name="drained")
        bus.on(PLUGIN_RECONFIGURED, lambda event: self._tell(reconfigured_lines(event.payload)), name="reconfigured")
        bus.on(PLUGIN_FAILED, self._failed)
        bus.on(BUS_HANDLER_FAILED, self._handler_failed)
        bus.on(BUS_TASK_FAILED, self._task_failed)
        bus.on(HEALTH_CHANGE, self._health_changed)
        bus.on(PLUGIN_CRASHED, self._crashed)
        bus.on(PLUGIN_RESTARTED, self._restarted)
        bus.on(PLUGIN_QUARANTINED, self._quarantined)
        bus.on(PLUGIN_LIMIT_REACHED, self._limit_reached)

    def _tell(self, lines: Iterator[str]) -> None:
        found = list(lines)
        if found:
            self._board.tell(*found)

    def _reloaded(self, event: Event[PluginReloaded]) -> None:
        self._board.note_reloaded(event.payload)
        self._tell(reloaded_lines(event.payload))

    def _reload_failed(self, event: Event[PluginReloadFailed]) -> None:
        self._board.failed += 1
        self._board.trouble = of_reload(event.payload, self._folder)
        self._tell(reload_failed_lines(event.payload, self._folder))

    def _failed(self, event: Event[PluginFailed]) -> None:
        if event.payload.stage not in _COMING_UP:
            self._board.note_trouble(of_stage(event.payload, self._folder))

    def _handler_failed(self, event: Event[HandlerFailed]) -> None:
        if event.payload.owner == self._board.name:
            self._board.note_trouble(of_handler(event.payload, self._folder))

    def _task_failed(self, event: Event[TaskFailed]) -> None:
        if event.payload.owner == self._board.name:
            self._board.note_trouble(of_task(event.payload, self._folder))

    def _health_changed(self, event: Event[HealthChanged]) -> None:
        fact = event.payload
        before = self._board.health
        if before is None or (before.status, before.message) != (fact.new, fact.message):  # it may have been asked for
            self._board.note_health(PluginHealth(fact.new, fact.message))

    def _crashed(self, event: Event[PluginCrashed]) -> None:
        fact = event.payload
        again = "it is not started again" if fact.restarts_in is None else f"it starts again in {fact.restarts_in:g} s"
        lost = f", {fact.lost} events are lost" if fact.lost else ""
        self._board.tell(f"its process is gone ({fact.reason}): {fact.message}{lost}; {again}")

    def _restarted(self, event: Event[PluginRestarted]) -> None:
        self._board.tell(f"its process runs again; {event.payload.waiting} events had waited")

    def _quarantined(self, event: Event[PluginQuarantined]) -> None:
        self._board.tell(f"in quarantine ({event.payload.reason}): {event.payload.message}; r reloads it")

    def _limit_reached(self, event: Event[PluginLimitReached]) -> None:
        fact = event.payload
        self._board.tell(f"limit {fact.limit} of {fact.allowed:g} reached: {fact.action}")
