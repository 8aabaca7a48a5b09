"""Typed conversations between plugins."""

from gridbus.channels.channel import Channel, Responder
from gridbus.channels.hub import Hub, ServedChannel

__all__ = ["Channel", "Hub", "Responder", "ServedChannel"]
