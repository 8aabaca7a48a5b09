"""What differs between a running application and its file, and what became of that."""

from __future__ import annotations

import enum
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from gridbus.manifest import Permission

logger = logging.getLogger("gridbus.app")

_OF_PLUGIN = re.compile(r" @ \$\.plugins\.([a-z][a-z0-9-]*)")


class Outcome(enum.StrEnum):
    """What became of one difference between what runs and what the file says."""

    APPLIED = "applied"
    FAILED = "failed"  #: what ran before goes on
    NEXT_START = "next start"  #: it takes effect when the application starts anew


@attrs.frozen
class Change:
    """One difference between what runs and what the file says, and what became of it."""

    key: str  #: dotted, as in the file; empty where it is about the file as a whole
    outcome: Outcome
    text: str  #: for people
    plugin: str | None = None  #: that is concerned, where it is one

    def __str__(self) -> str:
        """Return key and text."""
        return f"{self.key}: {self.text}" if self.key else self.text


def log_change(change: Change) -> None:
    """Log a change: a warning where it was not applied."""
    level = logging.INFO if change.outcome is Outcome.APPLIED else logging.WARNING
    logger.log(level, "%s", change)


def unusable(path: Path, problem: str) -> Change:
    """Return the change that a problem of the file is, with the plugin that it is about."""
    found = _OF_PLUGIN.search(problem)
    text = f"{path}: {problem}; all stays as it was"
    return Change("", Outcome.FAILED, text, None if found is None else found[1])


def permissions_text(gone: Sequence[Permission], more: Sequence[Permission]) -> str:
    """Say which permissions were taken away and granted."""
    parts = (
        f"{verb} {', '.join(map(str, permissions))}"
        for verb, permissions in (("revoked", gone), ("granted", more))
        if permissions
    )
    return "; ".join(parts) or "the same in another order"
