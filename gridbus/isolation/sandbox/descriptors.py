"""Closes what a process inherited and has no use for."""

from __future__ import annotations

import os
from collections.abc import Collection

_STANDARD = (0, 1, 2)
_HIGHEST = 2**20  # more than any limit of descriptors in use


def close_others(keep: Collection[int]) -> int:
    """Close all descriptors but these and the standard ones; return how many of them are open.

    Objects that still hold a closed descriptor must not be used, nor be left to close it: its number is given again.
    """
    kept = sorted({*_STANDARD, *keep})
    for before, after in zip(kept, [*kept[1:], _HIGHEST], strict=True):
        if after - before > 1:
            os.closerange(before + 1, after)
    return sum(map(_is_open, kept))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
