"""What one plugin may do: checked on each call, cheap after the first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from gridbus.channels import Channel
from gridbus.errors import PluginPermissionError
from gridbus.manifest import Permission, PermissionKind, PermissionSet, PluginMetadata
from gridbus.manifest.metadata import RESERVED_NAMES
from gridbus.manifest.permissions import ANY

_MOST_REMEMBERED = 4096  # topics; a plugin that makes up names must not grow without end

_MANAGING = {"manager", "plugin", "reload"}  # first parts of channels that change which plugins run, and how
_GRID_READING = {"read", "stream"}  # verbs of the grid's channels that change nothing


class Holding(Protocol):
    """Something open that needs a permission."""

    @property
    def is_closed(self) -> bool:
        """Tell whether it was closed."""
        ...

    def close(self) -> object:
        """Close it."""


class Grants:
    """Answers whether a plugin may, and says in its errors what permission is missing."""

    __slots__ = ("_askable", "_declared", "_held", "_prune_at", "_served", "metadata", "permissions", "publishable")

    def __init__(
        self,
        metadata: PluginMetadata,
        granted: Iterable[Permission],
        declared: Iterable[Permission] = (),
        served: Iterable[str] = (),
    ) -> None:
        """Prepare the answers.

        Args:
            metadata: of the plugin.
            granted: what it was granted.
            declared: what it asked for.
            served: names of the channels that its decorators serve.
        """
        self.metadata = metadata
        self.permissions = PermissionSet(granted)
        self.publishable: set[str] = set()  #: topics that were checked and may be published
        self._askable: set[str] = set()  #: names of channels, likewise
        self._declared = PermissionSet(declared)
        self._held: dict[Holding, Permission] = {}  #: what is open, and what it needs
        self._prune_at = 16
        self._served = frozenset((*served, *metadata.channels))

    def allows(self, kind: PermissionKind | str, target: str = ANY) -> bool:
        """Tell whether a permission was granted."""
        return self.permissions.allows(kind, target)

    def extend(self, permissions: Iterable[Permission]) -> None:
        """Grant more."""
        self.permissions = PermissionSet((*self.permissions, *permissions))

    def replace(self, permissions: Iterable[Permission]) -> None:
        """Grant this and nothing else; what was found to be allowed is looked at again."""
        self.permissions = PermissionSet(permissions)
        self.publishable.clear()
        self._askable.clear()
        for handle, needed in self._held.items():
            if not self.permissions.covers(needed):
                handle.close()
        self._prune()

    def hold(self, kind: PermissionKind, target: str, handle: Holding) -> None:
        """Close what is open when the permission that it needs is taken away."""
        if len(self._held) >= self._prune_at:
            self._prune()
        self._held[handle] = Permission(kind, target)

    def let_go(self) -> None:
        """Hold nothing more."""
        self._held.clear()

    def _prune(self) -> None:
        self._held = {handle: needed for handle, needed in self._held.items() if not handle.is_closed}
        self._prune_at = 2 * len(self._held) + 16

    def check(self, kind: PermissionKind, target: str = ANY) -> None:
        """Refuse what needs a permission that was not granted.

        Raises:
            PluginPermissionError: as its name says; the message names the permission.
        """
        if self.permissions.allows(kind, target):
            return
        wanted = Permission(kind, target)
        if self._declared.covers(wanted):
            remedy = f"it asks for {str(wanted)!r} and was not granted it"
        else:
            remedy = f"add {str(wanted)!r} to its permissions"
        raise self._refusal(f"may not {wanted.describe()}: {remedy}", wanted)

    def check_ask(self, channel: Channel[Any, Any]) -> None:
        """Refuse to ask on a channel.

        The plugin's own channels are free. Those of the manager and the reloader need ``manage``, those of a grid
        ``grid.read`` or ``grid.write``: a wide ``ask:*`` opens neither.

        Raises:
            PluginPermissionError: the permission for that was not granted.
        """
        if channel.name in self._askable:
            return
        noun, _, verb = channel.name.partition(":")
        if noun in _MANAGING:
            self.check(PermissionKind.MANAGE)
        elif noun == "grid":
            self.check(PermissionKind.GRID_READ if verb in _GRID_READING else PermissionKind.GRID_WRITE)
        elif not self.owns(noun):
            self.check(PermissionKind.ASK, channel.name)
        _remember(channel.name, self._askable)

    def check_serve(self, channel: str) -> None:
        """Refuse to serve a channel that is neither in the plugin's namespace nor declared.

        Raises:
            PluginPermissionError: it is somebody else's, or one of gridbus itself.
        """
        noun = channel.partition(":")[0]
        if noun in RESERVED_NAMES:
            raise self._refusal(f"may not serve {channel}: channels of {noun!r} are those of gridbus itself")
        if not self.owns(noun) and channel not in self._served:
            raise self._refusal(
                f"may not serve {channel}: add it to the channels of its metadata, or serve {self.metadata.id}:..."
            )

    def check_publish(self, topic: str) -> None:
        """Refuse to publish outside of the plugin's namespaces; what is allowed is remembered in ``publishable``.

        Raises:
            PluginPermissionError: the topic is somebody else's, or one of gridbus itself.
        """
        noun = topic.partition(":")[0]
        if noun in RESERVED_NAMES:
            raise self._refusal(f"may not publish {topic}: topics of {noun!r} are facts that only gridbus itself knows")
        if not self.owns(noun):
            self.check(PermissionKind.PUBLISH, topic)
        _remember(topic, self.publishable)

    def owns(self, noun: str) -> bool:
        """Tell whether the first part of a topic is a namespace of this plugin."""
        return noun == self.metadata.id or any(
            noun == owned or noun.startswith(f"{owned}.") for owned in namespaces(self.metadata)
        )

    def _refusal(self, what: str, permission: Permission | None = None) -> PluginPermissionError:
        return PluginPermissionError(f"plugin {self.metadata.id!r} {what}", self.metadata.id, permission=permission)


def subscribed_target(subject: Any) -> str:
    """Return the target of the permission to hear ``subject``; by payload type any topic may be heard."""
    return str(subject) if isinstance(subject, str) else ANY


def _remember(name: str, names: set[str]) -> None:
    if len(names) >= _MOST_REMEMBERED:
        names.clear()
    names.add(name)


def namespaces(metadata: PluginMetadata) -> tuple[str, ...]:
    """Return the first parts of topics that a plugin owns, each with what is below it after a dot."""
    return (metadata.id, *metadata.topics)


def overlap(one: PluginMetadata, other: PluginMetadata) -> str | None:
    """Return a namespace that two plugins both own, if there is one."""
    for mine in namespaces(one):
        for theirs in namespaces(other):
            if mine == theirs or mine.startswith(f"{theirs}."):
                return mine
            if theirs.startswith(f"{mine}."):
                return theirs
    return None
