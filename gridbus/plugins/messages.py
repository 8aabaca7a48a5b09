"""Messages between plugins that share no type: one channel per plugin carries them."""

from __future__ import annotations

from gridbus.channels import Channel
from gridbus.manifest import PluginMessage


def message_channel(plugin_id: str) -> Channel[PluginMessage, None]:
    """Return the channel on which a plugin gets its messages; sending needs ``ask:<id>:message``."""
    return Channel(f"{plugin_id}:message", PluginMessage, type(None))
