"""What a plugin says about itself."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TypeVar

import attrs

from gridbus.errors import PluginValidationError
from gridbus.events.topic import check_topic
from gridbus.manifest._problems import as_text, attempt, attempt_all, listed, problems_of, shown
from gridbus.manifest.choices import Isolation, PluginCategory, Pricing
from gridbus.manifest.dependency import Dependency, as_dependency, check_id
from gridbus.manifest.limits import ResourceLimits
from gridbus.manifest.permissions import Permission, as_permission
from gridbus.manifest.versions import VersionRange, as_range, check_version

Choice = TypeVar("Choice", bound=enum.StrEnum)

_CORE_TOPICS = {"app", "bus", "column", "data", "filter", "grid", "health", "page", "plugin", "row", "sort"}
_SERVICES = {"gridbus", "journal", "manager", "marketplace", "plugins", "reload", "storage"}
RESERVED_NAMES = frozenset(_CORE_TOPICS | _SERVICES)  #: no plugin may call itself so, or own topics of that first part


def check_plugin_id(value: str) -> str:
    """Return ``value`` if a plugin may call itself that, raise ``PluginValidationError`` if not."""
    if check_id(value) in RESERVED_NAMES:
        raise PluginValidationError(f"{value!r} is reserved for gridbus itself: choose another id")
    return value


def _check_namespace(value: str) -> str:
    if isinstance(value, str) and ":" in value:
        raise PluginValidationError(f"{shown(value)} is a topic: write its first part, {value.partition(':')[0]!r}")
    check_topic(f"{as_text(value)}:any")
    if value in RESERVED_NAMES:
        raise PluginValidationError(
            f"{value!r} is reserved for gridbus itself, which alone publishes there: choose a name of your own"
        )
    return value


def _read_choice(choices: type[Choice], value: Choice | str) -> Choice:
    try:
        return choices(value)
    except ValueError:
        raise PluginValidationError(f"{shown(value)} is none of {', '.join(choices)}") from None


def _id(value: str) -> str:
    return attempt(check_plugin_id, value)


def _text(value: str) -> str:
    return attempt(as_text, value)


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return attempt_all(as_text, values)


def _version(value: str) -> str:
    return attempt(check_version, value)


def _range(value: VersionRange | str) -> VersionRange:
    return attempt(as_range, value)


def _category(value: PluginCategory | str) -> PluginCategory:
    return attempt(lambda value: _read_choice(PluginCategory, value), value)


def _isolation(value: Isolation | str) -> Isolation:
    return attempt(lambda value: _read_choice(Isolation, value), value)


def _pricing(value: Pricing | str) -> Pricing:
    return attempt(lambda value: _read_choice(Pricing, value), value)


def _dependencies(values: Iterable[Dependency | str]) -> tuple[Dependency, ...]:
    return attempt_all(as_dependency, values)


def _permissions(values: Iterable[Permission | str]) -> tuple[Permission, ...]:
    return attempt_all(as_permission, values)


def _namespaces(values: Iterable[str]) -> tuple[str, ...]:
    return attempt_all(_check_namespace, values)


def _channels(values: Iterable[str]) -> tuple[str, ...]:
    return attempt_all(check_topic, values)


@attrs.frozen(kw_only=True)
class PluginMetadata:
    """What a plugin is, needs and asks for; checked before any of its code runs.

    Text stands for the richer types where that is handy: ``dependencies=["audit-log>=1.0,<2"]``,
    ``permissions=["subscribe:row:*", "storage"]``, ``category="export"``.

    Raises:
        PluginValidationError: a field cannot be used; the message lists each problem as ``message @ field``, and so
            does ``details["problems"]``.
    """

    id: str = attrs.field(converter=_id)  #: small letters, digits and single dashes, up to 64 characters
    name: str = attrs.field(converter=_text)  #: for people
    version: str = attrs.field(converter=_version)  #: by PEP 440
    author: str = attrs.field(default="", converter=_text)
    category: PluginCategory = attrs.field(default=PluginCategory.UTILITY, converter=_category)
    description: str = attrs.field(default="", converter=_text)
    tags: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    license: str = attrs.field(default="", converter=_text)
    homepage: str = attrs.field(default="", converter=_text)
    core_version: VersionRange = attrs.field(default=VersionRange(), converter=_range)  #: versions of gridbus that fit
    dependencies: tuple[Dependency, ...] = attrs.field(default=(), converter=_dependencies)  #: initialized before it
    conflicts: tuple[Dependency, ...] = attrs.field(default=(), converter=_dependencies)  #: must not be registered
    peers: tuple[Dependency, ...] = attrs.field(default=(), converter=_dependencies)  #: must be there, in any order
    permissions: tuple[Permission, ...] = attrs.field(default=(), converter=_permissions)  #: what it asks for
    limits: ResourceLimits = attrs.field(factory=ResourceLimits)
    isolation: Isolation = attrs.field(default=Isolation.INLINE, converter=_isolation)
    topics: tuple[str, ...] = attrs.field(default=(), converter=_namespaces)  #: first parts it owns besides its id
    channels: tuple[str, ...] = attrs.field(default=(), converter=_channels)  #: channels that it serves
    verified: bool = False  #: set by a marketplace; a plugin's own word for it counts for nothing
    featured: bool = False  #: likewise
    pricing: Pricing = attrs.field(default=Pricing.FREE, converter=_pricing)
    icon: str = attrs.field(default="", converter=_text)  #: address, or path within the package
    screenshots: tuple[str, ...] = attrs.field(default=(), converter=_texts)  #: likewise

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be used, all of it at once."""
        problems = problems_of(self)
        if isinstance(self.name, str) and not self.name.strip():
            problems.append("a name is needed @ name")
        if not isinstance(self.limits, ResourceLimits):
            problems.append(f"ResourceLimits are needed, not {shown(self.limits)} @ limits")
        for field in ("verified", "featured"):
            if not isinstance(getattr(self, field), bool):
                problems.append(f"true or false is needed, not {shown(getattr(self, field))} @ {field}")
        problems += self._contradictions()
        if problems:
            plugin_id = self.id if isinstance(self.id, str) else None
            message = listed(f"metadata of plugin {shown(plugin_id) if plugin_id else 'without a usable id'}", problems)
            raise PluginValidationError(message, plugin_id, problems=tuple(problems))

    def owns_topic(self, topic: str) -> bool:
        """Tell whether a topic is in a namespace of this plugin, where it may publish without permission."""
        namespace = topic.partition(":")[0]
        return namespace == self.id or namespace in self.topics

    def _contradictions(self) -> list[str]:
        """List what dependencies say against each other or against the plugin itself."""
        found = []
        seen: dict[str, str] = {}
        for field in ("dependencies", "conflicts", "peers"):
            value = getattr(self, field)
            for other in value if isinstance(value, tuple) else ():
                if not isinstance(other, Dependency):
                    continue
                if other.id == self.id:
                    found.append(f"{other.id!r} is the plugin itself @ {field}")
                elif seen.setdefault(other.id, field) != field and "conflicts" in (seen[other.id], field):
                    found.append(f"{other.id!r} is in {seen[other.id]} too @ {field}")
        return found
