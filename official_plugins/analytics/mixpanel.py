"""Sends events to Mixpanel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridbus import MissingExtraError
from official_plugins.analytics.config import AnalyticsConfig
from official_plugins.analytics.sink import Outcome, Verdict
from official_plugins.analytics.tracked import Tracked


class MixpanelSink:
    """Speaks ``/import``, which checks each event and counts one that comes twice once."""

    def __init__(self, config: AnalyticsConfig) -> None:
        """Prepare the connection.

        Raises:
            MissingExtraError: the library is not installed.
        """
        try:
            import httpx
        except ImportError:
            raise MissingExtraError("analytics", "httpx", "analytics") from None
        self._failures = (httpx.HTTPError, httpx.InvalidURL)
        self._distinct_id = config.distinct_id
        self._client = httpx.AsyncClient(
            base_url=config.endpoint,
            auth=(config.api_key, ""),
            timeout=config.timeout,
            headers={"User-Agent": "gridbus-analytics"},
        )

    async def send(self, batch: Sequence[Tracked]) -> Outcome:
        """Send events in one request."""
        events = [self._event(tracked) for tracked in batch]
        try:
            response = await self._client.post("/import", params={"strict": "1"}, json=events)
        except self._failures as error:
            return Outcome(Verdict.RETRY, reason=f"{type(error).__name__}: {error}".rstrip(": "))
        return _outcome(response, len(batch))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    def _event(self, tracked: Tracked) -> dict[str, Any]:
        properties = {
            **tracked.properties,
            "time": tracked.time_ms,
            "distinct_id": self._distinct_id,
            "$insert_id": tracked.insert_id,
        }
        return {"event": tracked.event, "properties": properties}


def _outcome(response: Any, sent: int) -> Outcome:
    """Read the answer: 400 says which events are wrong, and the others were accepted."""
    status = response.status_code
    try:
        body = response.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    reason = f"HTTP {status}{': ' + str(body['error'])[:200] if body.get('error') else ''}"
    if status == 200:
        return Outcome(Verdict.DONE, int(body.get("num_records_imported", sent)))
    if status == 400:
        failed = body.get("failed_records")
        default = sent - len(failed) if isinstance(failed, list) else 0
        return Outcome(Verdict.DONE, int(body.get("num_records_imported", default)), reason)
    if status == 413:
        return Outcome(Verdict.SPLIT, reason=reason)
    if status in (401, 403, 404):
        return Outcome(Verdict.REFUSED, reason=reason)
    wait = response.headers.get("Retry-After", "")
    return Outcome(Verdict.RETRY, reason=reason, wait=min(float(wait), 300.0) if wait.isdecimal() else None)
