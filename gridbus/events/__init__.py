"""Events, their topics, and the catalogue of core topics."""

from gridbus.events.event import Event, Origin, Trace
from gridbus.events.topic import Topic, is_pattern, matches

__all__ = ["Event", "Origin", "Topic", "Trace", "is_pattern", "matches"]
