"""G10: what kind of callable a handler is."""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gridbus.bus import Bus
from gridbus.bus.classify import classify
from gridbus.errors import SubscriptionError
from gridbus.events import Event, Topic

PING: Topic[int] = Topic("ping:sent", int)
seen: list[Any] = []


async def function(event: Event[int]) -> None:
    """Handle asynchronously."""
    seen.append(event.payload)


async def two(mark: str, event: Event[int]) -> None:
    """Handle with something bound before."""
    seen.append((mark, event.payload))


def plain(event: Event[int]) -> None:
    """Handle in one go."""
    seen.append(event.payload)


class Handlers:
    """Handlers of all kinds."""

    async def method(self, event: Event[int]) -> None:
        """Handle asynchronously."""
        seen.append(event.payload)

    @classmethod
    async def of_class(cls, event: Event[int]) -> None:
        """Handle asynchronously."""
        seen.append(event.payload)

    @staticmethod
    async def static(event: Event[int]) -> None:
        """Handle asynchronously."""
        seen.append(event.payload)

    async def __call__(self, event: Event[int]) -> None:
        """Handle asynchronously."""
        seen.append(event.payload)


class PlainCall:
    """An object with a plain call."""

    def __call__(self, event: Event[int]) -> None:
        """Handle in one go."""
        seen.append(event.payload)


@pytest.mark.parametrize(
    ("handler", "is_async", "gets"),
    [
        (function, True, 1),
        (Handlers().method, True, 1),
        (Handlers.of_class, True, 1),
        (Handlers.static, True, 1),
        (Handlers(), True, 1),
        (functools.partial(two, "mark"), True, ("mark", 1)),
        (functools.partial(functools.partial(two), "mark"), True, ("mark", 1)),
        (functools.partial(Handlers().method), True, 1),
        (functools.partial(Handlers()), True, 1),
        (plain, False, 1),
        (PlainCall(), False, 1),
        (lambda event: function(event), False, 1),
        (functools.partial(plain), False, 1),
        (seen.append, False, None),
    ],
)
async def test_g10_callables_of_each_kind_are_called_and_awaited(
    bus: Bus, handler: Callable[..., Any], is_async: bool, gets: object
) -> None:
    """However it is written, the handler runs to its end once per event."""
    seen.clear()
    assert classify(handler).is_async is is_async
    bus.on(PING, handler)
    event = await bus.publish(PING, 1)
    await bus.drain()
    assert seen == [gets if gets is not None else event]


async def test_g10_classified_once_at_subscription(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event asks again what the handler is."""
    bus.on(PING, function)

    def refuse(*_: object) -> bool:
        raise AssertionError("classified again")

    monkeypatch.setattr(inspect, "iscoroutinefunction", refuse)
    seen.clear()
    await bus.publish(PING, 1)
    await bus.drain()
    assert seen == [1]


async def generator(event: Event[int]) -> AsyncIterator[int]:
    """Yield where a handler should not."""
    yield event.payload


def plain_generator(event: Event[int]) -> Iterator[int]:
    """Yield where a handler should not."""
    yield event.payload


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (generator, "generator"),
        (plain_generator, "generator"),
        (functools.partial(generator), "generator"),
        (None, "callable"),
        ("name", "callable"),
        (lambda: None, "must take one argument"),
        (two, "must take one argument"),
        (functools.partial(function, 1), "must take one argument"),
    ],
)
async def test_g10_callables_that_cannot_handle_are_refused(bus: Bus, handler: Any, message: str) -> None:
    """The error comes at subscription, not with the first event."""
    with pytest.raises(SubscriptionError, match=message):
        bus.on(PING, handler)
    assert bus.stats().subscriptions == ()


async def test_g10_a_plain_function_cannot_have_a_timeout(bus: Bus) -> None:
    """Nothing could interrupt it, so promising to would be a lie."""
    with pytest.raises(SubscriptionError, match="make it async"):
        bus.on(PING, plain, timeout=1.0)
