"""Plugins: what they are made of, what they may do, and who keeps them."""

from gridbus.channels.plugins import PluginInfo, PluginState
from gridbus.plugins.context import PluginContext
from gridbus.plugins.declare import intercepts, on, serves
from gridbus.plugins.discovery import DiscoveredPlugin
from gridbus.plugins.grid_access import GridAccess
from gridbus.plugins.loader import PluginSource
from gridbus.plugins.manager import PluginManager
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.policy import PermissionPolicy, PermissionRequest, grant_declared, grant_listed

__all__ = [
    "DiscoveredPlugin",
    "GridAccess",
    "PermissionPolicy",
    "PermissionRequest",
    "Plugin",
    "PluginContext",
    "PluginInfo",
    "PluginManager",
    "PluginSource",
    "PluginState",
    "grant_declared",
    "grant_listed",
    "intercepts",
    "on",
    "serves",
]
