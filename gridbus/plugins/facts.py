"""Facts about plugins, made known on the bus whatever the bus makes of them."""

from __future__ import annotations

import logging
import traceback
from typing import Any, TypeVar

from gridbus.bus import Bus
from gridbus.errors import BusError, MailboxFull, PluginLoadError
from gridbus.events import Topic
from gridbus.events.system import PLUGIN_FAILED, PLUGIN_RELOAD_FAILED, PluginFailed, PluginReloadFailed
from gridbus.plugins.failure import location_of

T = TypeVar("T")

logger = logging.getLogger("gridbus.plugins")


class Facts:
    """Publishes what has happened already, so that nothing that goes wrong in telling it can undo it."""

    __slots__ = ("_bus",)

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(self, topic: Topic[T], payload: T) -> None:
        """Publish a fact; one that the bus refuses is logged instead."""
        try:
            await self._bus.publish(topic, payload, source="manager")
        except BusError as error:
            _log(topic, payload, error)

    def tell_now(self, topic: Topic[T], payload: T) -> None:
        """Publish a fact without waiting, or as soon as there is room for it."""
        try:
            self._bus.publish_nowait(topic, payload, source="manager")
        except MailboxFull:
            self._bus.start_job(self.tell, topic, payload, name=topic, owner="manager")
        except BusError as error:
            _log(topic, payload, error)

    async def reload_failed(
        self, plugin_id: str, generation: int, stage: str, error: BaseException, seconds: float
    ) -> dict[str, Any]:
        """Publish and log that a plugin could not be reloaded; return file and line of where it went wrong."""
        file, line = location_of(error) or (None, None)
        kind, message, text = type(error).__qualname__, str(error), "".join(traceback.format_exception(error))
        if isinstance(error, PluginLoadError):  # it tells of what the plugin's code raised
            kind, message = error.details.get("error", kind), error.details.get("reason", message)
            text = error.details.get("traceback", text)
        logger.error("plugin %r is not reloaded, and goes on: %s failed\n%s", plugin_id, stage, text)
        fact = PluginReloadFailed(plugin_id, generation, stage, kind, message, file, line, seconds, text)
        await self.tell(PLUGIN_RELOAD_FAILED, fact)
        return {"file": file, "line": line}

    async def failed(self, plugin_id: str, stage: str, error: BaseException) -> None:
        """Publish and log that a stage of a plugin's life failed."""
        text = "".join(traceback.format_exception(error))
        logger.error("plugin %r: %s failed\n%s", plugin_id, stage, text)
        await self.tell(PLUGIN_FAILED, PluginFailed(plugin_id, stage, type(error).__qualname__, str(error), text))


def _log(topic: str, payload: object, error: BusError) -> None:
    logger.warning("%s could not be published (%s): %r", topic, error, payload)
