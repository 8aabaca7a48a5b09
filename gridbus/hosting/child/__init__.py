"""What runs in a plugin's process."""

from gridbus.hosting.child.bus import ChildBus
from gridbus.hosting.child.session import Session

__all__ = ["ChildBus", "Session"]
