"""A plugin that does with its context what it is asked to do, and says what came of it as plain data."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import attrs

from gridbus import Channel, Event, GridError, Overflow, Plugin, PluginContext, PluginHealth, Topic, Veto, on, serves
from gridbus.bus import Batch, Debounce, Draft
from gridbus.channels.grid import GridQuery, RowScope
from gridbus.errors import GridbusError
from gridbus.events.grid import ROW_CREATE, ROW_UPDATE, RowCreated

DO: Channel[dict[str, Any], dict[str, Any]] = Channel("probe:do", dict, dict)
COUNT: Channel[int, int] = Channel("probe:count", int, int)
ECHO: Channel[dict[str, Any], dict[str, Any]] = Channel("echo:say", dict, dict)
ECHO_STREAM: Channel[int, int] = Channel("echo:stream", int, int)
ASK_PROBE: Channel[dict[str, Any], dict[str, Any]] = Channel("echo:ask_probe", dict, dict)
PROBED: Topic[dict[str, Any]] = Topic("probed:it", dict)
TYPED: Topic[Typed]


@attrs.frozen
class Nested:
    """Something within."""

    when: date
    tags: frozenset[str]


@attrs.frozen
class Typed:
    """A payload with a type of the plugin's own."""

    name: str
    nested: Nested


TYPED = Topic("probed:typed", Typed)


@attrs.frozen
class ProbeConfig:
    """What can be set."""

    word: str = "hello"
    fail: bool = False


