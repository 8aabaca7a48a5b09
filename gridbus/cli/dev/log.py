"""The log of the plugin that its author works on, and warnings of everybody else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gridbus.errors import PluginReloadError

_OF_PLUGINS = ("gridbus.plugin.", "gridbus_plugin_")  # a plugin's own logger, and those of its modules
_TOLD_AS_FACTS = ("gridbus.bus", "gridbus.plugins")  # failures, which are published as well
_OF_RELOADS = ("gridbus.plugins", "gridbus.reload")


class _Passing(logging.Handler):
    """Hands each line on."""

    def __init__(self, show: Callable[[str], object]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on what the author is to see."""
        if record.name.startswith(_OF_PLUGINS):
            self._show(f"{record.levelname.lower()}: {record.getMessage()}")
        elif record.levelno >= logging.WARNING and not _is_told(record):
            self._show(f"{record.levelname.lower()}: {record.name}: {record.getMessage()}".partition("\n")[0])


@contextmanager
def plugin_log(show: Callable[[str], object]) -> Iterator[None]:
    """Hand on what plugins log, from INFO on, and all warnings, for as long as the block runs; from any thread."""
    root, handler = logging.getLogger(), _Passing(show)
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@contextmanager
def failed_reloads_told_once() -> Iterator[None]:
    """Log nothing of reloads that failed for as long as the block runs: whoever listens to the bus tells them."""

    def is_news(record: logging.LogRecord) -> bool:
        return not _is_failed_reload(record)

    loggers = [logging.getLogger(name) for name in _OF_RELOADS]
    for logger in loggers:
        logger.addFilter(is_news)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_news)


def _is_told(record: logging.LogRecord) -> bool:
    return (record.levelno >= logging.ERROR and record.name in _TOLD_AS_FACTS) or _is_failed_reload(record)


def _is_failed_reload(record: logging.LogRecord) -> bool:
    if record.name not in _OF_RELOADS:
        return False
    arguments = record.args if isinstance(record.args, tuple) else ()
    return any(
        isinstance(argument, PluginReloadError) for argument in arguments
    ) or "is not reloaded, and goes on" in str(record.msg)
