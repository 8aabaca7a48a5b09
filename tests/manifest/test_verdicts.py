"""Health and validation results."""

from __future__ import annotations

import pytest

from gridbus.errors import PluginValidationError
from gridbus.events.system import HealthStatus
from gridbus.manifest import PluginHealth, PluginMessage, ValidationResult


def test_health_is_made_by_its_name() -> None:
    """Each status has a constructor; details are given by keyword."""
    assert PluginHealth.healthy() == PluginHealth(HealthStatus.HEALTHY)
    assert PluginHealth.warning("slow", queue=5) == PluginHealth(HealthStatus.WARNING, "slow", {"queue": 5})
    assert PluginHealth.error("no disk").status is HealthStatus.ERROR
    assert PluginHealth.unknown("no answer").status is HealthStatus.UNKNOWN
    assert PluginHealth("healthy").status is HealthStatus.HEALTHY
    with pytest.raises(
        PluginValidationError, match="'fine' is no health: choose from healthy, warning, error, unknown"
    ):
        PluginHealth("fine")


def test_a_validation_result_agrees_with_itself() -> None:
    """A valid one has no errors and one that is not has some; a single text is one error."""
    assert ValidationResult(True, warnings=["old key @ $.a"]).errors == ()
    assert ValidationResult(False, "missing @ $.b").errors == ("missing @ $.b",)
    with pytest.raises(PluginValidationError, match="is valid and has errors"):
        ValidationResult(True, ["missing"])
    with pytest.raises(PluginValidationError, match="is not valid and says not why"):
        ValidationResult(False)


def test_a_message_is_data() -> None:
    """It names both sides and what it means."""
    message = PluginMessage("greeter", "export", "run", {"format": "csv"})
    assert (message.sender, message.target, message.type, message.correlation_id) == ("greeter", "export", "run", None)
