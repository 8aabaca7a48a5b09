"""Requests and drafts on their way into a plugin's process, and what it makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from gridbus.bus import Draft, Interceptor, Subscription
from gridbus.bus.ask import Request
from gridbus.bus.cell import Cell, current_cell
from gridbus.errors import PeerGone, PluginCrashed, RemoteError, ServerGone
from gridbus.hosting.parent.event_relay import Way
from gridbus.hosting.parent.typing_of import RemoteChannel, reply_type
from gridbus.hosting.protocol import Intercept, Serve, Subscribe
from gridbus.hosting.traces import wire_trace
from gridbus.isolation.wire import pack, type_path, unpack
from gridbus.plugins import PluginContext


class InHand:
    """The requests that a plugin's process works on, and the workers that wait for its replies."""

    __slots__ = ("_cells", "_numbers")

    def __init__(self) -> None:
        self._cells: dict[int, Cell] = {}
        self._numbers = count(1)

    def enter(self, cell: Cell) -> int:
        """Return the number of a request that a worker hands over."""
        number = next(self._numbers)
        self._cells[number] = cell
        return number

    def leave(self, number: int) -> None:
        """Note that it is answered."""
        self._cells.pop(number, None)

    def find(self, number: int) -> Cell | None:
        """Return the cell of the worker that waits for the reply."""
        return self._cells.get(number)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._cells)


class ServerRelay:
    """Passes requests to a server in the plugin's process."""

    handle: Subscription

    def __init__(self, subscribe: Subscribe, way: Way, in_hand: InHand) -> None:
        self.subscribe = subscribe
        self.number = subscribe.number  #: in the process that is there; 0 while none has taken this up
        self._way, self._in_hand = way, in_hand
        self.channel = RemoteChannel(subscribe.subject, subscribe.payload or "object", subscribe.reply or "object")

    def open(self, ctx: PluginContext) -> None:
        """Begin to serve."""
        wanted = self.subscribe

        async def answer(message: Any) -> Any:
            return await self._answer(message)

        async def stream(message: Any) -> AsyncIterator[Any]:
            async for reply in self._stream(message):
                yield reply

        fn: Any = stream if wanted.is_stream else answer
        fn.__qualname__ = wanted.name
        timeout = {} if wanted.timeout is None or wanted.is_stream else {"timeout": wanted.timeout}
        self.handle = ctx.serve(
            self.channel,
            fn,
            capacity=wanted.capacity,
            block_timeout=wanted.block_timeout,
            concurrency=wanted.concurrency,
            **timeout,
        )

    def close(self) -> int:
        """Serve no more; return how many requests that drops."""
        return self.handle.close()

    async def _answer(self, message: Any) -> Any:
        cell = current_cell()
        assert cell is not None  # a worker of the bus runs this
        request: Request = cell.event
        peer = await self._up()
        number = self._in_hand.enter(cell)
        try:
            self._way.poke()
            reply = await peer.call("serve", self._serve(request, message, number))
        except PeerGone as error:
            raise ServerGone(f"the process of {self.handle.owner!r} ended before it replied: {error}") from None
        except RemoteError as error:
            raise self._failed(error) from None
        finally:
            self._in_hand.leave(number)
        return None if request.future is None else unpack(reply, reply_type(request.channel))

    async def _stream(self, message: Any) -> AsyncIterator[Any]:
        cell = current_cell()
        assert cell is not None  # the bus runs this as a job
        request: Request = cell.event
        peer = await self._up()
        number = self._in_hand.enter(cell)
        kind = reply_type(request.channel)
        try:
            self._way.poke()
            async with peer.stream("serve", self._serve(request, message, number)) as items:
                async for item in items:
                    yield unpack(item, kind)
        except PeerGone as error:
            raise ServerGone(f"the process of {self.handle.owner!r} ended in the middle of a stream: {error}") from None
        except RemoteError as error:
            raise self._failed(error) from None
        finally:
            self._in_hand.leave(number)

    async def _up(self) -> Any:
        try:
            return await self._way.up(self)
        except PluginCrashed as error:
            raise ServerGone(str(error)) from None

    def _serve(self, request: Request, message: Any, number: int) -> Serve:
        origin = request.origin
        is_told = request.future is None and not self.subscribe.is_stream
        trace = wire_trace(request.trace)
        return Serve(self.number, number, pack(message), origin.bus, origin.source, trace, is_told)

    def _failed(self, error: RemoteError) -> RemoteError:
        """Return the error as it would have been had the handler run here."""
        return RemoteError(self.channel.name, self.handle.owner, error.type_name, error.message, error.traceback_text)


class InterceptRelay:
    """Shows drafts to an interceptor in the plugin's process."""

    handle: Interceptor

    def __init__(self, subscribe: Subscribe, way: Way) -> None:
        self.subscribe = subscribe
        self.number = subscribe.number  #: in the process that is there; 0 while none has taken this up
        self._way = way

    def open(self, ctx: PluginContext) -> None:
        """Begin to intercept."""
        wanted = self.subscribe

        async def look(draft: Draft[Any]) -> Any:
            return await self._look(draft)

        look.__qualname__ = wanted.name
        timeout = {} if wanted.timeout is None else {"timeout": wanted.timeout}
        self.handle = ctx.intercept(wanted.subject, look, priority=wanted.priority, **timeout)

    def close(self) -> int:
        """Intercept no more."""
        self.handle.close()
        return 0

    async def _look(self, draft: Draft[Any]) -> Any:
        peer = await self._way.up(self)
        origin, payload = draft.origin, draft.payload
        intercept = Intercept(
            self.number,
            str(draft.topic),
            pack(payload),
            type_path(type(payload)),
            origin.bus,
            origin.source,
            wire_trace(draft.trace),
        )
        self._way.poke()
        try:
            changed = await peer.call("intercept", intercept)
        except RemoteError as error:
            raise RemoteError(
                str(draft.topic), self.handle.owner, error.type_name, error.message, error.traceback_text
            ) from None
        return None if changed is None else unpack(changed, type(payload))
