"""What does not fit, and where in a value it is."""

from __future__ import annotations

import re

import msgspec

from gridbus.errors import PackingError

_PLACE = re.compile(r"(.*) - at `(key` in `)?\$(.*)`$", re.DOTALL)  # as msgspec ends its messages


class Misfit(Exception):
    """Part of a value cannot be packed, or is not what was declared.

    Each level that it passes on its way out adds its own step, so that nothing is spent on paths while all fits.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self._steps: list[str] = []  # the innermost first

    def within(self, step: str) -> Misfit:
        """Add the step to the part, such as ``.name`` or ``[3]``, and return itself."""
        self._steps.append(step)
        return self

    @classmethod
    def of(cls, error: Exception) -> Misfit:
        """Return an error of msgspec, or of a class that refuses its values, as a misfit."""
        if isinstance(error, cls):
            return error
        if isinstance(error, RecursionError):
            return cls("it is nested too deep, or contains itself")
        told = _PLACE.match(str(error))
        if told is None:
            return cls(str(error) or type(error).__name__)
        reason, is_key, path = told.groups()
        misfit = cls(f"{reason} as a key" if is_key else reason)
        return misfit.within(path) if path else misfit

    @property
    def path(self) -> str:
        """Where the part is, from ``$``."""
        return "$" + "".join(reversed(self._steps))

    def as_error(self, what: str) -> PackingError:
        """Return the error that callers see."""
        return PackingError(f"{what}: {self.reason} @ {self.path}")


#: What decoding and the classes of values raise where something does not fit.
REFUSALS = (
    Misfit,
    TypeError,
    ValueError,
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    RecursionError,
    msgspec.MsgspecError,
)
