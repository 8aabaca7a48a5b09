"""What the processes of one application share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from gridbus.bus import Bus
from gridbus.hosting.parent.event_relay import PackedEvents
from gridbus.hosting.parent.restarts import RestartPolicy
from gridbus.isolation.meter import Meter


@attrs.define(eq=False, kw_only=True)
class Surroundings:
    """Given to each plugin's stand-in and to each of its lives."""

    bus: Bus
    meter: Meter
    restarts: RestartPolicy
    hang_after: float  #: seconds without progress after which a process is ended
    load_timeout: float  #: seconds that a process may take until its plugin is loaded
    started: Callable[[], object]  #: called when a plugin has come up
    forget: Callable[[Any], object]  #: called with a stand-in that is gone
    packed: PackedEvents = attrs.field(factory=PackedEvents)
