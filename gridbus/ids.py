"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u


def base32(number: int, width: int) -> str:
    """Write ``number`` in Crockford's base 32, padded to ``width`` characters."""
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


def new_id() -> str:
    """Return 20 characters: 10 of milliseconds since 1970, 10 of randomness (50 bits)."""
    return base32(time.time_ns() // 1_000_000, 10) + base32(secrets.randbits(50), 10)
