"""Helpers for tests of applications and plugins."""

from gridbus.testing.clock import FakeClock, settle
from gridbus.testing.recorder import Recorder

__all__ = ["FakeClock", "Recorder", "settle"]
