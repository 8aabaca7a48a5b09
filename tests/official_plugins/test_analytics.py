"""Analytics: what is tracked tells nothing of what is in the rows, and nothing is sent without a key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from gridbus import (
    App,
    HealthStatus,
    PluginInitializationError,
    PluginValidationError,
    parse_filter,
)
from gridbus.manifest import read_manifest
from official_plugins import Analytics
from official_plugins.analytics import TRACK, Track
from official_plugins.analytics.outbox import Outbox
from official_plugins.analytics.plugin import MixpanelSink
from official_plugins.analytics.sink import Outcome, Verdict
from official_plugins.analytics.tracked import Tracked


@pytest.fixture
def tracked(monkeypatch: pytest.MonkeyPatch) -> list[Tracked]:
    """What plugins track from here on."""
    found: list[Tracked] = []
    add = Outbox.add

    def see(self: Outbox, item: Tracked) -> None:
        found.append(item)
        add(self, item)

    monkeypatch.setattr(Outbox, "add", see)
    return found


async def test_topics_numbers_and_column_names_are_told_and_nothing_else(tracked: list[Tracked]) -> None:
    """No cell, no id, no text of a row."""
    async with App(rows=[{"name": "Ada", "born": 1815}], plugins=[Analytics()]) as app:
        await app.grid.create({"name": "Grace", "born": 1906})
        await app.grid.update("2", {"born": 1907})
        await app.grid.filter(parse_filter({"column": "name", "startswith": "Gra"}))
        await app.grid.select("2")
        await app.grid.delete("2")
    assert [item.event for item in tracked] == ["data:load", "row:create", "row:update", "filter:apply", "row:delete"]
    assert tracked[0].properties == {"source": "app", "rows": 1, "skipped": 0}
    assert tracked[1].properties == {"source": "app", "columns": ["born", "name"]}
    assert tracked[2].properties == {"source": "app", "columns": ["born"]}
    assert tracked[3].properties == {"source": "app", "visible": 1}
    text = repr(tracked)
    assert not any(secret in text for secret in ("Ada", "Grace", "Gra", "1815", "1906", "1907"))
    assert len({item.insert_id for item in tracked}) == 5


@pytest.mark.parametrize("key", ["", "...", "<>"])
async def test_without_a_key_nothing_is_sent_and_health_says_so(key: str, tracked: list[Tracked]) -> None:
    """A placeholder is no key."""
    async with App(rows=[{"a": 1}], plugins=[Analytics(api_key=key)]) as app:
        await app.bus.drain()
        health = await app.manager.check_plugin_health("analytics")
    assert health.status is HealthStatus.WARNING
    assert health.message == "no api_key: 1 events were counted and not sent"
    assert "key" not in repr(Analytics(api_key="secret-key").config)


async def test_an_application_tells_events_of_its_own(tracked: list[Tracked]) -> None:
    """On the channel, with properties as they are; without auto_track these are the only ones."""
    async with App(rows=[{"a": 1}], plugins=[Analytics(auto_track=False)]) as app:
        await app.bus.tell(TRACK, Track("report opened", {"pages": 3}))
        await app.bus.drain()
    assert [(item.event, item.properties) for item in tracked] == [("report opened", {"pages": 3})]
    assert tracked[0].insert_id
    assert tracked[0].time_ms > 1_700_000_000_000


async def test_what_waits_is_sent_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last events reach the provider, too."""
    sent: list[str] = []

    async def send(self: MixpanelSink, batch: Any) -> Outcome:
        sent.extend(item.event for item in batch)
        return Outcome(Verdict.DONE, len(batch))

    monkeypatch.setattr(MixpanelSink, "send", send)
    async with App(rows=[{"a": 1}], plugins=[Analytics(api_key="key", batch_seconds=60)]) as app:
        await app.grid.create({"a": 2})
    assert sent == ["data:load", "row:create"]


async def test_while_the_provider_cannot_be_reached_health_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And what is lost in the end is logged."""

    async def send(self: MixpanelSink, batch: Any) -> Outcome:
        return Outcome(Verdict.RETRY, reason="ConnectError: offline")

    monkeypatch.setattr(MixpanelSink, "send", send)
    async with App(rows=[{"a": 1}], plugins=[Analytics(api_key="key", batch_seconds=0.001, retry_seconds=60)]) as app:
        await app.bus.drain()
        health = await app.manager.check_plugin_health("analytics")
        while health.details["failures"] == 0:
            health = await app.manager.check_plugin_health("analytics")
    assert health.status is HealthStatus.WARNING
    assert health.message == "events cannot be sent: ConnectError: offline; 1 events wait, 0 were lost"
    assert "1 events were not sent, and are lost: ConnectError: offline" in caplog.text


async def test_with_a_key_the_library_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(PluginInitializationError, match=r"analytics needs httpx: pip install 'gridbus\[analytics\]'"):
        async with App(plugins=[Analytics(api_key="key")], strict=True):
            pytest.fail("the block must not run")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"provider": "amplitude"}, r'expected one of "mixpanel".* @ \$\.provider'),
        ({"endpoint": "api.mixpanel.com"}, r"an address such as .* @ \$\.endpoint"),
        ({"events": ["row"]}, r"'row' is no topic.* @ \$\.events\[0\]"),
        ({"batch_size": 2_001}, r"between 1 and 2,000.* @ \$\.batch_size"),
        ({"max_waiting": 10}, r"at least batch_size \(50\).* @ \$\.max_waiting"),
        ({"timeout": 0}, r"above 0 is needed, not 0 @ \$\.timeout"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(values: dict[str, Any], problem: str) -> None:
    """Before the plugin exists."""
    with pytest.raises(PluginValidationError, match=problem):
        Analytics(values)


def test_the_manifest_says_what_the_class_says() -> None:
    """What people and tools read before the code runs."""
    folder = Path(__file__).parents[2] / "official_plugins" / "analytics"
    assert read_manifest(folder).metadata == Analytics.metadata
