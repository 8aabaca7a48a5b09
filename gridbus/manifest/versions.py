"""Versions, and ranges of them as plugins write them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from gridbus.errors import PluginValidationError
from gridbus.manifest._problems import as_text, shown

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

MAX_LENGTH = 200  #: of a version or a range; longer ones are mistakes or attacks
_PLAIN_VERSION = r"[0-9]+(\.[0-9]+)*"  # compiled at first use, as are all patterns here: that is not for import
_CLAUSE = r"(===|==|~=|!=|<=|>=|<|>|\^|~)\s*(\S+)"
HOW_TO_WRITE = "write '*', or clauses such as '>=1.0,<2', '^1.2' or '~1.2.3', all of which must hold"


def check_version(value: str) -> str:
    """Return ``value`` if it is a version by PEP 440, raise ``PluginValidationError`` if not.

    That includes semantic versions as far as wheels can carry them: ``1.0.0-beta.1`` is read as ``1.0.0b1``.
    """
    if len(as_text(value)) > MAX_LENGTH:
        raise PluginValidationError(f"{shown(value)} is no version: it has more than {MAX_LENGTH} characters")
    if re.fullmatch(_PLAIN_VERSION, value):
        return value  # the usual case costs no import of packaging
    from packaging.version import InvalidVersion, Version

    try:
        Version(value if value == value.strip() else "")  # it would take spaces around
    except InvalidVersion:
        raise PluginValidationError(f"{shown(value)} is no version: write 1.2.0 or another form of PEP 440") from None
    return value


@attrs.frozen
class VersionRange:
    """A set of versions: ``*``, or comma-separated clauses that must all hold.

    A clause is one of PEP 440 (``>=1.0``, ``!=1.3``, ``~=1.4``, ``==2.*``), a caret (``^1.2.0``: up to the next change
    of the leftmost figure that is not 0) or a tilde (``~1.2.3``: up to the next minor version). A pre-release counts
    as any other version, for whoever installed it chose it; ``<2`` holds no pre-release of 2, as PEP 440 has it.

    Raises:
        PluginValidationError: a clause cannot be read.
    """

    text: str = "*"

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be read."""
        if len(as_text(self.text)) > MAX_LENGTH:
            raise PluginValidationError(f"{shown(self.text)} is no range: it has more than {MAX_LENGTH} characters")
        if self.text.strip() != "*":
            _specifiers(self.text)

    def __str__(self) -> str:
        """Return the range as it was written."""
        return self.text

    def contains(self, version: str) -> bool:
        """Tell whether a version is in the range.

        Raises:
            PluginValidationError: ``version`` is no version.
        """
        check_version(version)
        return self.text.strip() == "*" or _specifiers(self.text).contains(version, prereleases=True)

    def explain(self, version: str) -> str:
        """Say in words whether a version is in the range, and if not, which clauses it breaks."""
        if self.contains(version):
            return f"{version} is in {self.text}"
        clauses = map(str.strip, self.text.split(","))
        return f"{version} is not {' and not '.join(c for c in clauses if not VersionRange(c).contains(version))}"


def as_range(value: VersionRange | str) -> VersionRange:
    """Return a range, reading it where it is text."""
    return value if isinstance(value, VersionRange) else VersionRange(value)


@lru_cache(maxsize=512)
def _specifiers(text: str) -> SpecifierSet:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    clauses: list[str] = []
    for clause in map(str.strip, text.split(",")):
        match = re.fullmatch(_CLAUSE, clause)
        if match is None:
            raise PluginValidationError(f"{shown(clause)} in {shown(text)} is no version range: {HOW_TO_WRITE}")
        operator, version = match.groups()
        clauses += _bounds(operator, version, text) if operator in "^~" else [clause]
    try:
        return SpecifierSet(",".join(clauses))
    except InvalidSpecifier:
        raise PluginValidationError(f"{shown(text)} is no version range: {HOW_TO_WRITE}") from None


def _bounds(operator: str, version: str, text: str) -> list[str]:
    """Turn a caret or tilde into clauses of PEP 440."""
    from packaging.version import InvalidVersion, Version

    try:
        release = Version(version).release
    except InvalidVersion:
        raise PluginValidationError(f"{shown(version)} in {shown(text)} is no version: {HOW_TO_WRITE}") from None
    if operator == "~":
        position = min(1, len(release) - 1)
    else:
        position = next((i for i, figure in enumerate(release) if figure), len(release) - 1)
    upper = [*release[:position], release[position] + 1]
    return [f">={version}", f"<{'.'.join(map(str, upper))}"]
