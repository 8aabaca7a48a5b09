"""Plugin ids, and dependencies of one plugin on others."""

from __future__ import annotations

import re

import attrs

from gridbus.errors import PluginValidationError
from gridbus.manifest._problems import attempt, listed, problems_of, shown
from gridbus.manifest.versions import VersionRange, as_range

_ID = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
_DEPENDENCY = r"([^\s?^~=!<>*,]+)\s*(\?)?\s*([\^~=!<>*].*)?"
MAX_ID_LENGTH = 64


def check_id(value: str) -> str:
    """Return ``value`` if it can be a plugin's id, raise ``PluginValidationError`` if not."""
    if not isinstance(value, str) or len(value) > MAX_ID_LENGTH or not re.fullmatch(_ID, value):
        raise PluginValidationError(
            f"{shown(value)} is no plugin id: write small letters, digits and single dashes, "
            f"a letter first, at most {MAX_ID_LENGTH} characters"
        )
    return value


def _id(value: str) -> str:
    return attempt(check_id, value)


def _range(value: VersionRange | str) -> VersionRange:
    return attempt(as_range, value)


@attrs.frozen
class Dependency:
    """Another plugin, and the versions of it that fit.

    Raises:
        PluginValidationError: the id or the range cannot be read; the message lists each problem.
    """

    id: str = attrs.field(converter=_id)
    versions: VersionRange = attrs.field(default=VersionRange(), converter=_range)
    optional: bool = attrs.field(default=False, kw_only=True)  #: used where it is there, not needed

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be read."""
        problems = problems_of(self)
        if not isinstance(self.optional, bool):
            problems.append(f"true or false is needed, not {shown(self.optional)} @ optional")
        if problems:
            raise PluginValidationError(listed("dependency", problems), problems=tuple(problems))

    @classmethod
    def parse(cls, text: str) -> Dependency:
        """Read ``audit-log``, ``audit-log>=1.0,<2``, ``audit-log ^1.0``; a ``?`` after the id makes it optional.

        Raises:
            PluginValidationError: the text is none of these.
        """
        match = re.fullmatch(_DEPENDENCY, text.strip()) if isinstance(text, str) else None
        if match is None:
            problem = f"{shown(text)} is no dependency: write an id and a range, such as 'audit-log>=1.0,<2'"
            raise PluginValidationError(problem, problems=(problem,))
        plugin_id, optional, versions = match.groups()
        return cls(plugin_id, versions or "*", optional=optional is not None)

    def __str__(self) -> str:
        """Return the form that ``parse`` reads."""
        return f"{self.id}{'?' if self.optional else ''}{'' if self.versions.text == '*' else self.versions}"


def as_dependency(value: Dependency | str) -> Dependency:
    """Return a dependency, reading it where it is text."""
    return value if isinstance(value, Dependency) else Dependency.parse(value)
