"""The health service: how all plugins are, checked now and then."""

from gridbus.health.service import HealthService

__all__ = ["HealthService"]
