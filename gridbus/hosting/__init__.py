"""A plugin in a process of its own: the process itself, and what stands for it in the application."""

from gridbus.hosting.parent.host import ProcessHost
from gridbus.hosting.parent.restarts import RestartPolicy

__all__ = ["ProcessHost", "RestartPolicy"]
