"""The plugins that come with gridbus; each is what any user could have written."""

from official_plugins.analytics import Analytics
from official_plugins.audit_log import AuditLog
from official_plugins.export import Export

__all__ = ["Analytics", "AuditLog", "Export"]
