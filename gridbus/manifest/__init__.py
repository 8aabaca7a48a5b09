"""Metadata, permissions, limits and version ranges of plugins, and the file that declares them."""

from gridbus.manifest.choices import Isolation, PluginCategory, Pricing
from gridbus.manifest.dependency import Dependency
from gridbus.manifest.grants import PermissionSet
from gridbus.manifest.limits import ResourceLimits, ResourceUsage, parse_size
from gridbus.manifest.message import PluginMessage
from gridbus.manifest.metadata import PluginMetadata
from gridbus.manifest.permissions import Permission, PermissionKind
from gridbus.manifest.verdicts import PluginHealth, ValidationResult
from gridbus.manifest.versions import VersionRange

__all__ = [
    "Dependency",
    "Isolation",
    "Permission",
    "PermissionKind",
    "PermissionSet",
    "PluginCategory",
    "PluginHealth",
    "PluginMessage",
    "PluginMetadata",
    "Pricing",
    "ResourceLimits",
    "ResourceUsage",
    "ValidationResult",
    "VersionRange",
    "parse_size",
]
