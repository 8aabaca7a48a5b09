"""Where the events of each topic go, resolved once and cached until a subscription changes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from gridbus.bus.intercept import Interceptor
from gridbus.bus.mailbox import Mailbox
from gridbus.bus.options import Overflow
from gridbus.bus.registry import Registry
from gridbus.bus.stream import EventStream, Tap
from gridbus.bus.subscription import Subscription
from gridbus.errors import SubscriptionError
from gridbus.events.topic import Topic, check_pattern

_MOST_CACHED = 4096  # topics; a program that makes up names must not grow without end

Reached = Subscription | EventStream[Any] | Tap


class Route:
    """What one topic reaches."""

    __slots__ = ("boxes", "failing", "interceptors", "is_special", "topic")

    def __init__(self, topic: Topic[Any], boxes: tuple[Any, ...], interceptors: tuple[Interceptor, ...]) -> None:
        self.topic, self.boxes, self.interceptors = topic, boxes, interceptors
        self.failing: tuple[Mailbox, ...] = tuple(
            box for box in boxes if isinstance(box, Mailbox) and box.overflow is Overflow.FAIL
        )
        self.is_special = bool(interceptors or self.failing)  #: needs more than numbering and handing over


class Routes:
    """All that was registered for topics, patterns and payload types, and the routes that follow from it."""

    def __init__(self, check_open: Callable[[], bool]) -> None:
        self._check_open = check_open
        self._order = count(1)
        self._reached: Registry[Reached] = Registry()
        self._typed: dict[Reached, type[Any]] = {}
        self._declared: dict[str, list[Any]] = {}  #: by topic, the payload types that those who hear it expect
        self._interceptors: Registry[Interceptor] = Registry()
        self.cache: dict[str, Route] = {}
        self.subscriptions: dict[Subscription, None] = {}

    def next_order(self) -> int:
        """Return a place in line behind all that registered before."""
        return next(self._order)

    def add(self, pattern: str | type[Any], reached: Reached) -> None:
        """Let events of a topic, pattern or payload type reach something."""
        if isinstance(pattern, type) and not isinstance(pattern, str):
            self._typed[reached] = pattern
        else:
            self._reached.add(pattern, reached)
            if isinstance(pattern, Topic) and pattern.payload_type is not object:
                self._declared.setdefault(str(pattern), []).append(pattern.payload_type)
        if isinstance(reached, Subscription):
            self.subscriptions[reached] = None
        self.cache.clear()

    def remove(self, pattern: str | type[Any], reached: Reached) -> None:
        """Undo ``add``; does nothing where that was done."""
        if isinstance(pattern, type) and not isinstance(pattern, str):
            self._typed.pop(reached, None)
        else:
            self._reached.remove(pattern, reached)
            declared = self._declared.get(pattern)
            if declared and isinstance(pattern, Topic) and pattern.payload_type in declared:
                declared.remove(pattern.payload_type)
                if not declared:
                    del self._declared[pattern]
        if isinstance(reached, Subscription):
            self.subscriptions.pop(reached, None)
        self.cache.clear()

    def add_interceptor(self, interceptor: Interceptor) -> None:
        """Let an interceptor see what is about to be published."""
        self._interceptors.add(interceptor.topic, interceptor)
        self.cache.clear()

    def remove_interceptor(self, interceptor: Interceptor) -> None:
        """Undo ``add_interceptor``."""
        self._interceptors.remove(interceptor.topic, interceptor)
        self.cache.clear()

    def expected(self, topic: str) -> tuple[Any, ...]:
        """Return the payload types that those who hear a topic declare, and at the end those heard by their type."""
        return (*self._declared.get(topic, ()), *self._typed.values())

    def resolve(self, name: str) -> Route:
        """Return the route of a topic and cache it.

        Raises:
            BusClosed: the bus takes no events.
            TopicError: ``name`` is no topic.
        """
        cacheable = self._check_open()
        topic: Topic[Any] = name if isinstance(name, Topic) else Topic(name)
        reached = [*self._reached.find(topic), *self._reached_by_type(topic)]
        reached.sort(key=lambda entry: entry.order)
        boxes = tuple(entry if isinstance(entry, Tap) else entry.mailbox for entry in reached)
        route = Route(topic, boxes, tuple(self._interceptors.find(topic)))
        if cacheable:
            if len(self.cache) >= _MOST_CACHED:
                self.cache.clear()
            self.cache[topic] = route
        return route

    def _reached_by_type(self, topic: Topic[Any]) -> list[Reached]:
        """Find subscriptions by payload type; their predicate checks each payload, so here related types suffice."""
        declared = topic.payload_type
        if not isinstance(declared, type):
            return list(self._typed)
        return [
            reached
            for reached, wanted in self._typed.items()
            if issubclass(declared, wanted) or issubclass(wanted, declared)
        ]


def subject_name(subject: str | type[Any]) -> str:
    """Check what is subscribed to, and return its name.

    Raises:
        TopicError: it is no topic and no pattern.
        SubscriptionError: it is neither text nor a type.
    """
    if isinstance(subject, str):
        return check_pattern(subject)
    if isinstance(subject, type):
        return f"payload {subject.__qualname__}"
    raise SubscriptionError(f"subscribe to a topic, a pattern or a payload type, not to {type(subject).__name__}")


def predicate(subject: str | type[Any], where: Callable[[Any], object] | None) -> Callable[[Any], object] | None:
    """Return the predicate of a subscription: its own, and for a payload type that the payload is one."""
    if isinstance(subject, str):
        return where
    if where is None:
        return lambda event: isinstance(event.payload, subject)
    return lambda event: isinstance(event.payload, subject) and where(event)
