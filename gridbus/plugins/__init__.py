"""Plugins: what they are made of, what they may do, and who keeps them."""

from gridbus.channels.plugins import PluginInfo, PluginState
from gridbus.plugins.context import PluginContext
from gridbus.plugins.declare import intercepts, on, serves
from gridbus.plugins.discovery import DiscoveredPlugin
from gridbus.plugins.grid_access import GridAccess
from gridbus.plugins.hosting import Hosted, HostedDeclaration, HostRequest, PluginHost
from gridbus.plugins.loader import PluginSource
from gridbus.plugins.manager import PluginManager
from gridbus.plugins.plugin import Plugin
from gridbus.plugins.policy import PermissionPolicy, PermissionRequest, grant_declared, grant_listed
from gridbus.plugins.trust import Candidate, IsolationPolicy, TrustLevel, by_manifest, untrusted_apart

__all__ = [
    "Candidate",
    "DiscoveredPlugin",
    "GridAccess",
    "HostRequest",
    "Hosted",
    "HostedDeclaration",
    "IsolationPolicy",
    "PermissionPolicy",
    "PermissionRequest",
    "Plugin",
    "PluginContext",
    "PluginHost",
    "PluginInfo",
    "PluginManager",
    "PluginSource",
    "PluginState",
    "TrustLevel",
    "by_manifest",
    "grant_declared",
    "grant_listed",
    "intercepts",
    "on",
    "serves",
    "untrusted_apart",
]
