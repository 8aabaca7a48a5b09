"""Errors of a plugin manager that is asked over the bus, as what they were."""

from __future__ import annotations

from gridbus import errors
from gridbus.errors import PluginError, RemoteError


def plugin_error(error: RemoteError, plugin_id: str | None = None) -> PluginError:
    """Return the error that the manager raised, as its class where that is one of gridbus's for plugins."""
    kind = vars(errors).get(error.type_name)
    if isinstance(kind, type) and issubclass(kind, PluginError):
        return kind(error.message, plugin_id)
    return PluginError(f"{error.type_name}: {error.message}", plugin_id)
