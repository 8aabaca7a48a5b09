"""What is sent to Mixpanel, and what is made of its answers, over a real connection to a server of the test's own."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import pytest

from official_plugins.analytics import AnalyticsConfig
from official_plugins.analytics.mixpanel import MixpanelSink
from official_plugins.analytics.sink import Outcome, Verdict
from official_plugins.analytics.tracked import Tracked

BATCH = [Tracked("row:create", "id-1", 1_700_000_000_000, {"columns": ["a"]}), Tracked("page:change", "id-2", 1, {})]


@attrs.define
class Server:
    """Answers each request with the same, and keeps what came."""

    answer: bytes
    url: str = ""
    requests: list[tuple[str, dict[str, str], Any]] = attrs.field(factory=list)

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        """Read one request and answer it."""
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, body = data.partition(b"\r\n\r\n")
            line, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in lines)}
            while len(body) < int(headers["content-length"]):
                body += await stream.receive()
            self.requests.append((line, headers, json.loads(body)))
            await stream.send(self.answer)


@asynccontextmanager
async def serving(status: str, body: Any = None, headers: str = "") -> AsyncIterator[Server]:
    """Run a server on the loopback interface."""
    text = json.dumps(body).encode() if body is not None else b"oops"
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n{headers}\r\n"
    server = Server(head.encode() + text)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        server.url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        group.start_soon(listener.serve, server.serve)
        yield server
        group.cancel_scope.cancel()


async def send(url: str) -> Outcome:
    """Send the batch once."""
    sink = MixpanelSink(AnalyticsConfig(api_key="token", endpoint=url, distinct_id="team"))
    try:
        return await sink.send(BATCH)
    finally:
        await sink.aclose()


async def test_events_go_out_as_mixpanel_reads_them() -> None:
    """The token as user name, strict checks, ids and times of their own."""
    async with serving("200 OK", {"code": 200, "num_records_imported": 2, "status": "OK"}) as server:
        assert await send(server.url) == Outcome(Verdict.DONE, 2)
    [(line, headers, body)] = server.requests
    assert line == "POST /import?strict=1 HTTP/1.1"
    assert headers["authorization"] == f"Basic {base64.b64encode(b'token:').decode()}"
    assert body == [
        {
            "event": "row:create",
            "properties": {
                "columns": ["a"],
                "time": 1_700_000_000_000,
                "distinct_id": "team",
                "$insert_id": "id-1",
            },
        },
        {"event": "page:change", "properties": {"time": 1, "distinct_id": "team", "$insert_id": "id-2"}},
    ]


@pytest.mark.parametrize(
    ("status", "body", "headers", "outcome"),
    [
        (
            "400 Bad Request",
            {"error": "some data points failed", "num_records_imported": 1, "failed_records": [{"index": 1}]},
            "",
            Outcome(Verdict.DONE, 1, "HTTP 400: some data points failed"),
        ),
        ("400 Bad Request", {"error": "no"}, "", Outcome(Verdict.DONE, 0, "HTTP 400: no")),
        ("401 Unauthorized", {"error": "bad token"}, "", Outcome(Verdict.REFUSED, 0, "HTTP 401: bad token")),
        ("413 Payload Too Large", None, "", Outcome(Verdict.SPLIT, 0, "HTTP 413")),
        ("429 Too Many Requests", {}, "Retry-After: 7\r\n", Outcome(Verdict.RETRY, 0, "HTTP 429", 7.0)),
        ("503 Service Unavailable", None, "", Outcome(Verdict.RETRY, 0, "HTTP 503")),
    ],
)
async def test_each_answer_has_its_consequence(status: str, body: Any, headers: str, outcome: Outcome) -> None:
    """A bad request is never sent again whole; too much is split; what is temporary is tried again."""
    async with serving(status, body, headers) as server:
        assert await send(server.url) == outcome


async def test_a_provider_that_cannot_be_reached_is_tried_again() -> None:
    """No error leaves the sink."""
    async with serving("200 OK", {}) as server:
        url = server.url
    outcome = await send(url)
    assert outcome.verdict is Verdict.RETRY
    assert outcome.reason.startswith("ConnectError")
