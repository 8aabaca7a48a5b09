"""Processes for plugins: one is always there before it is needed."""

from __future__ import annotations

from gridbus.bus import Bus, Job
from gridbus.errors import BusClosed, ZygoteError
from gridbus.isolation.zygote import Child, Zygote


class Nursery:
    """Hands out new processes, and keeps a spare one, which has done by then what all of them do first."""

    def __init__(self, zygote: Zygote, bus: Bus) -> None:
        self._zygote, self._bus = zygote, bus
        self._spare: Child | None = None
        self._filling: Job | None = None
        self._is_closed = False

    async def start(self) -> None:
        """Start what the processes are forked from, and the first of them."""
        await self._zygote.start()
        self.refill()

    async def take(self) -> Child:
        """Return a process.

        Raises:
            ZygoteError: none can be started.
        """
        spare, self._spare = self._spare, None
        if spare is not None and spare.exit is None:
            return spare
        if spare is not None:
            spare.close()
        return await self._zygote.spawn()

    def refill(self) -> None:
        """Get the next spare process ready in the background."""
        if self._spare is None and self._filling is None and not self._is_closed and self._zygote.is_forking:
            try:
                self._filling = self._bus.start_job(self._fill, name="spare process", owner="manager")
            except BusClosed:
                return

    async def aclose(self) -> None:
        """End the spare process, and what they are forked from with all that are left."""
        self._is_closed = True
        filling, self._filling = self._filling, None
        if filling is not None:
            filling.cancel()
            await filling.wait()
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.kill()
            spare.close()
        await self._zygote.aclose()

    async def _fill(self) -> None:
        try:
            spare = await self._zygote.spawn()
        except ZygoteError:
            return  # whoever needs the next process finds out, and is told
        finally:
            self._filling = None
        if self._is_closed or self._spare is not None:
            spare.kill()
            spare.close()
        else:
            self._spare = spare
