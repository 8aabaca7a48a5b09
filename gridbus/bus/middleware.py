"""Middleware: what goes around a handler, composed once when it subscribes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import Any, TypeAlias

from gridbus.bus.classify import classify
from gridbus.bus.intercept import Draft
from gridbus.errors import Veto
from gridbus.events.event import Event

Handler: TypeAlias = Callable[[Event[Any]], Awaitable[object]]
Middleware: TypeAlias = Callable[[Handler], Handler]


def wrapped(handler: Handler, middleware: Iterable[Middleware]) -> Handler:
    """Return ``handler`` with the middleware around it, the first one outermost."""
    for layer in reversed(tuple(middleware)):
        handler = layer(handler)
    return handler


def logged(logger: logging.Logger | None = None, level: int = logging.DEBUG) -> Middleware:
    """Log each event that is handled, with the time it took, and each failure."""
    log = logger or logging.getLogger("gridbus.events")

    def around(handler: Handler) -> Handler:
        async def call(event: Event[Any]) -> object:
            if not log.isEnabledFor(level):
                return await handler(event)
            began = perf_counter()
            try:
                result = await handler(event)
            except BaseException as error:
                log.log(level, "%s %s failed after %.3f ms: %r", event.topic, event.id, _ms(began), error)
                raise
            log.log(level, "%s %s handled in %.3f ms", event.topic, event.id, _ms(began))
            return result

        return call

    return around


def only(condition: Callable[[Event[Any]], object]) -> Middleware:
    """Call the handler only for events that meet a condition, which may be asynchronous.

    A plain condition is better given as ``where=``, which keeps the event out of the mailbox.
    """
    meets = classify(condition)

    def around(handler: Handler) -> Handler:
        async def call(event: Event[Any]) -> object:
            return await handler(event) if await meets.call(event) else None

        return call

    return around


def validated(check: Callable[[Any], object] | None = None) -> Middleware:
    """Fail, before the handler runs, on a payload that is not of its topic's type or that ``check`` raises on."""

    def around(handler: Handler) -> Handler:
        async def call(event: Event[Any]) -> object:
            wanted = event.topic.payload_type
            if not isinstance(event.payload, wanted):
                raise TypeError(f"{event.topic} carries {wanted.__name__}, not {type(event.payload).__name__}")
            if check is not None:
                check(event.payload)
            return await handler(event)

        return call

    return around


def check_payload(draft: Draft[Any]) -> None:
    """Refuse payloads that are not of their topic's type: ``bus.intercept("*", check_payload)``.

    Raises:
        Veto: the payload is of another type.
    """
    wanted = draft.topic.payload_type
    if not isinstance(draft.payload, wanted):
        raise Veto(f"it carries {type(draft.payload).__name__}, not {wanted.__name__}")


def _ms(began: float) -> float:
    return (perf_counter() - began) * 1000