class Probe(Plugin[ProbeConfig]):
    """Does what ``probe:do`` asks for."""

    async def initialize(self, ctx: PluginContext) -> None:
        """Prepare the notes."""
        if self.config.fail:
            raise RuntimeError("told to fail")
        self.heard: list[list[Any]] = []
        self.notes: list[Any] = []
        self.counter = getattr(self, "counter", 0)
        self.handles: dict[str, Any] = {}
        self.messages: list[Any] = []
        self.health = PluginHealth.healthy()

    async def destroy(self) -> None:
        """Tell that it goes."""
        await self.ctx.publish(PROBED, {"goes": True})

    async def health_check(self) -> PluginHealth:
        """Return what was set."""
        if isinstance(self.health, str):
            raise RuntimeError(self.health)
        return self.health if self.health.status.value != "healthy" else self.ctx.observed_health()

    def snapshot_state(self) -> Any:
        """Keep the counter."""
        return {"counter": self.counter, "day": date(2026, 1, 2)}

    def restore_state(self, state: Any, from_version: str) -> None:
        """Take the counter back."""
        self.counter = state["counter"]
        self.restored = [from_version, state["day"] == date(2026, 1, 2)]

    @on("row:create")
    async def hear(self, event: Event[RowCreated]) -> None:
        """Keep what a declared handler hears."""
        self.heard.append(shown(event))

    @serves(DO)
    async def do(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do one thing."""
        arguments = dict(message)
        try:
            return {"value": await getattr(self, f"do_{arguments.pop('do')}")(**arguments)}
        except (GridbusError, TimeoutError, ValueError, TypeError) as error:
            return {"error": type(error).__name__, "message": str(error)}

    @serves(COUNT)
    async def count(self, message: int) -> AsyncIterator[int]:
        """Stream numbers."""
        for number in range(message):
            if number == 100:
                raise ValueError("too far")
            yield number

    # --- the context itself --------------------------------------------------------------------------------------

    async def do_describe(self) -> Any:
        ctx = self.ctx
        return {
            "id": ctx.plugin_id,
            "version": ctx.metadata.version,
            "word": self.config.word,
            "same_config": ctx.config == self.config,
            "limit": ctx.metadata.limits.max_handlers,
            "process": os.getpid(),
        }

    async def do_bump(self) -> Any:
        self.counter += 1
        return self.counter

    async def do_restored(self) -> Any:
        return getattr(self, "restored", None)

    async def do_set_health(self, status: str, message: str = "", details: Any = None) -> Any:
        make = getattr(PluginHealth, status)
        self.health = make() if status == "healthy" else make(message, **(details or {}))

    async def do_break_health(self) -> Any:
        self.health = "the check broke"  # type: ignore[assignment]

    async def do_log(self, text: str) -> Any:
        self.ctx.log.warning("logged %s", text)
        logging.getLogger("probe.library").info("from a library: %s", text)

    async def do_print(self, text: str) -> Any:
        print(text, flush=True)

    async def do_permissions(self, kind: str, target: str) -> Any:
        return self.ctx.has_permission(kind, target)

    async def do_request(self, permission: str) -> Any:
        return await self.ctx.request_permission(permission)

    async def do_usage(self) -> Any:
        usage = await self.ctx.resource_usage()
        return {
            "handlers": usage.handlers,
            "channels": usage.channels,
            "tasks": usage.tasks,
            "storage": usage.storage_bytes,
        }

    # --- hearing -------------------------------------------------------------------------------------------------

    async def do_heard(self) -> Any:
        return self.heard

    async def do_notes(self) -> Any:
        notes, self.notes = self.notes, []
        return notes

    async def do_on(self, name: str, subject: str, **options: Any) -> Any:
        if "overflow" in options:
            options["overflow"] = Overflow(options["overflow"])
        only = options.pop("only", None)
        if only is not None:
            options["where"] = lambda event: event.payload == only
        if options.pop("keyed", False):
            options["key"] = lambda event: event.payload % 10
        batch = options.pop("batch", None)
        if batch is not None:
            options["pace"] = Batch(size=batch, within=0.05)
        if options.pop("debounced", False):
            options["pace"] = Debounce(0.02)
        gate = self.handles[f"gate:{name}"] = asyncio.Event()
        if not options.pop("gated", False):
            gate.set()
        raises = options.pop("raises", None)

        async def handler(event: Any) -> None:
            self.notes.append(
                [name, "begin", [one.payload for one in event] if isinstance(event, list) else event.payload]
            )
            await gate.wait()
            if raises is not None:
                raise ValueError(raises)
            self.notes.append([name, "end"])

        target: Any = RowCreated if subject == "type" else ROW_UPDATE if subject == "row:update" else subject
        self.handles[name] = self.ctx.on(target, handler, name=name, **options)

    async def do_open(self, name: str) -> Any:
        self.handles[f"gate:{name}"].set()

    async def do_close(self, name: str) -> Any:
        return self.handles[name].close()

    async def do_stats(self, name: str) -> Any:
        stats = self.handles[name].stats()
        return {"handled": stats.handled, "failed": stats.failed, "dropped": stats.dropped}

    async def do_stream(self, subject: str, count: int) -> Any:
        found: list[Any] = []

        async def read() -> None:
            async with self.ctx.stream(subject) as events:
                self.notes.append("streaming")
                async for event in events:
                    found.append(event.payload)
                    if len(found) == count:
                        break
            self.notes.append(found)

        self.ctx.start_soon(read)

    async def do_wait_for(self, subject: str, above: int, timeout: float = 5.0) -> Any:
        async def wait() -> None:
            try:
                event = await self.ctx.wait_for(subject, lambda event: event.payload > above, timeout)
                self.notes.append(event.payload)
            except TimeoutError as error:
                self.notes.append(str(error))

        self.ctx.start_soon(wait)

    async def do_intercept(self, verdict: str) -> Any:
        async def look(draft: Draft[RowCreated]) -> RowCreated | None:
            if verdict == "veto":
                raise Veto("not today")
            if verdict == "fail":
                raise ValueError("broken guard")
            values = {**draft.payload.values, "name": f"{draft.payload.values['name']}!"}
            return attrs.evolve(draft.payload, values=values)

        self.handles["interceptor"] = self.ctx.intercept(ROW_CREATE, look)

    # --- publishing ----------------------------------------------------------------------------------------------

    async def do_publish(self, topic: str, payload: Any, now: bool = False) -> Any:
        subject: Topic[Any] = Topic(topic)
        event = self.ctx.publish_nowait(subject, payload) if now else await self.ctx.publish(subject, payload)
        return shown(event)

    async def do_publish_typed(self) -> Any:
        event = await self.ctx.publish(TYPED, Typed("x", Nested(date(2026, 5, 4), frozenset({"a"}))))
        return event.seq

    async def do_publish_wrong(self) -> Any:
        await self.ctx.publish(PROBED, object())  # type: ignore[arg-type]

    async def do_hear_typed(self) -> Any:
        async def handler(event: Event[Typed]) -> None:
            self.notes.append([type(event.payload).__name__, event.payload.nested.when == date(2026, 5, 4)])

        self.ctx.on(TYPED, handler)

    # --- channels ------------------------------------------------------------------------------------------------

    async def do_ask(self, message: Any, to: str | None = None, timeout: float | None = 5.0) -> Any:
        return await self.ctx.ask(ECHO, message, to=to, timeout=timeout)

    async def do_ask_itself(self) -> Any:
        return await self.ctx.ask(DO, {"do": "describe"})

    async def do_ask_around(self) -> Any:
        return await self.ctx.ask(ASK_PROBE, {})

    async def do_tell(self, message: Any) -> Any:
        await self.ctx.tell(ECHO, message)

    async def do_ask_stream(self, count: int, stop: int) -> Any:
        found = []
        async with self.ctx.ask_stream(ECHO_STREAM, count) as replies:
            async for reply in replies:
                found.append(reply)
                if reply == stop:
                    break
        return found

    async def do_serve_again(self) -> Any:
        self.ctx.serve(DO, self.do)

    async def do_serve_foreign(self) -> Any:
        self.ctx.serve(ECHO, self.do)

    async def do_send(self, target: str, data: Any) -> Any:
        await self.ctx.send_message(target, "greeting", data)

    async def do_take_messages(self) -> Any:
        async def take(message: Any) -> None:
            self.notes.append([message.sender, message.type, message.data])

        self.ctx.on_message(take)

    # --- work ----------------------------------------------------------------------------------------------------

    async def do_start(self, raises: bool = False) -> Any:
        async def work() -> None:
            if raises:
                raise ValueError("the task broke")
            await self.ctx.publish(PROBED, {"from": "task"})

        self.ctx.start_soon(work, name="work")

    async def do_start_many(self, count: int) -> Any:
        for _ in range(count):
            self.ctx.start_soon(asyncio.Event().wait)

    async def do_every(self) -> Any:
        async def tick() -> None:
            self.notes.append("tick")
            if len(self.notes) >= 2:
                job.cancel()

        job = self.ctx.every(0.01, tick)

    async def do_cleanup(self) -> Any:
        async def clean() -> None:
            await self.ctx.publish(PROBED, {"cleaned": True})

        self.ctx.add_cleanup(clean)

    # --- grid and storage ----------------------------------------------------------------------------------------

    async def do_read(self, **query: Any) -> Any:
        page = await self.ctx.grid.read(GridQuery(scope=RowScope.ALL, **query))
        return {"rows": [list(row) for row in page.rows], "columns": [column.name for column in page.columns]}

    async def do_stream_grid(self) -> Any:
        sizes = []
        async with self.ctx.grid.stream(GridQuery(limit=2)) as pages:
            sizes.extend([len(page.rows) async for page in pages])
        return sizes

    async def do_write(self, verb: str, *, id: str | None = None, values: Any = None) -> Any:
        grid = self.ctx.grid
        try:
            if verb == "create":
                outcome = await grid.create(values)
            elif verb == "update":
                outcome = await grid.update(str(id), values)
            else:
                outcome = await grid.delete(str(id))
        except GridError as error:
            return {"refused": type(error).__name__, "message": str(error)}
        return {"values": dict(outcome.values or {})}

    async def do_store(self, verb: str, *arguments: Any, **named: Any) -> Any:
        return await getattr(self.ctx.storage, verb)(*arguments, **named)

    async def do_keep(self, key: str, value: Any) -> Any:
        await self.ctx.storage.set(key, value)

    async def do_get(self, key: str, default: Any = None) -> Any:
        return await self.ctx.storage.get(key, default=default)

    async def do_get_as_int(self, key: str) -> Any:
        return await self.ctx.storage.get(key, int)

    async def do_keep_typed(self) -> Any:
        typed = Typed("y", Nested(date(2026, 7, 8), frozenset({"b", "c"})))
        await self.ctx.storage.set("typed", typed)
        return await self.ctx.storage.get("typed", Typed) == typed

    async def do_storage(self, verb: str, argument: str | None = None) -> Any:
        method = getattr(self.ctx.storage, verb)
        return await (method() if argument is None else method(argument))

    async def do_quota(self) -> Any:
        return self.ctx.get_storage().quota

    async def do_connect(self, port: int) -> Any:
        sock = await self.ctx.connect("127.0.0.1", port)
        with sock:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, b"ping")
            return (await loop.sock_recv(sock, 100)).decode()


def shown(event: Event[Any]) -> list[Any]:
    """Return an event as plain data."""
    payload = event.payload
    named = payload if isinstance(payload, dict | int | str | None) else type(payload).__name__
    return [event.topic, named, event.seq, event.id, event.source, event.correlation_id, event.causation_id, event.hops]
