"""Where a file goes, and how it gets there: whole, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from official_plugins.export.messages import ExportError


def resolve_target(path: str, directory: Path | None) -> Path:
    """Return the absolute path of a file that was asked for.

    Raises:
        ExportError: the path is none, or leads out of ``directory``, links included.
    """
    if not path or "\0" in path or path.endswith("/"):
        raise ExportError(f"{path!r} is no name of a file")
    if directory is None:
        return Path(path).absolute()
    folder = directory.resolve()
    target = (folder / path).resolve()
    if not target.is_relative_to(folder) or target == folder:
        raise ExportError(f"{path!r} leads out of the folder for exports, {directory}: give a path within it")
    return target


class Target:
    """A file under a temporary name in the folder where it is to be; its methods block."""

    def __init__(self, path: Path) -> None:
        """Choose the temporary name, and make the folder.

        Raises:
            OSError: the folder cannot be made.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory", str(path))
        self.part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")

    def commit(self) -> tuple[int, str]:
        """Give the complete file its name, in the place of one that was there; return its size and SHA-256.

        Raises:
            OSError: it cannot be read or moved.
        """
        with self.part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            size = os.fstat(file.fileno()).st_size
            os.fsync(file.fileno())
        self.part.replace(self.path)
        return size, digest.hexdigest()

    def discard(self) -> None:
        """Remove what was written; does nothing where there is nothing."""
        with contextlib.suppress(FileNotFoundError):
            self.part.unlink()
