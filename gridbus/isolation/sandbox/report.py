"""What of the sandbox holds on a machine."""

from __future__ import annotations

import attrs


@attrs.frozen
class Layer:
    """One mechanism, tried for real."""

    name: str
    holds: bool
    required: bool  #: for a plugin that is not trusted
    detail: str  #: what was found
    remedy: str = ""  #: what the operator can do; empty where there is nothing to do


@attrs.frozen
class SandboxReport:
    """All layers, for the user that asked."""

    layers: tuple[Layer, ...]
    platform: str  #: Linux x86_64
    kernel: str  #: release
    user: str  #: root, or the number of the user

    @property
    def holds(self) -> bool:
        """Whether plugins that are not trusted can be held."""
        return all(layer.holds for layer in self.layers if layer.required)

    @property
    def missing(self) -> tuple[Layer, ...]:
        """What an untrusted plugin would need, and does not have here."""
        return tuple(layer for layer in self.layers if layer.required and not layer.holds)
