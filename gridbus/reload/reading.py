"""All that a plugin comes from, as read at one moment at which nobody wrote it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from gridbus.bundles import Bundle, Unsettled, read_bundle
from gridbus.bundles.settling import is_younger, read_settled
from gridbus.errors import GridbusError, PluginNotFoundError
from gridbus.reload.checkout import Lock, checkout_lock

_GONE = "gone"
_BEING_SAVED = 0.25  # seconds in which a file that was moved away may be replaced


class NotYet(GridbusError):
    """The files are being written, or are not there: look again later."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path, self.reason = path, reason


class CheckoutRuns(NotYet):
    """The whole repository around the files is being written."""

    def __init__(self, lock: Lock) -> None:
        super().__init__(lock.path, "says that git is writing the files around it")
        self.lock = lock


class FolderGone(NotYet):
    """The plugin's folder is not there."""


@attrs.frozen(eq=False)
class Reading:
    """The plugin's folder and what it has outside of it."""

    bundle: Bundle | None  #: None for a plugin that does not come as a folder
    outside: Mapping[str, str] = attrs.field(factory=dict)  #: digests of files and folders outside, by path

    @property
    def digest(self) -> str:
        """Of the folder's code; empty where there is no folder."""
        return self.bundle.digest if self.bundle is not None else ""

    def changed_since(self, other: Reading) -> tuple[str, ...]:
        """Return the names of what was added, changed or removed, sorted; those in the folder relative to it."""
        changed = {
            path
            for path in self.outside.keys() | other.outside.keys()
            if self.outside.get(path) != other.outside.get(path)
        }
        if self.bundle is not None and other.bundle is not None:
            changed.update(self.bundle.changed_since(other.bundle))
        return tuple(sorted(changed))

    def is_data(self, name: str, other: Reading) -> bool:
        """Tell whether a name that ``changed_since`` gave is of no code, neither here nor there."""
        return not any(
            name in reading.outside or (reading.bundle is not None and name in reading.bundle.files)
            for reading in (self, other)
        )


def read_all(
    folder: Path | None,
    paths: Iterable[Path],
    known: Reading | None = None,
    stale_lock: Lock | None = None,
) -> Reading:
    """Read it; blocking, for a thread.

    Args:
        folder: the plugin's, if it has one.
        paths: files and folders outside of it.
        known: what was read before, from which is taken what has not changed.
        stale_lock: a lock of git that is not believed.

    Raises:
        NotYet: it is not whole now.
        BundleTooLarge: it is no plugin's folder.
    """
    roots = [*([folder] if folder is not None else []), *paths]
    for root in roots:
        for place in dict.fromkeys((root, Path(os.path.realpath(root)))):
            lock = checkout_lock(place)
            if lock is not None and lock != stale_lock:
                raise CheckoutRuns(lock)
    try:
        bundle = None
        if folder is not None:
            bundle = read_bundle(folder, known=known.bundle if known is not None else None)
        outside = {str(path): _digest(path) for path in paths}
    except Unsettled as error:
        raise NotYet(Path(error.path), error.reason) from error
    except PluginNotFoundError as error:
        raise FolderGone(folder or Path(), "is gone") from error
    for path, digest in outside.items():
        was = known.outside.get(path, _GONE) if known is not None else _GONE
        if digest == _GONE and was != _GONE and _changed_just_now(Path(path).parent):
            raise NotYet(Path(path), "is missing since a moment ago, as while it is being saved")
    return Reading(bundle, outside)


def _digest(path: Path) -> str:
    try:
        return read_bundle(path).digest if path.is_dir() else hashlib.sha256(read_settled(str(path))[0]).hexdigest()
    except (Unsettled, PluginNotFoundError):
        if path.exists():
            raise
        return _GONE
    except OSError as error:
        raise NotYet(path, f"cannot be read: {error.strerror}") from error


def _changed_just_now(folder: Path) -> bool:
    try:
        return is_younger(folder.stat().st_mtime_ns, _BEING_SAVED)
    except OSError:
        return False
