"""The fixed choices that metadata is made of."""

from __future__ import annotations

import enum


class PluginCategory(enum.StrEnum):
    """What a plugin is for; one each."""

    ACCESS_CONTROL = "access-control"
    ANALYTICS = "analytics"
    AUDIT = "audit"
    COLLABORATION = "collaboration"
    DATA = "data"
    DEVELOPMENT = "development"
    EXPORT = "export"
    INTEGRATION = "integration"
    OFFLINE = "offline"
    SECURITY = "security"
    UI = "ui"
    UTILITY = "utility"


class Isolation(enum.StrEnum):
    """Where a plugin runs."""

    INLINE = "inline"  #: in the application's process
    PROCESS = "process"  #: in a sandboxed process of its own


class Pricing(enum.StrEnum):
    """What a plugin costs."""

    FREE = "free"
    FREEMIUM = "freemium"
    PAID = "paid"
