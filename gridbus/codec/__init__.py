"""Plain data to typed objects and back."""

from gridbus.codec.structuring import structure
from gridbus.codec.unstructuring import unstructure

__all__ = ["structure", "unstructure"]
