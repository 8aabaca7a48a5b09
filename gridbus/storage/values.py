"""Stored values as bytes: msgpack of plain values and attrs classes."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from gridbus.errors import StoredTypeError


def encode(value: object, where: str) -> bytes:
    """Return a value as msgpack; ``where`` names it in errors.

    Raises:
        StoredTypeError: msgpack does not carry the value.
    """
    cls = type(value)
    if attrs.has(cls) and (private := [field.name for field in attrs.fields(cls) if field.name.startswith("_")]):
        raise StoredTypeError(
            f"cannot store {where}: {cls.__name__}.{private[0]} would be lost, as msgpack carries no field whose name "
            "begins with '_'"
        )
    try:
        return msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        reason = "it contains itself, or is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise StoredTypeError(f"cannot store {where}: {reason}") from error


def decode(data: bytes, type: Any, where: str) -> Any:
    """Return what ``encode`` wrote, as ``type``; ``object`` takes it as msgpack has it.

    Raises:
        StoredTypeError: what is stored is not of the type, or the type is none that can be read back.
    """
    try:
        # No decoder is kept per type: it would keep the classes of a reloaded plugin alive, to save a microsecond.
        return msgspec.msgpack.decode(data, type=Any if type is object else type)
    except (TypeError, ValueError, NameError, RecursionError, msgspec.MsgspecError) as error:
        name = getattr(type, "__qualname__", None) or repr(type)
        raise StoredTypeError(f"cannot read {where} as {name}: {error}") from error
