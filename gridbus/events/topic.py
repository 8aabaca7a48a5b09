"""Typed topic names and the patterns that match them."""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar, overload

from gridbus.errors import TopicError

T = TypeVar("T")

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_TOPIC = re.compile(rf"{_SEGMENT}:{_SEGMENT}")
_PATTERN = re.compile(rf"\*|(?:{_SEGMENT}|\*):(?:{_SEGMENT}|\*)")
MAX_LENGTH = 200


class Topic(str, Generic[T]):
    """A name ``noun:verb`` that carries the type of its payload; equal to the plain string of the same name."""

    __slots__ = ("payload_type",)
    payload_type: type[T]

    @overload
    def __new__(cls, name: str, payload_type: type[T]) -> Topic[T]: ...
    @overload
    def __new__(cls, name: str) -> Topic[Any]: ...
    def __new__(cls, name: str, payload_type: Any = object) -> Topic[Any]:
        """Check the grammar and remember the type.

        Raises:
            TopicError: the name is not ``noun:verb`` of letters, digits, ``_``, ``.`` and ``-``.
        """
        self = super().__new__(cls, check_topic(name))
        self.payload_type = payload_type
        return self

    def __repr__(self) -> str:
        """Show name and payload type."""
        return f"Topic({str(self)!r}, {getattr(self.payload_type, '__name__', self.payload_type)})"

    @property
    def noun(self) -> str:
        """The part before the colon."""
        return self.partition(":")[0]

    @property
    def verb(self) -> str:
        """The part after the colon."""
        return self.partition(":")[2]


def check_topic(name: str) -> str:
    """Return ``name`` if it is a topic, raise ``TopicError`` if not."""
    if len(name) > MAX_LENGTH or not _TOPIC.fullmatch(name):
        raise TopicError(
            f"{_shown(name)} is no topic: write noun:verb, each of letters, digits, '_', '.', '-' "
            f"(at most {MAX_LENGTH} characters)"
        )
    return name


def check_pattern(name: str) -> str:
    """Return ``name`` if it is a topic or a pattern (``row:*``, ``*:create``, ``*``), raise ``TopicError`` if not."""
    if len(name) > MAX_LENGTH or not _PATTERN.fullmatch(name):
        raise TopicError(f"{_shown(name)} is no topic and no pattern: write noun:verb, noun:*, *:verb or *")
    return name


def is_pattern(name: str) -> bool:
    """Tell whether ``name`` can match more than one topic."""
    return "*" in name


def matches(pattern: str, topic: str) -> bool:
    """Tell whether ``topic`` is the pattern, or one of those that it stands for."""
    if pattern in ("*", "*:*", topic):
        return True
    noun, _, verb = pattern.partition(":")
    topic_noun, _, topic_verb = topic.partition(":")
    return noun in ("*", topic_noun) and verb in ("*", topic_verb)


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= 60 else f"{text[:57]}..."
