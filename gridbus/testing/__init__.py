"""Helpers for tests of applications and plugins."""

from gridbus.testing.clock import FakeClock
from gridbus.testing.recorder import Recorder

__all__ = ["FakeClock", "Recorder"]
