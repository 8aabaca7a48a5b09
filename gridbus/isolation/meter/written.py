"""How much a process has written: what is in its write paths, and what it keeps open without a name."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from functools import partial

import attrs

_LEAST = 4096  # bytes that an entry counts, however small: a name takes space too


@attrs.frozen
class Written:
    """What was found."""

    size: int = 0  #: bytes on disk
    files: int = 0  #: files and folders
    hidden: int = 0  #: folders of our own user that could not be looked into


@attrs.define
class _Walk:
    is_enough: Callable[[int], bool]
    size: int = 0
    files: int = 0
    hidden: int = 0
    seen: set[tuple[int, int]] = attrs.Factory(set)

    def count(self, status: os.stat_result) -> bool:
        """Add an entry; false where it was seen before, by another name or descriptor."""
        if status.st_nlink != 1:
            identity = status.st_dev, status.st_ino
            if identity in self.seen:
                return False
            self.seen.add(identity)
        self.size += max(status.st_blocks * 512, _LEAST)
        self.files += 1
        return True

    def enter(self, root: str) -> None:
        """Add what is at the path and below."""
        folders = [root] if self._add(root, partial(os.lstat, root)) else []
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if self.is_enough(self.size):
                            return
                        if self._add(entry.path, partial(entry.stat, follow_symlinks=False)):
                            folders.append(entry.path)
            except OSError as error:
                self.hidden += _is_hidden(folder, error)

    def _add(self, path: str, read: Callable[[], os.stat_result]) -> bool:
        """Add one entry; true for a folder that is to be looked into."""
        try:
            status = read()
        except OSError as error:
            self.hidden += _is_hidden(path, error)
            return False
        return self.count(status) and stat.S_ISDIR(status.st_mode)


def measure_written(pid: int, paths: Iterable[str], is_enough: Callable[[int], bool] = lambda size: False) -> Written:
    """What is in the paths and what the process keeps open without a name; no link is followed.

    For a worker thread: it takes as long as there are files.

    Args:
        pid: the process; of one that is gone nothing is open.
        paths: files and folders, which need not exist; a link is counted itself, not what it leads to.
        is_enough: asked for each entry, with the bytes so far; ends the walk.
    """
    walk = _Walk(is_enough)
    for path in paths:
        walk.enter(path)
    _count_nameless(walk, pid)
    return Written(walk.size, walk.files, walk.hidden)


def _count_nameless(walk: _Walk, pid: int) -> None:
    """Add files that were deleted or never had a name, as memfd's: they take space as long as they are open."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it is gone, or belongs to another user and the system keeps this to itself
        return
    for descriptor in descriptors:
        try:
            status = os.stat(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
            walk.count(status)


def _is_hidden(path: str, error: OSError) -> bool:
    """Whether what cannot be read may be big all the same: nested too deep, or closed by a process of our own user."""
    if error.errno == errno.ENAMETOOLONG:
        return True
    if error.errno != errno.EACCES:
        return False
    for place in (path, os.path.dirname(path)):
        try:
            return os.lstat(place).st_uid == os.geteuid()
        except OSError:
            continue
    return False
