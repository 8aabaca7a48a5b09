"""Limits of a process, enforced from outside."""

from gridbus.isolation.meter.limits import MeterLimits, ProcessUsage, Progress, Reached
from gridbus.isolation.meter.meter import Meter
from gridbus.isolation.meter.metered import Metered
from gridbus.isolation.meter.readings import LinuxReadings, NoReadings, Readings, readings_here
from gridbus.isolation.meter.written import Written

__all__ = [
    "LinuxReadings",
    "Meter",
    "MeterLimits",
    "Metered",
    "NoReadings",
    "ProcessUsage",
    "Progress",
    "Reached",
    "Readings",
    "Written",
    "readings_here",
]
