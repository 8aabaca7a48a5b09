"""One owner's scope taking over from another, between two events."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import anyio

from gridbus.bus.ask import RequestMailbox
from gridbus.bus.hold import Hold
from gridbus.bus.intercept import Interceptor
from gridbus.bus.scope import Scope
from gridbus.bus.stream import EventStream
from gridbus.bus.subscription import Subscription

S = TypeVar("S", Subscription, Interceptor, EventStream[Any])

SHORT = 0.02
"""Seconds that a first hold lasts at most; each later one lasts twice as long."""


class Standstill:
    """Holds the handlers of a scope between two events; what is published meanwhile waits in their mailboxes."""

    def __init__(self, scope: Scope) -> None:
        self._scope, self._clock = scope, scope.bus.clock
        self._held: list[tuple[Subscription, Hold]] = []
        self.since = 0.0  #: when the last hold began, by the bus's clock

    async def settle(self, *, within: float) -> bool:
        """Hold the handlers; return whether all of them were done with what they had in hand in time.

        A handler may wait for something that another handler of the same scope does, so handlers are let go again where
        they do not settle soon, and held for longer and longer. They are held when this returns, in time or not.
        """
        end = self._clock.monotonic() + within
        patience = SHORT
        while True:
            self._hold()
            left = end - self._clock.monotonic()
            if await self._still(min(patience, max(left, 0.0))):
                return True
            if left <= patience:
                return False
            self.let_go()
            await self._clock.sleep(patience)
            patience *= 2

    def let_go(self) -> None:
        """Let handlers go on, if they are held."""
        held, self._held = self._held, []
        for subscription, _ in held:
            subscription.let_go()

    def _hold(self) -> None:
        self.since = self._clock.monotonic()
        self._held = [(kept, kept.hold()) for kept in self._scope.subscriptions]

    async def _still(self, seconds: float) -> bool:
        if not self._is_still:
            with anyio.CancelScope() as scope:
                timer = self._clock.call_later(seconds, scope.cancel)
                try:
                    for _, hold in self._held:
                        await hold.still()
                finally:
                    timer.cancel()
        return self._is_still

    @property
    def _is_still(self) -> bool:
        return all(hold.is_still for _, hold in self._held)


class Succession:
    """Hands over what one scope hears and serves to another, which is not live yet.

    A subscription of the old scope and one of the new belong together where they hear the same; of several, those with
    the same name. The new one takes what waits in the mailbox of the old and the old one's place in line, and begins
    when the old one's handler has ended, so that no event is lost, handled twice or out of order. What the new scope
    does not hear any more stays with the old one, which handles it as it ends.
    """

    def __init__(self, old: Scope, new: Scope) -> None:
        """Prepare; ``swap`` is what changes something for good."""
        self._old, self._new = old, new
        self.standstill = Standstill(old)

    def swap(self) -> int:
        """Let the new scope hear and serve instead of the old one; return how many events and requests it takes over.

        Nothing is awaited here: what is published before reaches the old scope, and what is published after the new.

        Raises:
            ChannelTypeError: another owner serves a channel of the new scope with other types; nothing has changed.
        """
        for server in self._new.servers:
            self._new.bus.check_server(server.channel, server.owner)
        for guard, successor in _pairs(self._old.interceptors, self._new.interceptors, _of_interceptor):
            if successor is not None:
                successor.order = (successor.order[0], guard.order[1])
            guard.close()
        pairs = _pairs(self._old.subscriptions, self._new.subscriptions, _of_subscription)
        streams = _pairs(self._old.streams, self._new.streams, _of_stream)
        self._old.leave(old for old, _ in pairs)
        for old, heir in pairs:
            if heir is not None:
                heir.order = old.order
        for stream, reader in streams:
            stream.close()
            if reader is not None:
                reader.order = stream.order
        self._new.go_live()
        waiting = sum(heir.take_over(old) for old, heir in pairs if heir is not None)
        waiting += sum(reader.take_over(stream) for stream, reader in streams if reader is not None)
        self.standstill.let_go()
        return waiting


def _pairs(old: Iterable[S], new: Iterable[S], kind: Callable[[S], tuple[Hashable, str]]) -> list[tuple[S, S | None]]:
    """Return for each of the old the one of the new that hears the same, None where there is none."""
    lines: defaultdict[Hashable, deque[S]] = defaultdict(deque)
    for one in new:
        lines[kind(one)[0]].append(one)
    found: dict[S, S] = {}
    left = list(old)
    for same_name in (True, False):
        for one in left:
            line = lines[kind(one)[0]]
            heir = next((other for other in line if not same_name or kind(other) == kind(one)), None)
            if heir is not None and one not in found:
                found[one] = heir
                line.remove(heir)
    return [(one, found.get(one)) for one in left]


def _of_subscription(subscription: Subscription) -> tuple[Hashable, str]:
    mailbox = subscription.mailbox
    if isinstance(mailbox, RequestMailbox):
        return ("channel", mailbox.channel.name), mailbox.name
    return ("event", subscription.topic), mailbox.name


def _of_stream(stream: EventStream[Any]) -> tuple[Hashable, str]:
    return stream.topic, str(stream.is_collecting)


def _of_interceptor(interceptor: Interceptor) -> tuple[Hashable, str]:
    return interceptor.topic, interceptor.name
