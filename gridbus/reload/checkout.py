"""Whether a repository around a folder is being written to as a whole."""

from __future__ import annotations

from pathlib import Path

import attrs

_LINK = "gitdir: "  # how a worktree's or submodule's .git, a file, names its folder


@attrs.frozen
class Lock:
    """A lock that is there now; one made later differs."""

    path: Path
    inode: int
    made_ns: int


def checkout_lock(folder: Path) -> Lock | None:
    """Return git's lock where a checkout, merge or commit in the repository around a folder runs now; blocking."""
    for above in (folder, *folder.parents):
        place = above / ".git"
        try:
            if place.is_file():
                text = place.read_text(errors="surrogateescape").strip()
                place = above / text.removeprefix(_LINK) if text.startswith(_LINK) else place
            if not place.is_dir():
                continue
            lock = place / "index.lock"
            status = lock.stat()
            return Lock(lock, status.st_ino, status.st_mtime_ns)
        except FileNotFoundError:
            return None
        except OSError:  # not ours to read: no help from there
            continue
    return None
