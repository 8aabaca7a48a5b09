"""Interceptors in a plugin's process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from gridbus.bus import Draft, Interceptor
from gridbus.bus.cell import acting_for
from gridbus.bus.classify import Classified, classify
from gridbus.errors import PluginStateError
from gridbus.events import Origin, Topic
from gridbus.events.topic import check_pattern
from gridbus.hosting.child.payloads import PayloadTypes
from gridbus.hosting.protocol import Intercept
from gridbus.hosting.traces import Effects, bus_trace
from gridbus.isolation.wire import pack, unpack


@attrs.frozen
class _Guard:
    """One of them."""

    handle: Interceptor
    call: Classified
    declared: Any  #: what the plugin says that the topic carries


class Guards:
    """Shows drafts that come in to the interceptors they are for."""

    def __init__(self, types: PayloadTypes) -> None:
        self._types = types
        self._guards: dict[int, _Guard] = {}

    def add(
        self,
        number: int,
        topic: str,
        fn: Callable[[Draft[Any]], object],
        *,
        priority: int,
        owner: str,
        timeout: float,
        remove: Callable[[int], None],
    ) -> Interceptor:
        """Register one.

        Raises:
            TopicError, SubscriptionError: as ``Bus.intercept``.
        """

        def forget(handle: Interceptor) -> None:
            if self._guards.pop(number, None) is not None:
                remove(number)

        def note(handle: Interceptor) -> None:
            """Do nothing: it is the application that asks it."""

        pattern, call = check_pattern(topic), classify(fn)
        handle = Interceptor(
            pattern, call, order=(priority, number), owner=owner, timeout=timeout, enter=note, remove=forget
        )
        declared = topic.payload_type if isinstance(topic, Topic) else object
        self._guards[number] = _Guard(handle, call, declared)
        return handle

    def forget(self, number: int) -> None:
        """Forget one that the application did not take."""
        self._guards.pop(number, None)

    async def look(self, wanted: Intercept) -> bytes | None:
        """Show a draft; return its payload, packed, where it was changed.

        Time-outs are kept by the application, which cancels this.

        Raises:
            Veto: it was refused.
            Exception: what the interceptor raised.
        """
        guard = self._guards.get(wanted.number)
        if guard is None:
            raise PluginStateError(f"interceptor {wanted.number} was closed")
        topic = self._types.topic(wanted.topic, wanted.type, guard.declared)
        trace = bus_trace(wanted.trace)
        draft: Draft[Any] = Draft(
            topic, unpack(wanted.payload, topic.payload_type), Origin(wanted.bus, wanted.source), trace
        )
        with acting_for(Effects(trace), None):
            changed = await guard.call.call(draft)
        if changed is not None:
            kind = topic.payload_type
            if not isinstance(changed, kind):
                raise TypeError(
                    f"it returned {type(changed).__name__}; return a {kind.__name__}, or None to leave it as it is"
                )
            draft.payload = changed
        packed = pack(draft.payload)
        return None if packed == wanted.payload else packed
