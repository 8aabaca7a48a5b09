"""Who decides what plugins are granted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias

import attrs

from gridbus.manifest import Permission, PluginMetadata
from gridbus.manifest.permissions import as_permission


@attrs.frozen
class PermissionRequest:
    """What a plugin would like to be granted."""

    plugin: PluginMetadata
    permissions: tuple[Permission, ...]
    is_declared: bool = True  #: False where it asks for more while it runs


PermissionPolicy: TypeAlias = Callable[
    [PermissionRequest], Iterable[Permission | str] | Awaitable[Iterable[Permission | str]]
]
"""Returns what is granted of a request; it may ask the operator."""


def grant_declared(request: PermissionRequest) -> tuple[Permission, ...]:
    """Grant what a plugin declares, by its metadata and its decorators, and nothing more while it runs."""
    return request.permissions if request.is_declared else ()


def grant_listed(
    table: Mapping[str, Iterable[Permission | str]], otherwise: PermissionPolicy = grant_declared
) -> PermissionPolicy:
    """Return the policy that grants the plugins in a table what stands there, and asks another about the others.

    Raises:
        PluginValidationError: the table holds what is no permission.
    """
    listed = {plugin_id: tuple(map(as_permission, permissions)) for plugin_id, permissions in table.items()}

    def grant(request: PermissionRequest) -> Iterable[Permission | str] | Awaitable[Iterable[Permission | str]]:
        permissions = listed.get(request.plugin.id)
        return otherwise(request) if permissions is None else permissions

    return grant
