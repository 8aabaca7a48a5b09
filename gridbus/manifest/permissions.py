"""What a plugin may do: permissions as it asks for them and as they are granted."""

from __future__ import annotations

import enum
import posixpath

import attrs

from gridbus.errors import PluginValidationError, TopicError
from gridbus.events.topic import check_pattern
from gridbus.manifest._problems import shown

ANY = "*"


class PermissionKind(enum.StrEnum):
    """The things that need a permission."""

    SUBSCRIBE = "subscribe"  #: hear events; target: topic or pattern
    PUBLISH = "publish"  #: publish outside of the plugin's own namespaces; target: topic or pattern
    INTERCEPT = "intercept"  #: change or veto what is published; target: topic or pattern
    ASK = "ask"  #: ask and tell; target: channel or pattern
    GRID_READ = "grid.read"  #: read rows, columns and the view
    GRID_WRITE = "grid.write"  #: change them
    STORAGE = "storage"  #: keep values in its own key-value store
    MANAGE = "manage"  #: register, reload and remove plugins
    FS_READ = "fs.read"  #: read files; target: path, and what is below it
    FS_WRITE = "fs.write"  #: write files; target: path, and what is below it
    NET = "net"  #: connect; target: host:port, ``*.example.org`` and ``*`` as wildcards
    EXEC = "exec"  #: start programs; target: name of the program
    THREADS = "threads"  #: start threads


_TOPICS = {PermissionKind.SUBSCRIBE, PermissionKind.PUBLISH, PermissionKind.INTERCEPT, PermissionKind.ASK}
_PATHS = {PermissionKind.FS_READ, PermissionKind.FS_WRITE}
_WHOLE = {
    PermissionKind.GRID_READ,
    PermissionKind.GRID_WRITE,
    PermissionKind.STORAGE,
    PermissionKind.MANAGE,
    PermissionKind.THREADS,
}
_WORDS = {
    PermissionKind.SUBSCRIBE: ("hear all events", "hear the events {}"),
    PermissionKind.PUBLISH: ("publish any event", "publish the events {} of others"),
    PermissionKind.INTERCEPT: ("change or veto anything that is published", "change or veto {} before it is published"),
    PermissionKind.ASK: ("talk to every plugin", "talk to other plugins over {}"),
    PermissionKind.GRID_READ: ("read the grid", ""),
    PermissionKind.GRID_WRITE: ("change the grid", ""),
    PermissionKind.STORAGE: ("keep data between runs", ""),
    PermissionKind.MANAGE: ("add, reload and remove plugins", ""),
    PermissionKind.FS_READ: ("read all files", "read files at and below {}"),
    PermissionKind.FS_WRITE: ("write all files", "write files at and below {}"),
    PermissionKind.NET: ("connect to any host", "connect to {}"),
    PermissionKind.EXEC: ("start any program", "start the program {}"),
    PermissionKind.THREADS: ("start threads", ""),
}


def _kind(value: PermissionKind | str) -> PermissionKind:
    try:
        return PermissionKind(value)
    except ValueError:
        known = ", ".join(PermissionKind)
        raise PluginValidationError(f"{shown(value)} is no permission: choose from {known}") from None


