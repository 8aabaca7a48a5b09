"""Reading a plugin's folder into a bundle, of which only what changed is read from the disk."""

from __future__ import annotations

import os
import stat as st
import time
from hashlib import sha256
from pathlib import Path

import attrs

from gridbus.bundles.bundle import Bundle, SourceFile
from gridbus.bundles.ignoring import file_matters, folder_matters
from gridbus.bundles.settling import Stamp, Unsettled, is_younger, read_settled, stamp_of
from gridbus.errors import PluginLoadError, PluginNotFoundError
from gridbus.manifest import MANIFEST_NAME

MAX_FILES = 2_000
"""Files of code in one folder."""
MAX_BYTES = 64 * 2**20
"""Bytes of code in one folder."""
MAX_DATA = 20_000
"""Other files in one folder."""

_BEING_SAVED = 0.25
"""Seconds in which an emptied file may be filled, and one that was moved away may be replaced."""
_TICK = 2_000_000_000
"""Nanoseconds within which two changes of a file may bear the same time, on the coarsest file system."""


class BundleTooLarge(PluginLoadError):
    """A folder holds more than a plugin's code can be."""


def read_bundle(folder: str | os.PathLike[str], *, known: Bundle | None = None) -> Bundle:
    """Read the code of a folder as it is at one moment; blocks, so it belongs into a thread.

    Args:
        folder: of the plugin.
        known: an earlier bundle of the same folder; what did not change since is taken from there.

    Raises:
        Unsettled: a file is being written, or changed while the folder was read.
        PluginNotFoundError: there is no such folder.
        BundleTooLarge: it holds too many files, or too large ones.
        PluginLoadError: a file or folder in it cannot be read.
    """
    root = Path(folder).absolute()
    try:
        return _Reading(root, known if known is not None and known.folder == root else None).bundle()
    except OSError as error:
        if not root.is_dir():
            raise PluginNotFoundError(f"there is no folder {root}") from None
        where = error.filename or root
        if isinstance(error, FileNotFoundError):
            raise Unsettled(str(where), "vanished while its folder was read") from None
        raise PluginLoadError(f"{where} cannot be read: {error.strerror}") from error


@attrs.define
class _Reading:
    """One pass over a folder."""

    root: Path
    known: Bundle | None
    stamps: dict[str, Stamp] = attrs.field(factory=dict)  # of files of code, by path
    data: dict[str, tuple[int, int]] = attrs.field(factory=dict)

    def bundle(self) -> Bundle:
        self._scan(str(self.root), "", (str(self.root),))
        self._check_size()
        self._check_gone()
        files = {path: self._file(path, self.stamps[path]) for path in sorted(self.stamps)}
        self._check_unchanged(files)
        data = dict(sorted(self.data.items()))
        return Bundle(self.root, files, data, _digest(files, data))

    def _scan(self, folder: str, prefix: str, above: tuple[str, ...]) -> None:
        folders: list[os.DirEntry[str]] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if _is_folder(entry):
                    if folder_matters(name):
                        folders.append(entry)
                elif file_matters(name):
                    self._note(entry, f"{prefix}{name}")
        for entry in folders:
            if entry.is_symlink() and _leads_to(entry.path, above):
                continue  # a circle: all of it is in the bundle already
            self._scan(entry.path, f"{prefix}{entry.name}/", (*above, entry.path))

    def _note(self, entry: os.DirEntry[str], path: str) -> None:
        is_code = path.endswith(".py") or path == MANIFEST_NAME
        try:
            stat = entry.stat()
        except OSError:
            if is_code and not entry.is_symlink():
                raise
            return  # a link to nothing, which cannot be imported, or a file of data that is no more
        if not st.S_ISREG(stat.st_mode):
            return
        if is_code:
            self.stamps[path] = stamp_of(stat)
            if len(self.stamps) > MAX_FILES:
                raise self._too_large(f"{MAX_FILES:,} files of code")
        else:
            self.data[path] = stat.st_size, stat.st_mtime_ns
            if len(self.data) > MAX_DATA:
                raise self._too_large(f"{MAX_DATA:,} files beside its code")

    def _check_size(self) -> None:
        if sum(stamp[0] for stamp in self.stamps.values()) > MAX_BYTES:
            raise self._too_large(f"{MAX_BYTES // 2**20} MiB of code")

    def _check_gone(self) -> None:
        """Wait for a file that is missing since a moment ago: editors move the old one away, then write the new.

        A plugin that writes files of its own changes its folder all the time; the wait begins once.
        """
        if self.known is None:
            return
        for path in self.known.files:
            if path in self.stamps:
                self.known.missed.pop(path, None)
                continue
            full = os.path.join(self.root, path)
            now = time.monotonic()
            is_new = now - self.known.missed.setdefault(path, now) < _BEING_SAVED
            if is_new and is_younger(_last_change_around(full), _BEING_SAVED):
                raise Unsettled(full, "is missing since a moment ago, as while it is being saved")

    def _file(self, path: str, stamp: Stamp) -> SourceFile:
        old = None if self.known is None else self.known.files.get(path)
        if old is not None and old.is_sure and old.stamp == stamp:
            return old
        full = os.path.join(self.root, path)
        now = time.time_ns()
        data, stamp = read_settled(full)
        if not data and old is not None and old.data and is_younger(stamp[1], _BEING_SAVED):
            raise Unsettled(full, "is empty since a moment ago, as while it is being saved")
        digest = sha256(data).digest()
        # A later change could bear the same time as the one that was read, if that one is not long enough ago.
        is_sure = now - max(stamp[1], stamp[2]) > _TICK
        if old is not None and old.digest == digest:
            return attrs.evolve(old, stamp=stamp, is_sure=is_sure)
        return SourceFile(path, data, digest, stamp, is_sure)

    def _check_unchanged(self, files: dict[str, SourceFile]) -> None:
        """See that all files are still what was read: then there was a moment at which they were all so."""
        for path, file in files.items():
            full = os.path.join(self.root, path)
            if stamp_of(os.stat(full)) != file.stamp:
                raise Unsettled(full, "changed while its folder was read")

    def _too_large(self, limit: str) -> BundleTooLarge:
        hint = "a plugin's folder is for the plugin alone; what else is there, put elsewhere or into a hidden folder"
        return BundleTooLarge(f"{self.root} holds more than {limit}: {hint}")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        if entry.is_symlink():
            return False  # it leads in a circle, or where nobody may look
        raise


def _leads_to(link: str, folders: tuple[str, ...]) -> bool:
    """Tell whether a link leads to one of the folders."""
    target = os.path.realpath(link)
    return any(target == os.path.realpath(folder) for folder in folders)


def _last_change_around(path: str) -> int:
    """Return the mtime in ns of the innermost folder around a missing file."""
    folder = os.path.dirname(os.path.realpath(path))
    while True:
        try:
            return os.stat(folder).st_mtime_ns
        except OSError:
            folder = os.path.dirname(folder)


def _digest(files: dict[str, SourceFile], data: dict[str, tuple[int, int]]) -> str:
    total = sha256()
    for path, file in files.items():
        total.update(os.fsencode(path) + b"\0" + file.digest)
    for path, (size, mtime) in data.items():
        total.update(os.fsencode(path) + b"\0%d %d\0" % (size, mtime))
    return total.hexdigest()
