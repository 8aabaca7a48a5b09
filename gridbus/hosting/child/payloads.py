"""Which class a payload is read into: the one that the plugin declares, or the one that it was packed from."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from gridbus.events import Topic
from gridbus.isolation.wire import type_path
from gridbus.plugins.importing import import_entry

T = TypeVar("T")

logger = logging.getLogger("gridbus.hosting")

_MOST_REMEMBERED = 4096  # paths, and topics; whoever makes up names must not make this grow without end


class PayloadTypes:
    """Finds classes by their path, each once, and makes the topics that carry them."""

    __slots__ = ("_found", "_topics")

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}
        self._topics: dict[tuple[str, str | None, Any], Topic[Any]] = {}

    def topic(self, name: str, path: str | None, declared: Any) -> Topic[Any]:
        """Return a topic with the type to read its payload as.

        Args:
            name: of the topic.
            path: of the class that the payload was packed from; None for plain values.
            declared: what the plugin says that the topic carries; ``object`` where it says nothing.
        """
        key = (name, path, declared)
        topic = self._topics.get(key)
        if topic is None:
            if len(self._topics) >= _MOST_REMEMBERED:
                self._topics.clear()
            topic = self._topics[key] = Topic(name, self.choose(path, declared))
        return topic

    def choose(self, path: str | None, declared: Any) -> Any:
        """Return the declared type, or where it names no more than a base the class itself."""
        if path is None:
            return declared
        if declared is not object and not isinstance(declared, type):
            return declared  # a union, say, which says itself how to tell its members apart
        if declared is not object and type_path(declared) == path:
            return declared
        found = self.find(path)
        if found is object or not isinstance(found, type) or not issubclass(found, declared):
            return declared
        return found

    def find(self, path: str) -> Any:
        """Return the class of a path, imported if need be; ``object`` where there is none here."""
        found = self._found.get(path)
        if found is None:
            if len(self._found) >= _MOST_REMEMBERED:
                self._found.clear()
            try:
                found = import_entry(path)
            except Exception as error:
                logger.warning(
                    "payloads of type %s come as plain data, as it cannot be imported here: %s: %s",
                    path, type(error).__name__, error,
                )  # fmt: skip
                found = object
            self._found[path] = found
        return found
