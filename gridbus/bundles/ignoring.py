"""Which files of a plugin's folder are part of the plugin, and which only lie there."""

from __future__ import annotations

import os
from pathlib import PurePath

_FOLDERS = frozenset({"__pycache__", "CVS", "_darcs"})  # other version control keeps its data in hidden folders

#: compiled code; swap files, back-ups and temporary files of editors; what a plugin may write itself as it runs
_ENDINGS = (
    *(".pyc", ".pyo"),
    *("~", ".swp", ".swx", ".tmp"),
    *(".db", "-wal", "-shm", "-journal", ".log", ".jsonl", ".pid", ".lock"),
)


def matters(path: PurePath, folder: str | os.PathLike[str]) -> bool:
    """Tell whether a file or folder is part of the plugin that lives in ``folder``.

    What is hidden, what editors and version control leave beside the files that people edit, compiled code, and the
    databases and logs that a plugin may write itself are not. Only names count: nothing is looked up. Of a path that
    is not inside ``folder`` only its last name is judged.
    """
    try:
        parts = path.relative_to(folder).parts
    except ValueError:
        parts = path.parts[-1:]
    if not parts:
        return True  # the folder itself
    return all(map(folder_matters, parts)) and file_matters(parts[-1])


def folder_matters(name: str) -> bool:
    """Tell whether a folder of this name may hold parts of the plugin."""
    return not name.startswith(".") and name not in _FOLDERS


def file_matters(name: str) -> bool:
    """Tell whether a file of this name is part of the plugin."""
    return not (
        name.startswith(".")
        or name.endswith(_ENDINGS)
        or ".sqlite" in name
        or "___jb_" in name  # the two files of a safe write of JetBrains' editors
        or name == "4913"  # vim's, to find out whether it may create files
        or (name.startswith("#") and name.endswith("#"))
    )
