"""What confines a process, and what of it holds on this machine."""

from gridbus.isolation.sandbox.confine import LAYERS, confine, prepare
from gridbus.isolation.sandbox.probe import probe
from gridbus.isolation.sandbox.report import Layer, SandboxReport
from gridbus.isolation.sandbox.spec import SandboxSpec

__all__ = ["LAYERS", "Layer", "SandboxReport", "SandboxSpec", "confine", "prepare", "probe"]
