"""A clock that ticks several times in a millisecond."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from time import perf_counter_ns
from types import TracebackType
from typing import Self

_CLOCK_MONOTONIC = 1
_FLAGS = 0o4000 | 0o2000000  # TFD_NONBLOCK, TFD_CLOEXEC


class Ticks:
    """Ticks every so many nanoseconds: ``with Ticks(200_000) as ticks: await ticks.next()``.

    A loop on epoll rounds its own timers up to whole milliseconds. On Linux this is a timer of the kernel that the loop
    waits for as for a socket; elsewhere it is ``asyncio.sleep``, and what is due comes in bursts.
    """

    def __init__(self, nanoseconds: int) -> None:
        self.nanoseconds = nanoseconds
        self.began = 0  #: on ``perf_counter_ns``; tick number i is due ``(i + 1) * nanoseconds`` later
        self._given = self._due = 0
        self._descriptor: int | None = None
        self._waiting: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        """Begin to tick."""
        if sys.platform == "linux":
            library = ctypes.CDLL(None, use_errno=True)
            self._descriptor = library.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
            if self._descriptor < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create failed")
            asyncio.get_running_loop().add_reader(self._descriptor, self._ticked)
            every = (ctypes.c_long * 4)(0, self.nanoseconds, 0, self.nanoseconds)
            if library.timerfd_settime(self._descriptor, 0, ctypes.byref(every), None):
                raise OSError(ctypes.get_errno(), "timerfd_settime failed")
        self.began = perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)

    async def next(self) -> int:
        """Wait for the next tick; return how many have come since the last call, more than one where we were late."""
        if self._descriptor is None:
            await asyncio.sleep(self.nanoseconds / 1e9)
            self._due = max((perf_counter_ns() - self.began) // self.nanoseconds, self._given + 1)
        elif self._due == self._given:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        count, self._given = self._due - self._given, self._due
        return count

    def _ticked(self) -> None:
        assert self._descriptor is not None
        self._due += int.from_bytes(os.read(self._descriptor, 8), sys.byteorder)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
