"""Follows the files of one plugin: waits until what changes has settled, and asks for a reload if it is other code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio

from gridbus.channels.plugins import PluginCode
from gridbus.clock import Clock
from gridbus.errors import GridbusError
from gridbus.reload.checkout import Lock
from gridbus.reload.own_writes import OwnWrites
from gridbus.reload.places import Places
from gridbus.reload.quiet import QuietPeriod
from gridbus.reload.reading import CheckoutRuns, FolderGone, NotYet, Reading
from gridbus.reload.sources import Sources

logger = logging.getLogger("gridbus.reload")

_FIRST_RETRY, _LONGEST_RETRY = 0.005, 0.1  # seconds; doubled each time
_PATIENT_RETRY = 1.0  # once the longest wait is over
_AT_ONCE = 0.0001  # seconds that are not worth a timer
_UNKNOWN = "its files are not those that serve"


class Follower:
    """Watches over one plugin; ``run`` does until it is cancelled.

    Nothing is asked for while a file is being written, and nothing twice: not what serves already, nor what was asked
    for last, whatever came of that.
    """

    def __init__(
        self,
        code: PluginCode,
        sources: Sources,
        clock: Clock,
        *,
        quiet: float,
        max_wait: float,
        ask: Callable[[str, tuple[str, ...]], None],
        moved: Callable[[Places], None],
    ) -> None:
        """Prepare to follow.

        Args:
            code: as the manager tells it.
            sources: the files.
            clock: where time comes from.
            quiet: seconds a lone changed file must have been left alone.
            max_wait: seconds after which it is told that files do not settle.
            ask: begins a reload for a reason and because of files, and does not wait for its end.
            moved: is told where to look from now on.
        """
        self.code, self.sources = code, sources
        self.last: Reading | None = None  #: what serves or was asked for last
        self.in_flight = 0  #: reloads asked for and not answered
        self.asked = 0  #: reloads asked for
        self._clock, self._max_wait, self._ask, self._moved = clock, max_wait, ask, moved
        self._quiet = QuietPeriod(quiet)
        self._own = OwnWrites()
        self._woken = anyio.Event()
        self._places: Places | None = None
        self._is_survey_due = self._has_moved = False
        self._tries = 0
        self._retry_at = 0.0
        self._has_warned = False
        self._stale_lock: Lock | None = None

    async def begin(self, remembered: str = "") -> None:
        """Read what there is now, once its folders are watched.

        Args:
            remembered: digest of what was asked for last when these files were followed before.
        """
        try:
            reading = await self.sources.read(None, None)
        except NotYet:
            self.changed(())
            return
        if reading.digest in ("", self.code.digest, remembered):
            self.last = reading
        else:
            self._request(reading, (), _UNKNOWN)

    async def survey(self) -> Places:
        """Look up where changes would show."""
        self._places = await self.sources.survey()
        return self._places

    def serves(self, code: PluginCode, sources: Sources) -> None:
        """Note what serves since a reload, which may come from elsewhere than what served before."""
        before, self.code = self.code, code
        if (code.folder, code.paths) != (before.folder, before.paths):
            self.sources, self.last = sources, None
            self.changed(())

    def notify(self, paths: Iterable[Path]) -> None:
        """Hear of changes of any files; none at all say that some may have been missed."""
        heard = list(paths)
        if not heard:
            self.changed(())
        elif self._places is not None:
            own = {found for path in heard for found in self._places.relevant(path)}
            if own := {path for path in own if self.sources.name(path) not in self._own.ignored}:
                self.changed(own)

    def changed(self, paths: Iterable[Path]) -> None:
        """Note that files of the plugin changed."""
        heard = list(paths)
        now = self._clock.monotonic()
        look = self.sources.look(heard[0], self.last) if len(heard) == 1 else None
        self._quiet.changed(heard, now, look)
        # Where all are told to look, only who made the watch move has to see at once what is new in it.
        self._is_survey_due |= look is None if heard else self._has_moved
        self._retry_at = 0.0
        self._woken.set()

    async def run(self) -> None:
        """Follow, until cancelled."""
        while True:
            if self._is_survey_due:
                await self._survey_again()
            delay = self._delay()
            if delay is None or delay > _AT_ONCE:
                await self._nap(delay)
            else:
                await self._settled()

    def _delay(self) -> float | None:
        """Return the seconds until what is pending can be taken; None where nothing is."""
        pending = self._quiet.pending
        if pending is None:
            return None
        now = self._clock.monotonic()
        look = self.sources.look(pending.lone, self.last) if pending.lone is not None else None
        delay = self._quiet.remaining(now, look)
        if delay > 0 and now - pending.first >= self._max_wait:
            self._never_settles(list(pending.paths), self._quiet.restless(now))
        return max(delay, self._retry_at - now)

    async def _nap(self, delay: float | None) -> None:
        if self._woken.is_set():
            self._woken = anyio.Event()
            return  # look again: it was heard of after the delay was worked out
        if delay is None:
            await self._woken.wait()
            return
        timer = self._clock.call_later(delay, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()

    async def _survey_again(self) -> None:
        self._is_survey_due = False
        before = self._places
        places = await self.survey()
        self._has_moved = places.differs(before)
        if self._has_moved:
            self._moved(places)

    async def _settled(self) -> None:
        """Read what has settled, and ask for a reload if it is new."""
        taken = self._quiet.take()
        self._is_survey_due |= taken.is_look
        try:
            reading = await self.sources.read(self.last, self._stale_lock)
        except FolderGone as error:
            logger.warning(
                "the folder of %r is gone (%s): the plugin goes on as it is, and is reloaded when the folder is back",
                self.code.id,
                error.path,
            )
            return
        except NotYet as error:
            self._quiet.put_back(taken)
            self._not_yet(error)
            return
        except (GridbusError, OSError) as error:
            logger.warning(
                "%r is not reloaded, since its files cannot be read; that is tried again when they change: %s",
                self.code.id,
                error,
            )
            return
        self._tries, self._has_warned = 0, False
        self._decide(reading, lambda: self._quiet.put_back(taken))

    def _decide(self, reading: Reading, wait: Callable[[], None]) -> None:
        """Ask for a reload if there is a reason."""
        last = self.last
        serves = not self.in_flight and reading.digest != "" and reading.digest == self.code.digest
        if serves and (last is None or reading.outside == last.outside):
            self.last = reading
            return
        if last is None:
            if reading.digest:
                self._request(reading, (), _UNKNOWN)
            self.last = reading
            return
        files = tuple(name for name in reading.changed_since(last) if name not in self._own.ignored)
        if not files:
            return
        now = self._clock.monotonic()
        if all(reading.is_data(name, last) for name in files):
            pause = self._own.pause(now)
            if pause > 0:
                wait()
                self._retry_at = now + pause
                return
            if not self._own.caused(files, now):
                self.last = reading
                self._warn_of_own_writes(files)
                return
        else:
            self._own.interrupted()
        self._request(reading, files, f"{files[0]} changed" if len(files) == 1 else f"{len(files)} files changed")

    def _request(self, reading: Reading, files: tuple[str, ...], reason: str) -> None:
        self.last = reading
        self._ask(reason, files)

    def _not_yet(self, error: NotYet) -> None:
        now = self._clock.monotonic()
        self._retry_at = now + min(_FIRST_RETRY * 2**self._tries, _LONGEST_RETRY)
        self._tries = min(self._tries + 1, 10)
        pending = self._quiet.pending
        if pending is None or now - pending.first < self._max_wait:
            return
        if isinstance(error, CheckoutRuns):
            self._stale_lock = error.lock
            logger.warning(
                "%s is there for longer than %g s: %r does not wait for it any more; remove it if no git runs there",
                error.path,
                self._max_wait,
                self.code.id,
            )
            return
        self._retry_at = now + _PATIENT_RETRY
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%r is not reloaded yet: %s %s, since more than %g s; it is reloaded when that ends",
                self.code.id,
                error.path,
                error.reason,
                self._max_wait,
            )

    def _never_settles(self, paths: list[Path], restless: list[Path]) -> None:
        """Tell that files keep being changed; those that are data are ignored from now on, and hold up nothing."""
        data = [path for path in restless if self.sources.is_data(path)]
        if data:
            names = tuple(sorted(self.sources.name(path) for path in data))
            self._own.ignored |= frozenset(names)
            self._quiet.forget(data)
            self._warn_of_own_writes(names)
        elif not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%r is not reloaded yet: %s keeps being changed, since more than %g s; it is reloaded when that ends",
                self.code.id,
                ", ".join(str(path) for path in (restless or paths)[:3]) or "its folder",
                self._max_wait,
            )

    def _warn_of_own_writes(self, files: tuple[str, ...]) -> None:
        logger.warning(
            "%r is not reloaded any more when %s changes, since that happens again and again: the plugin probably "
            "writes it itself. Let it write elsewhere (its storage, or a data folder outside %s), or to a hidden file",
            self.code.id,
            ", ".join(files),
            self.code.folder,
        )
