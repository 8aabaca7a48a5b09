"""What the bus reports about plugins, noted where their health and limits can see it."""

from __future__ import annotations

from typing import Any

from gridbus.bus import Scope
from gridbus.errors import HandlerTimeout
from gridbus.events import Event
from gridbus.events.system import (
    BUS_HANDLER_FAILED,
    BUS_SLOW_SUBSCRIBER,
    BUS_TASK_FAILED,
    HandlerFailed,
    SlowSubscriber,
    TaskFailed,
)
from gridbus.plugins.registry import Registry


class Watch:
    """Hears of failures and losses and notes those of plugins; of a request that fails, whoever asked knows."""

    def __init__(self, scope: Scope, registry: Registry) -> None:
        self._registry = registry
        scope.on(BUS_HANDLER_FAILED, self._handler_failed, where=self._is_of_plugin)
        scope.on(BUS_TASK_FAILED, self._task_failed, where=self._is_of_plugin)
        scope.on(BUS_SLOW_SUBSCRIBER, self._slow, where=self._is_of_plugin)

    def _is_of_plugin(self, event: Event[Any]) -> bool:
        return event.payload.owner in self._registry

    def _handler_failed(self, event: Event[HandlerFailed]) -> None:
        fact = event.payload
        self._note(fact.owner, f"{fact.subscription}: {fact.error}: {fact.message}")
        record = self._registry.find(fact.owner)
        if record is None or record.allowance is None or record.scope is None or fact.error != HandlerTimeout.__name__:
            return
        limit = record.allowance.limits.handler_timeout
        timeouts = [kept.workers[0].timeout for kept in record.scope.subscriptions if kept.name == fact.subscription]
        if limit in timeouts:  # otherwise it is a tighter time-out of the plugin's own
            record.allowance.timed_out()

    def _task_failed(self, event: Event[TaskFailed]) -> None:
        fact = event.payload
        self._note(fact.owner, f"task {fact.task}: {fact.error}: {fact.message}")

    def _slow(self, event: Event[SlowSubscriber]) -> None:
        fact = event.payload
        self._note(fact.owner, f"{fact.subscription} was too slow and has lost {fact.dropped:,} events so far")

    def _note(self, plugin_id: str, what: str) -> None:
        record = self._registry.find(plugin_id)
        if record is not None and record.troubles is not None:
            record.troubles.note(what)
