"""Typed channels: one message type, one reply type, one name."""

from __future__ import annotations

import types
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeAlias, TypeVar, Union, get_args, get_origin

from gridbus.errors import ChannelTypeError
from gridbus.events.topic import check_topic

M = TypeVar("M")
R = TypeVar("R")

#: What serves a channel: a plain or async function, or an async generator, which serves a stream.
Responder: TypeAlias = Callable[[M], R | Awaitable[R] | AsyncIterator[R]]


class Channel(Generic[M, R]):
    """A typed conversation, named ``server:verb``: tell (one way), ask (request and reply), ask_stream (many replies).

    The types are what type checkers hold callers and servers to. At run time messages and replies are checked by
    their outermost type: ``list[int]`` is checked to be a list.
    """

    __slots__ = ("message_check", "message_type", "name", "reply_check", "reply_type")

    def __init__(self, name: str, message_type: type[M], reply_type: type[R]) -> None:
        """Check the name.

        Raises:
            TopicError: the name is not ``noun:verb``.
        """
        self.name = str(check_topic(name))
        self.message_type, self.reply_type = message_type, reply_type
        self.message_check = runtime_type(message_type)  #: what isinstance can check of a message
        self.reply_check = runtime_type(reply_type)

    @property
    def shown_types(self) -> tuple[str, str]:
        """Message and reply type, as their author wrote them."""
        return shown(self.message_type), shown(self.reply_type)

    def __repr__(self) -> str:
        """Show name and types."""
        return f"Channel({self.name!r}, {', '.join(self.shown_types)})"

    def __eq__(self, other: object) -> bool:
        """Channels of the same name and types are the same channel."""
        if not isinstance(other, Channel):
            return NotImplemented
        return (self.name, self.message_type, self.reply_type) == (other.name, other.message_type, other.reply_type)

    def __hash__(self) -> int:
        """Hash by name."""
        return hash(self.name)

    def wrong_message(self, message: object) -> ChannelTypeError:
        """Return the error for a message of another type."""
        return ChannelTypeError(f"{self.name} takes {shown(self.message_type)}, not {type(message).__qualname__}")

    def wrong_reply(self, reply: object) -> ChannelTypeError:
        """Return the error for a reply of another type."""
        wanted = shown(self.reply_type)
        return ChannelTypeError(f"the server of {self.name} replied with {type(reply).__qualname__}, not {wanted}")


def runtime_type(annotation: Any) -> type[Any] | tuple[type[Any], ...]:
    """Return what ``isinstance`` can check of an annotation; ``object`` where it can check nothing."""
    if annotation is None:
        return type(None)
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        parts: list[type[Any]] = []
        for part in get_args(annotation):
            found = runtime_type(part)
            parts.extend(found if isinstance(found, tuple) else (found,))
        return tuple(parts)
    checked = origin or annotation
    if checked is float:
        return (float, int)
    return checked if isinstance(checked, type) else object


def shown(annotation: Any) -> str:
    """Return an annotation as its author wrote it."""
    return (
        annotation.__qualname__ if isinstance(annotation, type) and get_origin(annotation) is None else str(annotation)
    )
