"""Channels, work, grid, storage, health, logs and state of a plugin, alike in both hosts."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest

from gridbus import Channel
from gridbus.errors import AskTimeout, ChannelTypeError, RemoteError, ServerGone
from gridbus.events import BUS_TASK_FAILED

DO: Channel[dict[str, Any], dict[str, Any]] = Channel("probe:do", dict, dict)
COUNT: Channel[int, int] = Channel("probe:count", int, int)


async def test_g16_the_context_knows_what_it_is(hosted: Any) -> None:
    """Metadata, configuration and limits are the same."""
    described = await hosted.do("describe")
    del described["process"]
    assert described == {"id": "probe", "version": "1.2.0", "word": "hi", "same_config": True, "limit": 30}


async def test_g16_served_requests_and_their_errors(hosted: Any) -> None:
    """A reply is the plugin's; what its handler raises comes with type, text and traceback."""
    with pytest.raises(RemoteError) as caught:
        await hosted.bus.ask(DO, {"do": "nothing_of_that"})
    assert caught.value.type_name == "AttributeError"
    assert caught.value.server == "probe"
    assert "plugin.py" in caught.value.traceback_text
    with pytest.raises(ChannelTypeError):
        await hosted.bus.ask(Channel("probe:do", int, dict), 1)


async def test_g16_served_streams(hosted: Any) -> None:
    """Replies stream in order; leaving early ends the plugin's generator; an error in the middle comes through."""
    async with hosted.bus.ask_stream(COUNT, 40) as replies:
        assert [reply async for reply in replies] == list(range(40))
    async with hosted.bus.ask_stream(COUNT, 50) as replies:
        async for reply in replies:
            if reply == 5:
                break
    async with hosted.bus.ask_stream(COUNT, 1000) as replies:
        with pytest.raises(RemoteError, match="too far"):
            [reply async for reply in replies]


async def test_g16_asking_and_telling(hosted: Any) -> None:
    """The plugin asks others, is told their errors, and waits no longer than it said."""
    assert await hosted.do("ask", message={"a": 1}) == {"echo": {"a": 1}}
    assert await hosted.do("ask", message={"a": 1}, to="echo") == {"echo": {"a": 1}}
    kind, message = await hosted.fails("ask", message={"fail": True})
    assert (kind, "nothing here" in message) == (RemoteError.__name__, True)
    kind, message = await hosted.fails("ask", message={"hang": True}, timeout=0.05)
    assert kind == AskTimeout.__name__
    kind, message = await hosted.fails("ask", message={}, to="nobody")
    assert (kind, "nobody" in message) == ("NoServer", True)
    await hosted.do("tell", message={"told": True})


async def test_g16_asking_for_a_stream(hosted: Any) -> None:
    """The plugin reads others' streams, to the end or not."""
    assert await hosted.do("ask_stream", count=30, stop=-1) == list(range(30))
    assert await hosted.do("ask_stream", count=100, stop=3) == [0, 1, 2, 3]


async def test_g16_circles_of_asking_raise(hosted: Any) -> None:
    """Asking oneself, or around by another, raises at once and never hangs."""
    with anyio.fail_after(2):
        kind, message = await hosted.fails("ask_itself")
        assert kind == "ReentrancyError"
        kind, message = await hosted.fails("ask_around")
        assert kind in ("ReentrancyError", "RemoteError")
        assert "ReentrancyError" in kind + message


async def test_g16_serving_what_is_served_or_foreign(hosted: Any) -> None:
    """One server per channel and owner; channels of others are refused."""
    assert (await hosted.fails("serve_again"))[0] == "AlreadyServed"
    assert (await hosted.fails("serve_foreign"))[0] == "PluginPermissionError"


async def test_g16_messages_between_plugins(hosted: Any) -> None:
    """``send_message`` and ``on_message`` need no shared type."""
    await hosted.do("take_messages")
    await hosted.do("send", target="probe", data={"x": [1, 2]})
    await hosted.bus.drain()
    assert await hosted.note() == [["probe", "greeting", {"x": [1, 2]}]]


async def test_g16_background_work(hosted: Any) -> None:
    """Tasks run, their failures are published, timers tick, and there are no more than may be."""
    await hosted.do("start")
    await hosted.until(lambda: hosted.events("probed:it"))
    await hosted.do("start", raises=True)
    [failed] = await hosted.until(lambda: hosted.events(BUS_TASK_FAILED))
    assert (failed.payload.task, failed.payload.owner, failed.payload.message) == ("work", "probe", "the task broke")
    await hosted.do("every")
    assert await hosted.note(2) == ["tick", "tick"]
    kind, message = await hosted.fails("start_many", count=6)
    assert (kind, "max_tasks" in message) == ("PluginLimitError", True)


async def test_g16_destroying_runs_everything_once(hosted: Any) -> None:
    """``destroy`` and clean-ups run while publishing still works; nothing remains afterwards."""
    await hosted.do("cleanup")
    await hosted.manager.unregister_and_destroy("probe")
    payloads = [event.payload for event in hosted.events("probed:it")]
    assert payloads == [{"goes": True}, {"cleaned": True}]
    [gone] = hosted.events("plugin:destroyed")
    assert gone.payload.clean
    assert not [kept for kept in hosted.bus.stats().subscriptions if kept.owner == "probe"]


