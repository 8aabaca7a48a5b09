"""How an audit log is configured."""

from __future__ import annotations

from pathlib import Path

import attrs

from gridbus import ConfigError, GridbusError, Permission

DEFAULT_EVENTS = ("data:load", "row:*")


@attrs.frozen
class PiiConfig:
    """Personal data, and what the log keeps of it: nothing."""

    mask: tuple[str, ...] = ()
    """Keys whose values are not written: ``email`` wherever it stands, ``*.email`` below another key,
    ``values.email`` right below ``values``; upper and lower case are the same, and ``*`` and ``?`` are wildcards."""

    replacement: str = "***"  #: what is written in the place of a value

    def __attrs_post_init__(self) -> None:
        """Refuse patterns that can match nothing."""
        problems = [
            f"a mask is a key such as 'email' or '*.email', not {pattern!r} @ mask[{index}]"
            for index, pattern in enumerate(self.mask)
            if not isinstance(pattern, str) or not all(pattern.split("."))
        ]
        if problems:
            raise ConfigError("pii", problems)


@attrs.frozen(kw_only=True)
class AuditLogConfig:
    """What is written, where, and how safely."""

    destination: Path = Path("audit.jsonl")  #: the file; it is added to, and made where it is missing
    events: tuple[str, ...] = DEFAULT_EVENTS  #: topics and patterns
    pii: PiiConfig = PiiConfig()
    fsync: bool = True  #: wait for the disk after each batch, so that a power failure takes nothing that was written
    max_waiting: int = 10_000  #: entries kept in memory while they cannot be written
    retry_seconds: float = 1.0  #: between two attempts to write, doubled each time up to 30 seconds

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot work, all of it at once."""
        problems = []
        if self.destination == Path():
            problems.append("a file is needed @ destination")
        if not self.events:
            problems.append("name at least one topic or pattern, such as 'row:*' @ events")
        for index, pattern in enumerate(self.events):
            try:
                Permission("subscribe", pattern)  # a topic or a pattern is what this permission is for
            except GridbusError as error:
                problems.append(f"{error} @ events[{index}]")
        if self.max_waiting < 1:
            problems.append(f"at least 1 is needed, not {self.max_waiting} @ max_waiting")
        if not self.retry_seconds > 0:
            problems.append(f"a number above 0 is needed, not {self.retry_seconds:g} @ retry_seconds")
        if problems:
            raise ConfigError("audit log", problems)
