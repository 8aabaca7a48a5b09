"""Writes what happens to a file, without the personal data."""

from official_plugins.audit_log.config import AuditLogConfig, PiiConfig
from official_plugins.audit_log.plugin import AuditLog

__all__ = ["AuditLog", "AuditLogConfig", "PiiConfig"]
