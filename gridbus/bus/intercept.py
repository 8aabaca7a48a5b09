"""Interceptors: they see what is about to be published, and may change or refuse it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import anyio
import attrs

from gridbus.bus.classify import Classified
from gridbus.errors import InterceptorError, Veto, Vetoed
from gridbus.events.event import Origin, Trace
from gridbus.events.topic import Topic

T = TypeVar("T")


@attrs.define(eq=False)
class Draft(Generic[T]):
    """What is about to be published: an event that has no number yet."""

    topic: Topic[T]
    payload: T
    origin: Origin
    trace: Trace | None = None

    @property
    def source(self) -> str:
        """Who is about to publish it."""
        return self.origin.source

    @property
    def correlation_id(self) -> str | None:
        """The id of the causal chain it belongs to; None where it begins one."""
        return self.trace.correlation_id if self.trace is not None else None


class Interceptor:
    """A handle on one registered interceptor."""

    __slots__ = ("_enter", "_fn", "_remove", "is_closed", "name", "order", "owner", "timeout", "topic")

    def __init__(
        self,
        topic: str,
        fn: Classified,
        *,
        order: tuple[int, int],
        owner: str,
        timeout: float,
        enter: Callable[[Interceptor], object],
        remove: Callable[[Interceptor], None],
    ) -> None:
        self.topic, self.owner, self.timeout, self.order = topic, owner, timeout, order
        self.name = fn.name
        self.is_closed = False
        self._fn, self._enter, self._remove = fn, enter, remove

    def enter(self) -> None:
        """Be asked from now on; a closed one does nothing."""
        if not self.is_closed:
            self._enter(self)

    def close(self) -> None:
        """Ask it no more."""
        self.is_closed = True
        self._remove(self)

    async def apply(self, draft: Draft[Any]) -> None:
        """Let the interceptor look at ``draft`` and change its payload.

        Raises:
            Vetoed: it refused.
            InterceptorError: it failed or took too long; then nothing is published, since a guard that cannot answer
                must not be passed.
        """
        by = f"{self.owner}/{self.name}"
        try:
            if self._fn.is_async:
                with anyio.fail_after(self.timeout):
                    changed = await self._fn.call(draft)
            else:
                changed = await self._fn.call(draft)
        except Vetoed as veto:  # of something that the interceptor itself published
            raise Vetoed(draft.topic, str(veto), by) from veto
        except Veto as veto:
            raise Vetoed(draft.topic, veto.reason, by) from veto
        except Exception as error:
            raise InterceptorError(draft.topic, by, error) from error
        except SystemExit as error:
            raise InterceptorError(draft.topic, by, error) from None
        if changed is None:
            return
        if not isinstance(changed, draft.topic.payload_type):
            wanted = draft.topic.payload_type.__name__
            wrong = TypeError(f"it returned {type(changed).__name__}; return a {wanted}, or None to leave it as it is")
            raise InterceptorError(draft.topic, by, wrong)
        draft.payload = changed


async def apply_all(interceptors: Sequence[Interceptor], draft: Draft[Any]) -> Any:
    """Run the interceptors in order and return the payload that they leave."""
    for interceptor in interceptors:
        await interceptor.apply(draft)
    return draft.payload
