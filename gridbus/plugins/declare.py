"""Decorators that mark the handlers of a plugin, and what is read from them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, overload

from gridbus.bus import Batch, Debounce, Draft, Middleware, Overflow, Throttle
from gridbus.channels import Channel
from gridbus.events import Event, Topic
from gridbus.manifest import Permission, PermissionKind
from gridbus.plugins.grants import subscribed_target

T = TypeVar("T")
M = TypeVar("M")
R = TypeVar("R")
S = TypeVar("S")
X = TypeVar("X")

_MARK = "__gridbus_declared__"


class Declaration(NamedTuple):
    """What one decorator says about one method."""

    kind: str  #: on, serves or intercepts
    subject: Any  #: topic, pattern or payload type; or channel
    method: str
    options: dict[str, Any]

    @property
    def permission(self) -> Permission | None:
        """What it needs; None for serving, which is a matter of whose channel it is."""
        if self.kind == "serves":
            return None
        if self.kind == "intercepts":
            return Permission(PermissionKind.INTERCEPT, self.subject)
        return Permission(PermissionKind.SUBSCRIBE, subscribed_target(self.subject))


class _Hearing(Protocol[T]):
    """Takes a method that hears ``T``."""

    def __call__(self, method: Callable[[S, T], X], /) -> Callable[[S, T], X]: ...


@overload
def on(subject: Topic[T], *, pace: Batch, **options: Any) -> _Hearing[list[Event[T]]]: ...
@overload
def on(
    subject: Topic[T],
    *,
    name: str | None = ...,
    middleware: Iterable[Middleware] = ...,
    capacity: int = ...,
    overflow: Overflow = ...,
    block_timeout: float = ...,
    key: Callable[[Event[T]], object] | None = ...,
    where: Callable[[Event[T]], object] | None = ...,
    concurrency: int = ...,
    timeout: float | None = ...,
    pace: Debounce | Throttle | None = ...,
) -> _Hearing[Event[T]]: ...
@overload
def on(subject: type[T], **options: Any) -> _Hearing[Event[T]]: ...
@overload
def on(subject: str, **options: Any) -> _Hearing[Any]: ...
def on(subject: Any, **options: Any) -> Any:
    """Subscribe a method to a topic, a pattern or a payload type; options as ``Bus.on``.

    A method may bear several. One that overrides another is marked for itself: without a decorator it hears nothing.
    """
    return _marking("on", subject, options)


class _Serving(Generic[M, R]):
    """Takes a method that answers ``M`` with ``R``, or with many of them."""

    def __init__(self, channel: Channel[M, R], options: dict[str, Any]) -> None:
        self._mark = _marking("serves", channel, options)

    @overload
    def __call__(
        self, method: Callable[[S, M], Coroutine[Any, Any, R]], /
    ) -> Callable[[S, M], Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, method: Callable[[S, M], AsyncIterator[R]], /) -> Callable[[S, M], AsyncIterator[R]]: ...
    @overload
    def __call__(self, method: Callable[[S, M], R], /) -> Callable[[S, M], R]: ...
    def __call__(self, method: Any, /) -> Any:
        return self._mark(method)


def serves(
    channel: Channel[M, R],
    *,
    capacity: int = 1024,
    block_timeout: float = 5.0,
    concurrency: int = 1,
    timeout: float | None = None,
) -> _Serving[M, R]:
    """Answer on a channel with a method; an async generator answers ``ask_stream``. Options as ``Bus.serve``."""
    options = {"capacity": capacity, "block_timeout": block_timeout, "concurrency": concurrency, "timeout": timeout}
    return _Serving(channel, options)


class _Intercepting(Protocol[T]):
    """Takes a method that looks at drafts of ``T``."""

    @overload
    def __call__(
        self, method: Callable[[S, Draft[T]], Awaitable[T | None]], /
    ) -> Callable[[S, Draft[T]], Awaitable[T | None]]: ...
    @overload
    def __call__(self, method: Callable[[S, Draft[T]], T | None], /) -> Callable[[S, Draft[T]], T | None]: ...
    def __call__(self, method: Any, /) -> Any: ...


@overload
def intercepts(topic: Topic[T], *, priority: int = ..., timeout: float = ...) -> _Intercepting[T]: ...
@overload
def intercepts(topic: str, *, priority: int = ..., timeout: float = ...) -> _Intercepting[Any]: ...
def intercepts(topic: str, *, priority: int = 0, timeout: float = 5.0) -> Any:
    """Let a method see drafts of a topic or pattern before they are published: change them, or raise ``Veto``."""
    return _marking("intercepts", topic, {"priority": priority, "timeout": timeout})


def _marking(kind: str, subject: Any, options: dict[str, Any]) -> Callable[[Any], Any]:
    def mark(method: Any) -> Any:
        if not inspect.isfunction(method):
            raise TypeError(f"@{kind} marks a method, so it stands above its def, not above {type(method).__name__}")
        declared = Declaration(kind, subject, method.__name__, options)
        setattr(method, _MARK, (declared, *_declared_by(method)))  # decorators apply from the lowest up
        return method

    return mark


def declarations(cls: type[Any]) -> tuple[Declaration, ...]:
    """Return what the methods of a plugin class declare: base classes first, in the order of their lines."""
    names = dict.fromkeys(
        name for base in reversed(cls.__mro__) for name, value in vars(base).items() if _declared_by(value)
    )
    return tuple(
        declared._replace(method=name) for name in names for declared in _declared_by(inspect.getattr_static(cls, name))
    )


def _declared_by(value: Any) -> tuple[Declaration, ...]:
    return getattr(value, _MARK, ()) if inspect.isfunction(value) else ()
