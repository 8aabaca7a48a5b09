"""Metadata, permissions, limits and version ranges of plugins, and the file that declares them."""

from gridbus.manifest.choices import Isolation, PluginCategory, Pricing
from gridbus.manifest.dependency import Dependency
from gridbus.manifest.grants import PermissionSet
from gridbus.manifest.limits import ResourceLimits, ResourceUsage, parse_size
from gridbus.manifest.message import PluginMessage
from gridbus.manifest.metadata import PluginMetadata
from gridbus.manifest.permissions import Permission, PermissionKind
from gridbus.manifest.reader import (
    MANIFEST_NAME,
    Manifest,
    parse_manifest,
    read_manifest,
    read_packaged_manifest,
)
from gridbus.manifest.verdicts import PluginHealth, ValidationResult
from gridbus.manifest.versions import VersionRange

__all__ = [
    "MANIFEST_NAME",
    "Dependency",
    "Isolation",
    "Manifest",
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
    "parse_manifest",
    "parse_size",
    "read_manifest",
    "read_packaged_manifest",
]
