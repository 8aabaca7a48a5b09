"""Verdicts on a plugin: how it is, and whether a configuration fits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from gridbus.errors import PluginValidationError
from gridbus.events.system import HealthStatus


def _status(value: HealthStatus | str) -> HealthStatus:
    try:
        return HealthStatus(value)
    except ValueError:
        raise PluginValidationError(f"{value!r} is no health: choose from {', '.join(HealthStatus)}") from None


@attrs.frozen
class PluginHealth:
    """How a plugin is, at one moment."""

    status: HealthStatus = attrs.field(converter=_status)
    message: str = ""
    details: Mapping[str, Any] = attrs.field(factory=dict)  #: figures worth showing, by name
    duration: float = 0.0  #: seconds that the check took; filled in by whoever asked
    checked_at: datetime | None = None  #: when, in UTC; filled in by whoever asked

    @classmethod
    def healthy(cls, message: str = "", **details: Any) -> PluginHealth:
        """All is well."""
        return cls(HealthStatus.HEALTHY, message, details)

    @classmethod
    def warning(cls, message: str, **details: Any) -> PluginHealth:
        """It works, but somebody should look."""
        return cls(HealthStatus.WARNING, message, details)

    @classmethod
    def error(cls, message: str, **details: Any) -> PluginHealth:
        """It does not work."""
        return cls(HealthStatus.ERROR, message, details)

    @classmethod
    def unknown(cls, message: str, **details: Any) -> PluginHealth:
        """It could not be asked."""
        return cls(HealthStatus.UNKNOWN, message, details)


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@attrs.frozen
class ValidationResult:
    """Whether a configuration can be used, and what is wrong or doubtful about it.

    Raises:
        PluginValidationError: a result that is valid has errors, or one that is not has none.
    """

    is_valid: bool
    errors: tuple[str, ...] = attrs.field(default=(), converter=_texts)  #: each as ``message @ key``
    warnings: tuple[str, ...] = attrs.field(default=(), converter=_texts)

    def __attrs_post_init__(self) -> None:
        """Refuse a result that contradicts itself."""
        if self.is_valid is bool(self.errors):
            what = "is valid and has errors" if self.errors else "is not valid and says not why"
            raise PluginValidationError(f"a validation result contradicts itself: it {what}")
