"""The context's verbs: the bus's own, bound to the plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from gridbus.bus import Batch, Bus, Draft
from gridbus.channels import Channel
from gridbus.channels.grid import GridQuery, RowChange, RowScope
from gridbus.errors import AlreadyServed, ChangeRefused, NoServer, TopicError, Veto, Vetoed
from gridbus.events import Event, Topic
from gridbus.events.grid import ROW_CREATE, ROW_DELETE, ROW_UPDATE, Change
from gridbus.grid import Grid
from gridbus.manifest import PluginMessage
from gridbus.plugins import Plugin, PluginContext, PluginManager
from gridbus.testing import FakeClock, Recorder

Make = Callable[..., type[Plugin[Any]]]

PING: Topic[int] = Topic("ping:sent", int)


@pytest.fixture
async def ctx(manager: PluginManager, make: Make) -> PluginContext:
    """The context of a plugin that may do everything."""
    permissions = ["subscribe:*", "intercept:*", "ask:*", "grid.read", "grid.write", "publish:*", "storage"]
    plugin = make(permissions=permissions)()
    await manager.register_and_initialize(plugin)
    return plugin.ctx


async def test_a_context_knows_whose_it_is(manager: PluginManager, ctx: PluginContext) -> None:
    """Id, metadata, configuration, and a logger of its own."""
    assert (ctx.plugin_id, ctx.metadata) == ("sample", manager.get_plugin("sample").metadata)
    assert ctx.config is None
    assert ctx.log.name == "gridbus.plugin.sample"
    assert repr(ctx) == "<PluginContext of 'sample'>"
    await manager.unregister_and_destroy("sample")
    assert repr(ctx) == "<PluginContext of 'sample' (closed)>"


async def test_hearing_by_each_kind_of_subject(ctx: PluginContext, bus: Bus) -> None:
    """Topic, pattern, payload type; in batches; as a stream; once."""
    heard: list[Any] = []
    ctx.on(PING, lambda event: heard.append(("topic", event.payload)))
    ctx.on("ping:*", lambda event: heard.append(("pattern", event.payload)))
    ctx.on(int, lambda event: heard.append(("type", event.payload)))
    ctx.on(PING, lambda events: heard.append(("batch", [event.payload for event in events])), pace=Batch(2, 60))
    async with ctx.stream(PING) as events, anyio.create_task_group() as group:
        found: list[Event[int]] = []

        async def wait() -> None:
            found.append(await ctx.wait_for(PING, where=lambda event: event.payload == 2))

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        for number in (1, 2):
            await bus.publish(PING, number)
    assert [event.payload async for event in events] == [1, 2]
    assert [event.payload for event in found] == [2]
    await bus.drain()
    assert sorted(heard, key=str) == sorted(
        [(kind, number) for kind in ("topic", "pattern", "type") for number in (1, 2)] + [("batch", [1, 2])], key=str
    )


async def test_intercepting_changes_and_vetoes(ctx: PluginContext, bus: Bus, recorder: Recorder) -> None:
    """Under the plugin's name; by default within the handlers' time-out."""

    def look(draft: Draft[int]) -> int | None:
        if draft.payload < 0:
            raise Veto("negative")
        return draft.payload * 2

    interceptor = ctx.intercept(PING, look)
    assert (interceptor.owner, interceptor.timeout) == ("sample", 5.0)
    await bus.publish(PING, 4)
    assert recorder.payloads(PING) == [8]
    with pytest.raises(Vetoed, match="by sample/"):
        await bus.publish(PING, -1)


async def test_events_of_a_plugin_carry_its_cause(ctx: PluginContext, bus: Bus, recorder: Recorder) -> None:
    """What a handler publishes follows from what it handles."""

    async def answer(event: Event[int]) -> None:
        await ctx.publish(Topic("sample:pong"), event.payload)
        ctx.start_soon(later)

    async def later() -> None:
        await ctx.publish(Topic("sample:later"), 0)

    ctx.on(PING, answer)
    cause = await bus.publish(PING, 1)
    await bus.drain()
    await anyio.wait_all_tasks_blocked()
    assert [event.causation_id for event in recorder.of("sample:*")] == [cause.id, cause.id]


async def test_a_wrong_topic_is_the_bus_to_refuse(ctx: PluginContext) -> None:
    """Permissions do not hide what is no topic at all."""
    with pytest.raises(TopicError):
        await ctx.publish("sample", 1)  # type: ignore[arg-type]


async def test_timers_run_until_the_plugin_goes(manager: PluginManager, ctx: PluginContext, clock: FakeClock) -> None:
    """And not a moment longer."""
    ticks: list[float] = []

    async def tick() -> None:
        ticks.append(clock.monotonic())

    ctx.every(10, tick)
    await clock.advance(35)
    assert ticks == [10, 20, 30]
    await manager.unregister_and_destroy("sample")
    await clock.advance(100)
    assert ticks == [10, 20, 30]


async def test_messages_reach_the_plugin_that_they_name(
    manager: PluginManager, ctx: PluginContext, bus: Bus, make: Make
) -> None:
    """Without a type in common; one handler takes them all."""
    got: list[PluginMessage] = []
    other = make("other", permissions=["ask:sample:message"])()
    await manager.register_and_initialize(other)

    async def take(message: PluginMessage) -> None:
        got.append(message)

    ctx.on_message(take)
    await other.ctx.send_message("sample", "hello", {"name": "Ada"}, correlation_id="c1")
    await bus.drain()
    assert got == [PluginMessage("other", "sample", "hello", {"name": "Ada"}, "c1")]
    with pytest.raises(AlreadyServed):
        ctx.on_message(take)
    with pytest.raises(NoServer, match="other:message"):
        await ctx.send_message("other", "hello")


async def test_a_stream_of_replies(ctx: PluginContext) -> None:
    """Asked for as on the bus."""
    tail: Channel[int, int] = Channel("sample:tail", int, int)

    async def count(upto: int) -> Any:
        for number in range(upto):
            yield number

    ctx.serve(tail, count)
    async with ctx.ask_stream(tail, 3) as numbers:
        assert [number async for number in numbers] == [0, 1, 2]


async def test_the_grid_is_read_and_changed(ctx: PluginContext, bus: Bus, recorder: Recorder) -> None:
    """Over its channels, so that a plugin in another process can do the same."""
    async with Grid(bus, rows=[{"name": "Ada", "age": 36}, {"name": "Grace", "age": 85}]):
        page = await ctx.grid.read()
        assert page.rows == (("Ada", 36), ("Grace", 85))
        async with ctx.grid.stream(GridQuery(scope=RowScope.ALL, limit=1)) as pages:
            assert [page.rows async for page in pages] == [(("Ada", 36),), (("Grace", 85),)]
        created = await ctx.grid.create({"name": "Alan", "age": 41})
        assert created.values == {"name": "Alan", "age": 41}
        assert created.id is not None
        assert (await ctx.grid.update(created.id, {"age": 42})).values == {"name": "Alan", "age": 42}
        assert (await ctx.grid.delete(created.id)).values == {"name": "Alan", "age": 42}
        assert [recorder.of(topic)[-1].source for topic in (ROW_CREATE, ROW_UPDATE, ROW_DELETE)] == ["sample"] * 3
        with pytest.raises(ChangeRefused, match="RowNotFound: no row has the id '99'") as caught:
            await ctx.grid.update("99", {"age": 1})
        assert caught.value.type_name == "RowNotFound"
        written = await ctx.grid.write(RowChange(Change.DELETE, "99"), RowChange(Change.DELETE, "1"))
        assert [outcome.error for outcome in written.outcomes] == ["RowNotFound", None]


async def test_one_of_several_grids_is_named(ctx: PluginContext, bus: Bus) -> None:
    """As the server of its channels."""
    async with Grid(bus, name="one", rows=[{"a": 1}]), Grid(bus, name="two", rows=[{"a": 2}]):
        assert (await ctx.grid.named("two").read()).rows == ((2,),)
        assert (await ctx.grid.named("one").read()).grid == "one"
