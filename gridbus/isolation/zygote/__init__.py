"""The warm process that plugins' processes are forked from, and its client in the application."""

from gridbus.isolation.zygote.child import Child
from gridbus.isolation.zygote.client import Zygote
from gridbus.isolation.zygote.exits import Exit, Rusage

__all__ = ["Child", "Exit", "Rusage", "Zygote"]
