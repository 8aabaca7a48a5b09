"""Waiting for one event, and watching all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from gridbus.bus.routes import Routes
from gridbus.bus.stream import Tap
from gridbus.clock import Clock
from gridbus.events.event import Event

logger = logging.getLogger("gridbus.bus")


async def wait_for(
    routes: Routes,
    clock: Clock,
    subject: str | type[Any],
    where: Callable[[Event[Any]], object] | None,
    timeout: float | None,
    name: str,
) -> Event[Any]:
    """Return the next event that matches; see ``Bus.wait_for``."""
    future: asyncio.Future[Event[Any]] = asyncio.get_running_loop().create_future()

    def see(event: Event[Any]) -> None:
        if future.done():
            return
        try:
            if where is None or where(event):
                future.set_result(event)
        except Exception as error:
            future.set_exception(error)

    def expire() -> None:
        if not future.done():
            future.set_exception(TimeoutError(f"no {name} came within {timeout:g} s"))

    tap = Tap(name, routes.next_order(), see)
    routes.add(subject, tap)
    timer = None if timeout is None else clock.call_later(timeout, expire)
    try:
        return await future
    finally:
        routes.remove(subject, tap)
        if timer is not None:
            timer.cancel()


class Tracer:
    """Shows each event to a function, before any mailbox gets it."""

    __slots__ = ("_routes", "_see", "_tap")

    def __init__(self, routes: Routes, see: Callable[[Event[Any]], object]) -> None:
        self._routes, self._see = routes, see
        self._tap = Tap("*", 0, self._show)
        routes.add("*", self._tap)

    def undo(self) -> None:
        """Show no more."""
        self._routes.remove("*", self._tap)

    def _show(self, event: Event[Any]) -> None:
        try:
            self._see(event)
        except Exception:
            logger.exception("a trace function failed on %s %s", event.topic, event.id)
