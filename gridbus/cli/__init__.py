"""The command line."""

from gridbus.cli.main import main

__all__ = ["main"]