@attrs.frozen
class Permission:
    """One thing that a plugin may do, written ``kind`` or ``kind:target``.

    Paths are compared by their text, without looking at the disk: who asks resolves a path (links, ``..``, working
    folder) first. A relative target covers relative paths only.

    Raises:
        PluginValidationError: the kind is unknown, or the target does not fit it.
    """

    kind: PermissionKind = attrs.field(converter=_kind)
    target: str = ANY

    def __attrs_post_init__(self) -> None:
        """Bring the target to its one spelling; refuse one that does not fit the kind."""
        object.__setattr__(self, "target", _target(self.kind, self.target))

    @classmethod
    def parse(cls, text: str) -> Permission:
        """Read ``storage``, ``subscribe:row:*``, ``net:api.example.org:443``."""
        if not isinstance(text, str):
            raise PluginValidationError(f"{shown(text)} is no permission: write 'kind' or 'kind:target'")
        kind, colon, target = text.strip().partition(":")
        return cls(kind, target if colon else ANY)

    def __str__(self) -> str:
        """Return the form that ``parse`` reads."""
        return str(self.kind) if self.target == ANY else f"{self.kind}:{self.target}"

    def covers(self, other: Permission) -> bool:
        """Tell whether whoever has this permission has ``other`` too."""
        if self.kind is not other.kind:
            return False
        if self.target in (ANY, other.target):
            return True
        if self.kind in _TOPICS:
            return _covers_topic(self.target, other.target)
        if self.kind in _PATHS:
            return _covers_path(self.target, other.target)
        return self.kind is PermissionKind.NET and _covers_address(self.target, other.target)

    def overlaps(self, other: Permission) -> bool:
        """Tell whether there is anything that both allow."""
        if self.kind is not other.kind:
            return False
        if self.covers(other) or other.covers(self):
            return True
        if self.kind in _TOPICS:
            return all(map(_meet, self.target.split(":"), other.target.split(":")))
        return self.kind is PermissionKind.NET and _addresses_meet(self.target, other.target)

    def describe(self) -> str:
        """Say in plain words what this allows, to complete "the plugin may ..."."""
        everything, some = _WORDS[self.kind]
        return everything if self.target == ANY else some.format(self.target)


def as_permission(value: Permission | str) -> Permission:
    """Return a permission, reading it where it is text."""
    return value if isinstance(value, Permission) else Permission.parse(value)


def _target(kind: PermissionKind, target: str) -> str:
    """Return the one spelling of a target."""
    if not isinstance(target, str) or not target.strip():
        raise PluginValidationError(f"the target of {kind} is text, not {shown(target)}")
    target = target.strip()
    if target == ANY:
        return ANY
    if kind in _WHOLE:
        raise PluginValidationError(f"{kind} takes no target, so leave out {shown(target)}")
    if kind in _TOPICS:
        try:
            return ANY if target == "*:*" else check_pattern(target)
        except TopicError as error:
            raise PluginValidationError(f"{kind}: {error}") from None
    if kind in _PATHS:
        path = posixpath.normpath(target)
        path = f"/{path.lstrip('/')}" if path.startswith("/") else path
        if path == ".." or path.startswith("../"):
            raise PluginValidationError(f"{kind}: {shown(target)} leads out of its folder: write where it leads")
        return path
    return _address(target) if kind is PermissionKind.NET else target


def _address(target: str) -> str:
    host, colon, port = target.rpartition(":")
    if not colon or target.endswith("]"):  # no port, or an IPv6 address in brackets without one
        host, port = target, ANY
    host = host.lower()
    literal = host.startswith("[") and host.endswith("]")
    if not host or (":" in host and not literal) or ("*" in host.removeprefix("*.") and host != ANY) or "/" in host:
        raise PluginValidationError(f"{shown(target)} is no address: write host:port, *.example.org:443 or [::1]:80")
    if port != ANY and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise PluginValidationError(f"{shown(port)} in {shown(target)} is no port: write 1 to 65535, or *")
    return ANY if host == port == ANY else f"{host}:{port if port == ANY else int(port)}"


def _covers_topic(wide: str, narrow: str) -> bool:
    noun, _, verb = wide.partition(":")
    other_noun, _, other_verb = narrow.partition(":")
    return noun in (ANY, other_noun) and verb in (ANY, other_verb)


def _meet(part: str, other: str) -> bool:
    return part == other or ANY in (part, other)


def _covers_address(wide: str, narrow: str) -> bool:
    host, _, port = wide.rpartition(":")
    other_host, _, other_port = narrow.rpartition(":")
    return _covers_host(host, other_host) and port in (ANY, other_port)


def _addresses_meet(one: str, other: str) -> bool:
    host, _, port = one.rpartition(":")
    other_host, _, other_port = other.rpartition(":")
    return (_covers_host(host, other_host) or _covers_host(other_host, host)) and _meet(port, other_port)


def _covers_host(wide: str, narrow: str) -> bool:
    return wide in (ANY, narrow) or (wide.startswith("*.") and narrow.endswith(wide[1:]))


def _covers_path(wide: str, narrow: str) -> bool:
    if wide in ("/", "."):  # everything absolute, everything relative
        return narrow.startswith("/") is (wide == "/")
    return narrow.startswith(f"{wide}/")
