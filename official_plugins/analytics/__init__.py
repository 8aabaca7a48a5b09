"""Tells a provider of product analytics what is done with the grid."""

from official_plugins.analytics.config import AnalyticsConfig, Provider
from official_plugins.analytics.plugin import Analytics
from official_plugins.analytics.tracked import TRACK, Track

__all__ = ["TRACK", "Analytics", "AnalyticsConfig", "Provider", "Track"]
