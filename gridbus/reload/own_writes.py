"""Data files that change again and again, which a plugin probably writes itself."""

from __future__ import annotations

from collections.abc import Iterable

_INTERVAL = 1.0  # seconds between reloads for the sake of data alone
_MOST = 5  # reloads in a row
_WITHIN = 30.0  # seconds


class OwnWrites:
    """Keeps a plugin that writes into its own folder from being reloaded for ever."""

    def __init__(self) -> None:
        self.ignored: frozenset[str] = frozenset()  #: files that cause no reload any more
        self._last: float | None = None
        self._row: list[float] = []  #: when the same files alone caused reloads
        self._cause: frozenset[str] = frozenset()

    def pause(self, now: float) -> float:
        """Return the seconds until data alone may cause a reload; 0 where it may now."""
        return 0.0 if self._last is None else max(0.0, self._last + _INTERVAL - now)

    def caused(self, files: Iterable[str], now: float) -> bool:
        """Note that data alone changed; return whether that is to cause a reload, or is ignored from now on."""
        cause = frozenset(files)
        if cause != self._cause:
            self._cause, self._row = cause, []
        self._row = [at for at in self._row if now - at <= _WITHIN]
        if len(self._row) >= _MOST:
            self.ignored |= cause
            self._row.clear()
            return False
        self._row.append(now)
        self._last = now
        return True

    def interrupted(self) -> None:
        """Note a reload for another cause."""
        self._row.clear()
