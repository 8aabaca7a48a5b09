"""A plugin's code, compiled before its process imports it, which may write nothing beside it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_MOST = 1000  # files; a folder with more is no plugin's code alone
_HEADER = 16  # bytes: magic number, flags, hash of the source
_HASHED = 0b11  # flags of a file that is checked by the hash: times are too coarse for two saves within a second


def compile_folder(folder: Path) -> int:
    """Compile what has changed since it was compiled; return how many files that were.

    As Python does it when it imports, it writes to ``__pycache__`` and does nothing where that is switched off
    (``PYTHONDONTWRITEBYTECODE``) or not possible. What cannot be compiled is told by whoever imports it.
    """
    if sys.dont_write_bytecode:
        return 0
    compiled = 0
    for count, path in enumerate(folder.rglob("*.py")):
        if count >= _MOST:
            break
        try:
            compiled += _compile(path)
        except (OSError, ValueError, NotImplementedError):
            continue
    return compiled


def _compile(path: Path) -> bool:
    source = path.read_bytes()
    target = Path(importlib.util.cache_from_source(str(path)))
    header = importlib.util.MAGIC_NUMBER + _HASHED.to_bytes(4, "little") + importlib.util.source_hash(source)
    try:
        with target.open("rb") as file:
            if file.read(_HEADER) == header:
                return False
    except FileNotFoundError:
        pass
    import py_compile  # only where something has changed

    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    return py_compile.compile(str(path), quiet=2, invalidation_mode=mode) is not None