async def test_g16_the_grid(hosted: Any) -> None:
    """Rows are read, streamed and changed over the grid's channels; refusals name their reason."""
    assert await hosted.do("read", limit=2, columns=("name", "age")) == {
        "rows": [["row 0", 0], ["row 1", 1]],
        "columns": ["name", "age"],
    }
    assert await hosted.do("stream_grid") == [2, 2, 1]
    assert (await hosted.do("write", verb="update", id="1", values={"age": 9}))["values"]["age"] == 9
    assert hosted.app.grid.get("1")["age"] == 9
    assert hosted.events("row:update")[-1].source == "probe"
    refused = await hosted.do("write", verb="update", id="nobody", values={"age": 9})
    assert refused["refused"] == "ChangeRefused"
    await hosted.do("write", verb="delete", id="2")
    assert "2" not in hosted.app.grid


async def test_g16_storage(hosted: Any) -> None:
    """Values come back as they went in; types are checked; the quota is exact; keys are the plugin's own."""
    await hosted.do("keep", key="a", value={"list": [1, 2.5, "x", None, True]})
    assert await hosted.do("get", key="a") == {"list": [1, 2.5, "x", None, True]}
    assert await hosted.do("get", key="none", default=7) == 7
    assert (await hosted.fails("get_as_int", key="a"))[0] == "StoredTypeError"
    assert await hosted.do("keep_typed")
    assert await hosted.do("storage", verb="keys", argument="t") == ["typed"]
    size = await hosted.do("storage", verb="size")
    assert (await hosted.do("usage"))["storage"] == size
    assert await hosted.do("quota") == 4096
    kind, _message = await hosted.fails("keep", key="big", value="x" * 5000)
    assert kind == "QuotaExceeded"
    assert await hosted.do("storage", verb="delete", argument="a") is True
    assert await hosted.do("storage", verb="delete", argument="a") is False
    assert await hosted.do("storage", verb="clear") == 1


async def test_g16_permissions(hosted: Any) -> None:
    """What was not granted is refused, asking for more asks the policy, and revoking holds at once."""
    assert await hosted.do("permissions", kind="storage", target="*") is True
    assert await hosted.do("permissions", kind="net", target="example.org:443") is False
    assert await hosted.do("request", permission="net:example.org:443") is False
    assert await hosted.do("request", permission="storage") is True
    await hosted.manager.revoke_permission("probe", "storage")
    assert (await hosted.fails("get", key="a"))[0] == "PluginPermissionError"
    assert await hosted.do("permissions", kind="storage", target="*") is False


async def test_g16_connections(hosted: Any) -> None:
    """A connection is made for the plugin where ``net`` was granted, and refused elsewhere."""

    async def pong(stream: Any) -> None:
        async with stream:
            await stream.send(b"pong " + await stream.receive())

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, pong)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        assert await hosted.do("connect", port=port) == "pong ping"
        group.cancel_scope.cancel()


async def test_g16_usage(hosted: Any) -> None:
    """Handlers, channels and tasks are counted."""
    await hosted.do("start_many", count=2)
    usage = await hosted.do("usage")
    assert (usage["handlers"], usage["channels"], usage["tasks"]) == (3, 2, 2)
    seen = await hosted.manager.resource_usage("probe")
    assert (seen.handlers, seen.channels) == (3, 2)


async def test_g16_health(hosted: Any) -> None:
    """The plugin's own word, with message and details; an error where its check raises."""
    assert (await hosted.manager.check_plugin_health("probe")).status == "healthy"
    await hosted.do("set_health", status="warning", message="hm", details={"depth": 3})
    health = await hosted.manager.check_plugin_health("probe")
    assert (health.status, health.message, dict(health.details)) == ("warning", "hm", {"depth": 3})
    await hosted.do("break_health")
    health = await hosted.manager.check_plugin_health("probe")
    assert health.status == "error"
    assert "the check broke" in health.message


async def test_g16_logs(hosted: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What the plugin logs is in the application's log, under the plugin's name."""
    with caplog.at_level(logging.INFO):
        await hosted.do("log", text="this")
        await hosted.until(lambda: "logged this" in caplog.text)
    [record] = [record for record in caplog.records if record.getMessage() == "logged this"]
    assert (record.name, record.levelname) == ("gridbus.plugin.probe", "WARNING")


async def test_g16_hot_state(hosted: Any) -> None:
    """State is handed over at a reload, with the version that it comes from."""
    await hosted.do("bump")
    await hosted.do("bump")
    await hosted.manager.reload_plugin("probe")
    assert await hosted.do("restored") == ["1.2.0", True]
    assert await hosted.do("bump") == 3


async def test_g16_a_plugin_that_fails_to_come_up_leaves_nothing(hosted: Any) -> None:
    """What ``initialize`` raises is named, and the id is free again."""
    await hosted.manager.unregister_and_destroy("probe")
    await hosted.manager.register(hosted.folder, {"fail": True}, isolation=hosted.host)
    with pytest.raises(Exception, match="told to fail"):
        await hosted.manager.initialize("probe")
    assert hosted.manager.list_plugins() == []
    with pytest.raises(Exception, match="word"):
        await hosted.manager.register(hosted.folder, {"word": 5}, isolation=hosted.host)
    assert hosted.manager.list_plugins() == []


async def test_g16_a_request_of_a_plugin_that_goes_is_answered(hosted: Any) -> None:
    """Nobody waits for a server that is gone."""
    await hosted.manager.unregister_and_destroy("probe")
    with pytest.raises((ServerGone, Exception), match="serve"):
        await hosted.bus.ask(DO, {"do": "describe"})
