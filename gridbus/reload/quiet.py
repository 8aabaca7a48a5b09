"""The quiet period: when what changes has settled, as pure logic of times."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import attrs

SEVERAL = 0.05  #: seconds without a notification after several files changed, or one came or went
_AGAIN = 0.25  #: seconds within which a file that changes once more is one that keeps being changed
_GROWTH = 4.0
_LONGEST = 0.25  #: seconds of quiet asked for at most


@attrs.frozen
class Look:
    """What a look at one changed file showed."""

    age: float  #: seconds since its last change by its own times; negative where they cannot be right
    stamp: tuple[int, ...]  #: changes with the file


@attrs.define
class Pending:
    """Changes that have not been taken."""

    first: float  #: when the first of them was heard of
    last: float
    paths: dict[Path, None] = attrs.field(factory=dict)
    is_look: bool = False  #: changes may have been missed: look at everything

    @property
    def lone(self) -> Path | None:
        """The only file that changed, if there is just one."""
        return next(iter(self.paths)) if len(self.paths) == 1 and not self.is_look else None


@attrs.define
class _Habit:
    """How one file has been changing."""

    at: float
    quiet: float
    stamp: tuple[int, ...] | None


class QuietPeriod:
    """Collects changes and says when they have been quiet for long enough.

    One changed file that is there and was there before has settled ``quiet`` seconds after its last change, and the
    time that has passed already by its own times counts: a save takes no longer than it must. Several files, or one
    that came or went, are what a tool does: they have settled when nothing was heard for 50 ms. A file that keeps being
    changed within 250 ms has to be quiet for four times as long each time, up to 250 ms.
    """

    def __init__(self, quiet: float) -> None:
        self._quiet = quiet
        self._habits: dict[Path, _Habit] = {}
        self.pending: Pending | None = None

    def changed(self, paths: Iterable[Path], now: float, look: Look | None = None) -> None:
        """Note changes; with a look where it is one file, so that hearing of one change twice makes no habit.

        No paths at all say that changes may have been missed.
        """
        heard = list(paths)
        if self.pending is None:
            self.pending = Pending(now, now)
        self.pending.last = now
        self.pending.is_look |= not heard
        self._habits = {path: habit for path, habit in self._habits.items() if now - habit.at <= _AGAIN}
        for path in heard:
            self.pending.paths[path] = None
            stamp = look.stamp if look is not None else None
            habit = self._habits.get(path)
            if habit is None:
                self._habits[path] = _Habit(now, self._quiet, stamp)
            elif stamp is None or stamp != habit.stamp:
                habit.at, habit.stamp = now, stamp
                habit.quiet = min(habit.quiet * _GROWTH, max(_LONGEST, self._quiet))

    def remaining(self, now: float, look: Look | None) -> float:
        """Return the seconds until the pending changes have settled, at most 0 where they have.

        Args:
            now: monotonic.
            look: at the lone file; None where it came or went, or where there are several.
        """
        pending = self.pending
        if pending is None:
            raise ValueError("nothing is pending")
        wanted = max((self._habits[path].quiet for path in pending.paths if path in self._habits), default=self._quiet)
        passed = now - pending.last
        if pending.lone is None or look is None:
            return max(wanted, SEVERAL) - passed
        return wanted - max(passed, look.age)

    def restless(self, now: float) -> list[Path]:
        """Return the pending files that keep being changed."""
        if self.pending is None:
            return []
        habits = ((path, self._habits.get(path)) for path in self.pending.paths)
        return [
            path
            for path, habit in habits
            if habit is not None and habit.quiet > self._quiet and now - habit.at <= _AGAIN
        ]

    def take(self) -> Pending:
        """Return what is pending, and begin anew."""
        taken, self.pending = self.pending, None
        if taken is None:
            raise ValueError("nothing is pending")
        return taken

    def put_back(self, taken: Pending) -> None:
        """Have changes pending again that could not be taken after all."""
        if self.pending is None:
            self.pending = taken
            return
        self.pending.first = taken.first
        self.pending.paths = {**taken.paths, **self.pending.paths}
        self.pending.is_look |= taken.is_look

    def forget(self, paths: Iterable[Path]) -> None:
        """Let what is pending go on without these."""
        if self.pending is None:
            return
        for path in paths:
            self.pending.paths.pop(path, None)
            self._habits.pop(path, None)
        if not self.pending.paths and not self.pending.is_look:
            self.pending = None
