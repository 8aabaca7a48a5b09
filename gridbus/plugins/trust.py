"""How far a plugin is trusted, and where it runs because of that."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TypeAlias

import attrs

from gridbus.manifest import Isolation, PluginMetadata

OFFICIAL_PACKAGE = "official_plugins"


class TrustLevel(enum.StrEnum):
    """Whose word there is for a plugin."""

    OWN = "own"  #: the application handed over the class or an instance of it: its code runs here already
    OFFICIAL = "official"  #: it comes with gridbus
    UNSIGNED = "unsigned"  #: a folder or an installed package, for which nobody has signed

    @property
    def is_trusted(self) -> bool:
        """Tell whether its code may run in the application's process without an operator's word."""
        return self is not TrustLevel.UNSIGNED


@attrs.frozen
class Candidate:
    """A plugin for which a place to run is looked for."""

    trust: TrustLevel
    metadata: PluginMetadata | None  #: None where only its code could tell


IsolationPolicy: TypeAlias = Callable[[Candidate], Isolation | str]
"""Says where a plugin runs, where the operator did not."""


def by_manifest(candidate: Candidate) -> Isolation:
    """Let each plugin run where its metadata says."""
    return Isolation.INLINE if candidate.metadata is None else candidate.metadata.isolation


def untrusted_apart(candidate: Candidate) -> Isolation:
    """Let trusted plugins run where their metadata says, and all others in processes of their own."""
    return by_manifest(candidate) if candidate.trust.is_trusted else Isolation.PROCESS
