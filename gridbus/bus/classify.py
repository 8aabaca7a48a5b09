"""What kind of callable a handler is, found out once, when it is registered."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from gridbus.errors import SubscriptionError


class Classified(NamedTuple):
    """A handler in the one form that workers call."""

    call: Callable[..., Awaitable[Any]]
    is_async: bool  #: False for plain functions, which run to their end without giving way
    name: str


def classify(fn: Callable[..., Any], *, arguments: int = 1) -> Classified:
    """Return ``fn`` as something to await.

    Async functions, methods, partials of them and objects with an async ``__call__`` are returned as they are; a
    plain callable is wrapped, and what it returns is awaited if it can be (a lambda around an async function).

    Raises:
        SubscriptionError: ``fn`` is not callable, is a generator, or does not take this many arguments.
    """
    if not callable(fn):
        raise SubscriptionError(f"a handler is a callable, not {type(fn).__name__}")
    name = name_of(fn)
    bare = _unwrapped(fn)
    if inspect.isasyncgenfunction(bare) or inspect.isgeneratorfunction(bare):
        raise SubscriptionError(f"handler {name} is a generator: it would never run; remove its yield")
    _check_arguments(fn, name, arguments)
    if is_async(bare):
        return Classified(fn, True, name)
    return Classified(_awaiting(fn), False, name)


def is_async(fn: Callable[..., Any]) -> bool:
    """Tell whether calling ``fn`` makes a coroutine, so that it can be interrupted."""
    return inspect.iscoroutinefunction(_unwrapped(fn))


def classify_timed(fn: Callable[..., Any], timeout: float | None) -> Classified:
    """Return ``fn`` as ``classify`` does, where its calls may have a time-out.

    Raises:
        SubscriptionError: also if there is a time-out and ``fn`` is a plain function.
    """
    call = classify(fn)
    if timeout is not None and not call.is_async:
        raise SubscriptionError(
            f"{call.name} is a plain function, which nothing can interrupt: make it async to give it a timeout"
        )
    return call


def name_of(fn: Callable[..., Any]) -> str:
    """Return the qualified name of a callable, through partials and objects."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__qualname__", None)
    return str(name) if name is not None else type(fn).__qualname__


def _unwrapped(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Look through partials, and from an object to its ``__call__``."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.isfunction(fn) or inspect.ismethod(fn) or inspect.isbuiltin(fn) or inspect.isclass(fn):
        return fn
    if inspect.iscoroutinefunction(fn):  # marked by inspect.markcoroutinefunction, or a mock of an async function
        return fn
    call = type(fn).__call__
    return _unwrapped(call) if isinstance(call, functools.partial) else call


def _check_arguments(fn: Callable[..., Any], name: str, arguments: int) -> None:
    try:
        signature = inspect.signature(fn)
    except (ValueError, TypeError):  # builtins do not always say
        return
    try:
        signature.bind(*[None] * arguments)
    except TypeError as error:
        wanted = "one argument" if arguments == 1 else f"{arguments} arguments"
        raise SubscriptionError(f"handler {name}{signature} must take {wanted}: {error}") from None


def _awaiting(fn: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*arguments: Any) -> Any:
        result = fn(*arguments)
        return await result if inspect.isawaitable(result) else result

    return call
