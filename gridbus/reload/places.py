"""Where to look for changes of a plugin: its tree, what its symbolic links lead to, and what is around them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from gridbus.bundles import matters

_MOST_FOLDERS = 2000  # of one plugin; more are no plugin's, and would use up the system's watches
_MOST_LINKS = 40  # in a row, as the kernel has it


@attrs.frozen(eq=False)
class Places:
    """The folders to watch for one plugin, and which of the changes in them are its own."""

    folders: Mapping[Path, tuple[int, int]]  #: to be watched, symbolic links resolved; with device and inode
    trees: tuple[Path, ...]  #: what is below them counts; as given
    points: frozenset[Path]  #: files and folders that count themselves
    aliases: Mapping[Path, tuple[Path, ...]]  #: by a watched folder, the names that lead to it

    def relevant(self, changed: Path) -> frozenset[Path]:
        """Return what of the plugin a change of this path is a change of; nothing where it is none."""
        names = {changed, *self.aliases.get(changed, ())}
        names |= {alias / changed.name for alias in self.aliases.get(changed.parent, ())}
        return frozenset(name for name in names if name in self.points or self._is_in_tree(name))

    def differs(self, other: Places | None) -> bool:
        """Tell whether other folders have to be watched: other paths, or others of the same name."""
        return other is None or self.folders != other.folders

    def _is_in_tree(self, path: Path) -> bool:
        return any(tree in path.parents and matters(path, tree) for tree in self.trees)


def places_of(roots: Iterable[Path]) -> Places:
    """Look up where changes of these files and folders would show; blocking, for a thread.

    Watched are each folder in a tree that matters, the folder around each root and around each symbolic link on the way
    to it or in it, and the same for what the links lead to, so that what is deleted and made again or led elsewhere is
    noticed. Where a folder is missing, the nearest one above it that exists is watched instead.
    """
    survey = _Survey()
    trees = []
    for root in roots:
        survey.way(root)
        survey.tree(root)
        trees.append(root)
    return survey.places(tuple(trees))


class _Survey:
    """What is found on the way."""

    def __init__(self) -> None:
        self.names: dict[Path, None] = {}  #: of folders to be watched
        self.points: set[Path] = set()

    def way(self, path: Path, links: int = 0) -> None:
        """Add a path: what is around it, and the symbolic links that lead to it with what is around them."""
        self.points.add(path)
        self._around(path)
        for part in (path, *path.parents):
            if part.is_symlink() and links < _MOST_LINKS:
                self.points.add(part)
                self._around(part)
                target = Path(os.path.normpath(part.parent / part.readlink()))
                if target not in self.points:
                    self.way(target, links + 1)

    def tree(self, root: Path) -> None:
        """Add the folders of a tree, and where the links in it lead."""
        waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(root, frozenset())]
        while waiting and len(self.names) < _MOST_FOLDERS:
            folder, above = waiting.pop()
            try:
                status = folder.stat()
                entries = list(os.scandir(folder)) if stat.S_ISDIR(status.st_mode) else None
            except OSError:  # it went meanwhile, which shows as a change of the folder around it
                continue
            here = (status.st_dev, status.st_ino)
            if entries is None or here in above:  # a file, or a link to what it is in
                continue
            self.names[folder] = None
            for entry in entries:
                path = folder / entry.name
                if not matters(path, root):
                    continue
                if entry.is_symlink():
                    self.way(path)
                if _is_folder(entry):
                    waiting.append((path, above | {here}))

    def places(self, trees: tuple[Path, ...]) -> Places:
        """Return all that was found."""
        folders: dict[Path, tuple[int, int]] = {}
        aliases: dict[Path, tuple[Path, ...]] = {}
        for name in self.names:
            try:
                real = Path(os.path.realpath(name))
                status = real.stat()
            except OSError:
                continue
            folders[real] = (status.st_dev, status.st_ino)
            aliases[real] = (*aliases.get(real, ()), name)
        return Places(folders, trees, frozenset(self.points), aliases)

    def _around(self, path: Path) -> None:
        above = next((parent for parent in path.parents if parent.is_dir()), None)
        if above is not None:
            self.names[above] = None
            if above != path.parent:  # the first of the missing folders is what will be made
                self.points.add(above / path.relative_to(above).parts[0])


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
