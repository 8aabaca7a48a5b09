"""How much a plugin may use, and how much it does use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from gridbus.errors import PluginValidationError
from gridbus.manifest._problems import attempt, listed, problems_of, shown

_SIZE = r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)"
_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}


def parse_size(value: int | str) -> int:
    """Return bytes from a number or a text such as ``10 MiB`` (1,048,576 each) or ``10 MB`` (1,000,000 each).

    Raises:
        PluginValidationError: the text is no size.
    """
    if isinstance(value, int):
        return value
    match = re.fullmatch(_SIZE, value.strip()) if isinstance(value, str) else None
    if match is None or match[2].lower() not in _UNITS:
        raise PluginValidationError(f"{shown(value)} is no size: write bytes, or text such as '10 MiB' or '500 kB'")
    return round(float(match[1]) * _UNITS[match[2].lower()])


def _size(value: int | str) -> int:
    return attempt(parse_size, value)


@attrs.frozen(kw_only=True)
class ResourceLimits:
    """What a plugin may use; each is above 0.

    The first group holds for every plugin. The second can only be enforced by a process host: inline, a plugin shares
    memory, processor and files with the application, and these fields have no effect.

    Raises:
        PluginValidationError: a limit is not a number above 0; the message lists each problem.
    """

    max_handlers: int = 100  #: subscriptions, interceptors and channel servers together
    max_tasks: int = 100  #: background tasks and timers at one time
    max_events_per_second: int = 10_000  #: events that it publishes
    max_storage_bytes: int = attrs.field(default=10 * 2**20, converter=_size)  #: keys and values in its own store
    handler_timeout: float = 30.0  #: seconds for one call of a handler; ``inf`` for no limit, as in those below
    initialize_timeout: float = 10.0
    destroy_timeout: float = 5.0
    health_timeout: float = 5.0

    memory_bytes: int = attrs.field(default=256 * 2**20, converter=_size)  #: private memory
    cpu_percent: float = 100.0  #: of one core, over time
    cpu_seconds_per_event: float = 10.0  #: processor time for one call of a handler
    file_bytes: int = attrs.field(default=64 * 2**20, converter=_size)  #: all files that it wrote together
    open_files: int = 64
    threads: int = 8

    def __attrs_post_init__(self) -> None:
        """Refuse what is no number above 0."""
        problems = problems_of(self)
        broken = {problem.rpartition(" @ ")[2] for problem in problems}
        for field in attrs.fields(ResourceLimits):
            value = getattr(self, field.name)
            if field.name in broken:
                continue
            whole = isinstance(field.default, int)
            right_type = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not right_type or not value > 0:
                kind = "a whole number" if whole else "a number"
                problems.append(f"{kind} above 0 is needed, not {shown(value)} @ {field.name}")
        if problems:
            raise PluginValidationError(listed("limits", problems), problems=tuple(problems))


def changed_limits(limits: ResourceLimits, changes: Mapping[str, Any]) -> ResourceLimits:
    """Return limits with some of them replaced, by name.

    Raises:
        PluginValidationError: there is no such limit, or it is not a number above 0; all problems are listed.
    """
    known = [field.name for field in attrs.fields(ResourceLimits)]
    problems = [
        f"there is no such limit, choose from {', '.join(known)} @ {name}" for name in changes if name not in known
    ]
    try:
        changed = attrs.evolve(limits, **{name: value for name, value in changes.items() if name in known})
    except PluginValidationError as error:
        problems += error.details["problems"]
    else:
        if not problems:
            return changed
    raise PluginValidationError(listed("limits", problems), problems=tuple(problems))


@attrs.frozen(kw_only=True)
class ResourceUsage:
    """What a plugin uses now and has done since it was initialized."""

    handlers: int = 0  #: subscriptions, interceptors and channel servers
    channels: int = 0  #: channels that it serves
    tasks: int = 0  #: background tasks and timers that run
    events_handled: int = 0
    events_failed: int = 0
    events_dropped: int = 0
    events_published: int = 0
    events_per_second: float = 0.0  #: published, over the last seconds
    handler_seconds: float = 0.0  #: time spent in its handlers, waiting included
    p50_us: float | None = None  #: half of the calls of its handlers took less than this many microseconds
    p99_us: float | None = None
    storage_bytes: int = 0
    pid: int = 0  #: of its own process; 0 for what runs inline, as all that follows
    cpu_seconds: float = 0.0  #: processor time of its own process
    cpu_percent: float = 0.0  #: of one core, over the last seconds
    memory_bytes: int = 0  #: resident
    threads: int = 0
    file_bytes: int = 0  #: in the places that it may write to
