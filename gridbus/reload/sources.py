"""Where one plugin comes from, looked at in threads."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Protocol

import anyio.to_thread

from gridbus.channels.plugins import PluginCode
from gridbus.clock import Clock
from gridbus.manifest import MANIFEST_NAME
from gridbus.reload.checkout import Lock
from gridbus.reload.places import Places, places_of
from gridbus.reload.quiet import Look
from gridbus.reload.reading import Reading, read_all

_CODE = ".py"


class Sources(Protocol):
    """What a follower asks of the files."""

    async def read(self, known: Reading | None, stale_lock: Lock | None) -> Reading:
        """Read everything; as ``read_all``."""
        ...

    async def survey(self) -> Places:
        """Return where changes would show."""
        ...

    def look(self, path: Path, known: Reading | None) -> Look | None:
        """Look at one file; None where it is not there, or was not there at the last reading."""
        ...

    def name(self, path: Path) -> str:
        """Return what a reading calls a file."""
        ...

    def is_data(self, path: Path) -> bool:
        """Tell whether a path is of no code, by its name."""
        ...


class FileSources:
    """The plugin's folder and the paths outside it whose change means that the plugin changed."""

    def __init__(self, code: PluginCode, clock: Clock, paths: tuple[Path, ...] = ()) -> None:
        self.folder = Path(code.folder).absolute() if code.folder is not None else None
        outside = [*(Path(path).absolute() for path in code.paths), *(path.absolute() for path in paths)]
        self.paths = tuple(path for path in dict.fromkeys(outside) if not self._is_inside(path))
        self._clock = clock

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to watch."""
        return self.folder is None and not self.paths

    async def read(self, known: Reading | None, stale_lock: Lock | None) -> Reading:
        """Read everything; as ``read_all``."""
        return await anyio.to_thread.run_sync(
            read_all, self.folder, self.paths, known, stale_lock, abandon_on_cancel=True
        )

    async def survey(self) -> Places:
        """Return where changes would show."""
        roots = self.paths if self.folder is None else (self.folder, *self.paths)
        return await anyio.to_thread.run_sync(places_of, roots, abandon_on_cancel=True)

    def look(self, path: Path, known: Reading | None) -> Look | None:
        """Look at one file: a call of the system, which is quicker than a thread."""
        if known is None or not self._was_there(path, known):
            return None
        try:
            status = path.stat()
        except OSError:
            return None
        # A rename leaves the time of the last write as it was, and sets the time of change.
        changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
        return Look(
            (self._clock.time_ns() - changed_ns) / 1e9,
            (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns),
        )

    def name(self, path: Path) -> str:
        """Return a path relative to the folder, with slashes; one outside as it is."""
        return path.relative_to(self.folder).as_posix() if self.folder and self._is_inside(path) else str(path)

    def is_data(self, path: Path) -> bool:
        """Tell whether a path is in the folder and neither code nor manifest, by its name."""
        return self._is_inside(path) and path.suffix != _CODE and path.name != MANIFEST_NAME

    def _is_inside(self, path: PurePath) -> bool:
        return self.folder is not None and self.folder in path.parents

    def _was_there(self, path: Path, known: Reading) -> bool:
        name = self.name(path)
        if name in known.outside:
            return not path.is_dir()
        return known.bundle is not None and (name in known.bundle.files or name in known.bundle.data)
