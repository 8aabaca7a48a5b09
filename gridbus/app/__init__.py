"""The composition root: an application, and a grid opened in one line."""

from gridbus.app.app import App
from gridbus.app.loading import FileLoaded
from gridbus.app.opening import open_grid

__all__ = ["App", "FileLoaded", "open_grid"]
